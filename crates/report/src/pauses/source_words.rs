//! How pauses are seen: why this source, what stood in the way of a better one, and what to do about it.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Why a source of pauses was chosen.
    SourceWords {
        Why: "   why this source: {}", "   选用原因: {}";
        Remedy: "   🔧 to see them exactly: {}", "   🔧 如需精确观测: {}";
        Records: "the interpreter records every collection itself", "解释器自身记录每次回收";
        Best: "this build keeps no records; hardware watchpoints on the collector's flag are exact", "此版本解释器不保留记录；监视回收标志的硬件观察点是精确的";
        FewRecords: "this build keeps the record of one collection of each generation, which the next one overwrites; hardware watchpoints on the collector's flag are exact", "此版本解释器每代只保留一次回收的记录，下一次即覆盖；监视回收标志的硬件观察点是精确的";
        Asked: "it was asked for", "按要求选用";
        FewRegisters: "hardware watchpoints, but only {} of the {} debug register{|s} that they take could be had: every full collection is seen, some to within bounds; some young ones are told without their generation", "硬件观察点，但只得到 {} 个调试寄存器（需 {} 个）：每次完全回收都会看到，其中一些的时长只有上下界；部分年轻代回收无法分代";
        Counters: "one hardware watchpoint ({} of the {} debug registers that watchpoints alone take were free): a program in the kernel reads the generation of each collection", "一个硬件观察点（空闲 {} 个，仅用观察点需 {} 个调试寄存器）：由内核中的程序读取每次回收的代";
        FewRegistersMend: "end what else watches this process (m5 serve, top, watch, a debugger), or read the pauses there", "先结束监视该进程的其他程序（m5 serve、top、watch 或调试器），或在那里查看暂停";
        Fallback: "no hardware watchpoints, polling instead: {}", "无法使用硬件观察点，改为轮询：{}";
        Paranoid: "kernel.perf_event_paranoid is {}", "kernel.perf_event_paranoid 为 {}";
        ParanoidMend: "run m5 as root, grant it CAP_PERFMON, or `sysctl kernel.perf_event_paranoid=2`", "以 root 运行 m5、授予 CAP_PERFMON，或执行 `sysctl kernel.perf_event_paranoid=2`";
        Seccomp: "a seccomp filter denies perf_event_open ({})", "seccomp 过滤器拒绝了 perf_event_open（{}）";
        SeccompMend: "allow perf_event_open in the container's seccomp profile, or run m5 outside the container", "在容器的 seccomp 配置中放行 perf_event_open，或在容器外运行 m5";
        Denied: "perf_event_open is denied ({})", "perf_event_open 被拒绝（{}）";
        DeniedMend: "grant CAP_PERFMON, and see what the security module denies (dmesg, audit log)", "授予 CAP_PERFMON，并查看安全模块拒绝了什么（dmesg、审计日志）";
        OtherUser: "the process belongs to another user", "该进程属于其他用户";
        OtherUserMend: "run m5 as that user or as root, or with CAP_PERFMON and CAP_SYS_PTRACE", "以该用户或 root 运行 m5，或授予 CAP_PERFMON 和 CAP_SYS_PTRACE";
        Unsupported: "this kernel or machine has no hardware breakpoints ({})", "此内核或机器不支持硬件断点（{}）";
        ExclusivePairs: "this processor or this build of CPython swaps by pairs of exclusive instructions, which a watch would never let succeed", "此处理器或此 CPython 构建以独占指令对完成交换，监视点会使其永远无法成功";
        NoRegisters: "a debugger or another tracer holds the debug registers", "调试器或其他跟踪程序占用了调试寄存器";
        NoRegistersMend: "end the other tracer first", "先结束该跟踪程序";
        FileLimit: "too many threads for {} open file{|s}", "线程过多，打开文件数上限 {} 不够用";
        FileLimitMend: "raise the hard limit of open files (ulimit -Hn)", "提高打开文件数的硬上限（ulimit -Hn）";
        LockedMemory: "no memory may be locked for the event rings", "无法为事件环形缓冲区锁定内存";
        LockedMemoryMend: "raise kernel.perf_event_mlock_kb or ulimit -l", "提高 kernel.perf_event_mlock_kb 或 ulimit -l";
        Other: "perf_event_open failed ({})", "perf_event_open 失败（{}）";
        Windows: "   {} collection{|s} {was|were} not observed: the watch was open {} of the time, at random, to stay within --max-overhead", "   {} 次回收未被观测：为不超过 --max-overhead，仅在 {} 的时间内随机开启监视";
        Long: "🐢 Pauses of {} and longer: {}", "🐢 不短于 {} 的暂停: {}次";
        LongNone: "   none", "   无";
        LongMore: "   … {} more; the longest {} are in the JSON", "   ……另有 {} 次；最长的 {} 次见 JSON";
        LongAt: "at {}", "开始于 {}";
        LongGeneration: "Gen{}", "Gen{}";
        LongThread: "thread {}", "线程 {}";
        LongFreed: "{} object{|s} freed", "回收对象 {} 个";
        LongCandidates: "{} candidate{|s}", "候选对象 {} 个";
        LongLive: "{} object{|s} alive after it", "之后存活对象 {} 个";
        LongLived: "{} long-lived objects", "长期存活对象 {} 个";
        LongStood: "other threads stood for {}", "其他线程停顿 {}";
        LongWaited: "waited {} for them to stop", "等待其停下 {}";
        Stood: "🧵 other threads stood still: {} in all, P50={}, max={}", "🧵 其他线程停顿: 共 {}, P50={}, 最大={}";
        Waited: "   until all of them had stopped: {} in all, P50={}, max={}", "   等待所有线程停下: 共 {}, P50={}, 最大={}";
        WorldUnwatched: "🧵 how long other threads stood still was not watched", "🧵 未监视其他线程停顿了多久";
        LongBound: "± {}", "± {}";
        Frame: "      at {} ({})", "      位于 {}（{}）";
        FramesMore: "      … {} outer frame{|s} more", "      ……外层还有 {} 帧";
        StacksRead: "   stacks were read while a collection lasted, which misses short ones ({}); with CAP_BPF and CAP_PERFMON the kernel tells each at its start", "   调用栈在回收期间读取，较短的回收会漏掉（{}）；有 CAP_BPF 与 CAP_PERFMON 时由内核在每次回收开始时给出";
        NoStack: "      (no stack was caught)", "      （未捕获到调用栈）";
        NoStackPolling: "      (polling reads no stacks)", "      （轮询不读取调用栈）";
    }
}
