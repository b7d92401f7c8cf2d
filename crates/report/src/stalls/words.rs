//! `m5 stalls`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What stalls an event loop.
    Stall {
        Title: "Turns of the event loops of PID {} over {}", "PID {} 的事件循环轮次，观察 {}";
        None: "no thread waited for events: no event loop, or one that never came back to its wait", "没有线程等待事件：没有事件循环，或循环始终未返回等待";
        Thread: "THREAD", "线程";
        Turns: "TURNS", "轮次";
        Longest: "LONGEST", "最长";
        Long: "{} turn{|s} over {}", "{} 个轮次超过 {}";
        OfThem: "of their {}: {}", "其 {} 的去向：{}";
        Between: ", ", "，";
        Generation: "collecting generation {}", "第 {} 代回收";
        Collector: "collecting", "垃圾回收";
        Gil: "waiting for the GIL", "等待 GIL";
        Locks: "waiting for locks", "等待其他锁";
        Calls: "in system calls", "系统调用";
        Called: "in system calls ({})", "系统调用（{}）";
        Processor: "waiting for a processor", "等待处理器";
        Faults: "fetching pages from disk or swap", "从磁盘或交换区取页";
        Running: "running code", "执行代码";
        Ran: "lines that ran, by looks at them, with their share of that time:", "观察到正在执行的代码行及其占比：";
        CalledFrom: "{}, called from {}", "{}，调用自 {}";
        Deeper: "… called from {}", "… 调用自 {}";
        Each: "{} at {} in thread {}: {}", "{}，位于 {}，线程 {}：{}";
        Before: " (it had begun before)", "（在观察之前已开始）";
        Lasts: " (it still lasted at the end)", "（观察结束时仍在持续）";
        Collecting: "the garbage collector ran, started at", "垃圾回收正在运行，起于";
        NotLooked: "not looked at in time", "未能及时查看";
        NoCollector: "collections could not be watched: their time counts as running code", "无法观察垃圾回收：其时间计入执行代码";
        Unseen: "{} of {} collection{|s} {was|were} seen; the others count as running code", "观察到 {} 次回收（共 {} 次），其余计入执行代码";
        Undescribed: "this kernel does not describe its threads (/sys/kernel/btf/vmlinux): waiting for a processor and for pages counts with what it interrupted", "此内核未提供线程描述（/sys/kernel/btf/vmlinux）：等待处理器与取页的时间计入被打断的部分";
        WithoutPython: "{} thread{|s} that {runs|run} no Python (of a C library) {waits|wait} for events too and {is|are} left out: {}", "另有 {} 个不运行 Python 的线程（C 库的线程）也在等待事件，未计入：{}";
        Lost: "{} long turn{|s} found no room and are missing", "有 {} 个较长轮次因缓冲区已满而缺失";
        Partly: "turns were watched in random windows, {} of the time, for {} of the target's time: the others are not in these counts (--max-overhead)", "轮次在随机窗口中观察，占全部时间的 {}，占用目标时间的 {}：其余轮次不在上述计数中（--max-overhead）";
    }
}
