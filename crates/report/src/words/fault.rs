//! What went wrong, and what to do about it.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Errors and their remedies.
    Fault {
        Prefix: "error", "错误";
        Remedy: "what to do", "解决办法";
        RemedyLine: "  what to do: {}", "  解决办法：{}";
        NoSuchProcess: "no process with PID {} (or it has ended)", "没有 PID 为 {} 的进程（或已退出）";
        NoSuchProcessRemedy: "`m5 list` shows the Python processes of this machine", "`m5 list` 可列出本机的 Python 进程";
        InsideContainer: "in a container PID {} is here PID {}: give that one", "容器内的 PID {} 在此处为 PID {}：请使用后者";
        OutsideContainer: "m5 runs in a container and sees only its processes: give the PID as counted in here", "m5 运行在容器内，只能看到容器内的进程：请使用容器内的 PID";
        Replaced: "PID {} executed another program while m5 looked at it", "PID {} 在采集期间执行了另一个程序（exec）";
        ReplacedAfter: "PID {} executed another program after {}; nothing is said of what it executes since", "PID {} 在 {} 后执行了另一个程序（exec）；此后的程序未被分析";
        ReplacedRemedy: "look again once the new program runs: the pid is the same", "新程序运行后请重新采集：PID 不变";
        NotPython: "PID {} is not a CPython 3.8+ process", "PID {} 不是 CPython 3.8+ 进程";
        NotPythonRemedy: "give the PID of the interpreter itself, not of a shell or supervisor around it; `m5 list` shows them",
            "请给出解释器本身的 PID，而不是外层 shell 或守护程序的 PID；`m5 list` 可列出";
        PidVariable: "M5_PID={} in the environment: {}", "环境变量 M5_PID={}：{}";
        PidVariableRemedy: "set it to the PID of a process, unset it, or name a process with -p", "请将其设为进程 PID、取消该变量，或用 -p 指定进程";
        Zombie: "PID {} has ended; its parent, PID {}, has not asked for its end yet (a zombie)", "PID {} 已退出，其父进程 PID {} 尚未回收它（僵尸进程）";
        ZombieRemedy: "nothing is left of it to look at; `m5 list` shows the Python processes of this machine", "该进程已无内容可供分析；`m5 list` 可列出本机的 Python 进程";
        OtherPython: "PID {} runs {}, not CPython", "PID {} 运行的是 {}，而不是 CPython";
        OldPython: "PID {} runs CPython {}; m5 reads 3.8 and later", "PID {} 运行的是 CPython {}；m5 支持 3.8 及更高版本";
        OtherPythonRemedy: "m5 cannot see into it; /proc and the kernel's tools still tell its memory as a whole", "m5 无法读取其内部；整体内存仍可通过 /proc 与系统工具查看";
        Around: "PID {} is {}, which runs no interpreter itself; below it run: {}", "PID {} 是 {}，自身不运行解释器；其下的解释器 PID：{}";
        AroundRemedy: "give one of these PIDs", "请使用其中一个 PID";
        Unsupported: "PID {} runs a CPython that m5 does not know: {}", "PID {} 运行的 CPython 版本 m5 尚不支持：{}";
        UnsupportedRemedy: "m5 refuses to guess at memory it cannot verify; process figures (RSS, FDs) still work: `m5 baseline`. Please report the line above",
            "m5 不会猜测无法验证的内存布局；进程级指标（RSS、FD）仍可用：`m5 baseline`。请反馈上面这一行";
        FreeThreaded: "PID {} runs free-threaded CPython {}, a version that this m5 does not know: it reads 3.13 to 3.15", "PID {} 运行的是自由线程版 CPython {}，此 m5 尚不认识该版本：它支持 3.13 至 3.15";
        FreeThreadedRemedy: "a later m5 may; process figures (RSS, FDs) still work: `m5 baseline`", "更新的 m5 也许支持；进程级指标（RSS、FD）仍可用：`m5 baseline`";
        Starting: "the interpreter of PID {} is still starting (or already ending)", "PID {} 的解释器仍在启动（或正在退出）";
        Busy: "PID {} is busy collecting: no moment between two collections came", "PID {} 正在不停地回收：没有等到两次回收之间的空隙";
        BusyRemedy: "try again in a moment", "请稍后重试";
        StartingRemedy: "try again in a moment", "请稍后重试";
        Bpf: "PID {}: {}", "PID {}：{}";
        BpfRemedy: "run m5 as root, or give it CAP_BPF and CAP_PERFMON (and CAP_SYS_PTRACE for another user's process); without them `m5 alloc` reads the stacks of young collections, and `m5 gc --stacks` those of pauses", "请以 root 运行 m5，或授予 CAP_BPF 与 CAP_PERFMON（其他用户的进程还需 CAP_SYS_PTRACE）；否则 `m5 alloc` 读取年轻代回收的调用栈，`m5 gc --stacks` 读取停顿的调用栈";
        BpfLackRemedy: "it takes Linux 5.15 or later (on 64-bit Arm 6.6), in the host's namespace of processes; elsewhere `m5 alloc` reads the stacks of young collections, and `m5 gc --stacks` those of pauses", "需要 Linux 5.15 或更高版本（64 位 Arm 需 6.6），并在主机的进程命名空间中运行；否则 `m5 alloc` 读取年轻代回收的调用栈，`m5 gc --stacks` 读取停顿的调用栈";
        PausesRemedy: "leave out the choice of a source: m5 then takes the best that is allowed", "不要指定来源：m5 会自动选择可用的最佳来源";
        Permission: "no permission to read {} of PID {}", "没有权限读取 {}（PID {}）";
        PermissionUser: "PID {} belongs to another user (uid {}): run m5 as that user or as root (sudo), or give it the capabilities: sudo setcap cap_sys_ptrace,cap_dac_read_search,cap_perfmon+ep $(command -v m5)",
            "PID {} 属于其他用户（uid {}）：请以该用户或 root（sudo）运行，或授予能力：sudo setcap cap_sys_ptrace,cap_dac_read_search,cap_perfmon+ep $(command -v m5)";
        PermissionYama: "kernel.yama.ptrace_scope is {}: run m5 as root, or give it CAP_SYS_PTRACE and CAP_PERFMON (sudo setcap cap_sys_ptrace,cap_perfmon+ep $(command -v m5)), or start the target from m5 (m5 baseline -- CMD), or sudo sysctl kernel.yama.ptrace_scope=0",
            "kernel.yama.ptrace_scope 为 {}：请以 root 运行，或授予 CAP_SYS_PTRACE（sudo setcap cap_sys_ptrace,cap_perfmon+ep $(command -v m5)），或由 m5 启动目标（m5 baseline -- CMD），或执行 sudo sysctl kernel.yama.ptrace_scope=0";
        PermissionContainer: "in a container, add the capabilities: docker run --cap-add SYS_PTRACE --cap-add PERFMON, or in Kubernetes runAsUser: 0 and securityContext.capabilities.add: [SYS_PTRACE, PERFMON], with drop: [ALL] DAC_READ_SEARCH too",
            "在容器中请添加能力：docker run --cap-add SYS_PTRACE --cap-add PERFMON，或在 Kubernetes 中设置 runAsUser: 0 与 securityContext.capabilities.add: [SYS_PTRACE, PERFMON]（若 drop: [ALL]，还需 DAC_READ_SEARCH）";
        Kernel: "{}", "{}";
        WorkloadRemedy: "--workload takes a file that begins with a number, or a metric: http://127.0.0.1:8000/metrics#orders_total",
            "--workload 接受以数字开头的文件，或一个指标：http://127.0.0.1:8000/metrics#orders_total";
        KernelRemedy: "is /proc mounted, and does it show this process?", "请检查 /proc 是否已挂载且能看到该进程";
        FileUnreadable: "cannot read {}: {}", "无法读取 {}：{}";
        FileUnreadableRemedy: "check the path; `m5 baseline --save FILE` writes a recording, `m5 snapshot --save FILE` a snapshot",
            "请检查路径；`m5 baseline --save FILE` 可生成记录，`m5 snapshot --save FILE` 可生成快照";
        SettingsUnreadable: "cannot read the settings file {}: {}", "无法读取配置文件 {}：{}";
        SettingsUnreadableRemedy: "check --config or M5_CONFIG; `m5 init -p PID` writes an m5.toml; without one the objectives are those of --profile",
            "请检查 --config 或 M5_CONFIG；`m5 init -p PID` 可生成 m5.toml；没有配置文件时采用 --profile 的指标";
        FileForeign: "{} is no recording and no snapshot of m5", "{} 不是 m5 的采集文件，也不是快照";
        FileForeignRemedy: "`m5 baseline --save FILE` writes a recording, `m5 snapshot --save FILE` a snapshot; a settings file (m5.toml) is named by --config",
            "`m5 baseline --save FILE` 可生成采集文件，`m5 snapshot --save FILE` 可生成快照；配置文件（m5.toml）请用 --config 指定";
        FileMalformed: "{} is not a readable m5 document: {}", "{} 不是可读的 m5 文档：{}";
        FileMalformedRemedy: "the file is cut off or was changed; record it again with `m5 baseline --save FILE` (a snapshot with `m5 snapshot --save FILE`)",
            "文件不完整或被修改；请用 `m5 baseline --save FILE` 重新采集（快照用 `m5 snapshot --save FILE`）";
        Core: "the core file {} cannot be read: {}", "无法读取核心转储文件 {}：{}";
        FileSchema: "{} has schema {}, this m5 reads {}", "{} 的格式为 {}，当前 m5 可读取 {}";
        FileSchemaRemedy: "record it again with this m5 (`m5 baseline --save FILE`), or read it with the m5 that wrote it",
            "请用当前版本的 m5 重新采集（`m5 baseline --save FILE`），或用写入它的 m5 版本读取";
        WriteFailed: "cannot write {}: {}", "无法写入 {}：{}";
        WriteFailedRemedy: "the folder must exist, be yours to write and have room; choose another with the option that named it (-o, --save, --journal, …); nothing half-written was left behind",
            "目录须存在、可写且有剩余空间；请用相应选项（-o、--save、--journal 等）换一个位置；未留下写到一半的文件";
        Exists: "{} is there already", "{} 已存在";
        ExistsRemedy: "--force replaces it; --save FILE writes another", "--force 可覆盖；--save FILE 可写入其他文件";
        ReportOnly: "-o writes the report, and {} would hold no snapshot", "-o 写的是报告，{} 里不会有快照";
        ReportOnlyRemedy: "m5 snapshot --save FILE saves a snapshot; give -o another ending for the report",
            "m5 snapshot --save FILE 保存快照；报告请用其他扩展名";
        Spool: "m5's buffers cannot lie in {}: {}", "m5 的缓冲区无法放在 {}：{}";
        SpoolRemedy: "give --spool a folder on a disk that you may write to, with room for about three times the target's memory",
            "请为 --spool 指定一个磁盘上可写的目录，剩余空间约为目标进程内存的三倍";
        Config: "{} is not a valid settings file: {}", "{} 不是有效的配置文件：{}";
        ConfigRemedy: "the names of the objectives are those of `m5 health --json`; example: [objectives.rss_peak_bytes] pass = \"40MB\"",
            "指标名称见 `m5 health --json`；示例：[objectives.rss_peak_bytes] pass = \"40MB\"";
        NoTarget: "no Python process to look at", "没有可供分析的 Python 进程";
        NoTargetRemedy: "give a PID (`m5 list` shows them) or a command after `--`", "请给出 PID（`m5 list` 可列出）或在 `--` 之后给出命令";
        ManyTargets: "several Python processes run here: {}", "本机有多个 Python 进程：{}";
        ManyTargetsRemedy: "choose one with -p PID", "请用 -p PID 选择一个";
        OneTarget: "this command looks at one process, not at {}", "该命令一次只分析一个进程，而不是 {} 个";
        FormatUnknown: "this command has no such format; it has: {}", "该命令不支持此格式；可用格式：{}";
        Spawn: "cannot start {}: {}", "无法启动 {}：{}";
        SpawnRemedy: "check that the command exists and may be executed", "请检查该命令是否存在且可执行";
        TwoFiles: "give two snapshot files (m5 diff BEFORE AFTER), or a process (m5 diff -p PID)", "请给出两个快照文件（m5 diff 之前 之后），或一个进程（m5 diff -p PID）";
        Refused: "the memory of PID {} was not captured: {}", "未采集 PID {} 的内存：{}";
        RefusedRemedy: "the target was left as it was; try `--method freeze` (stops it for the copy, see --max-pause) or `--method live` (stops nothing, less exact)",
            "目标未受影响；可改用 `--method freeze`（复制期间暂停，见 --max-pause）或 `--method live`（不暂停，精度较低）";
        NoFiles: "nothing was begun: m5 may have {} file{|s} open at a time, which is too few", "未开始任何操作：m5 最多只能同时打开 {} 个文件，数量不足";
        NoFilesRemedy: "raise the limit: ulimit -n 256", "请提高上限：ulimit -n 256";
        NoMemory: "m5 gets no more memory, or may have no more threads", "m5 无法获得更多内存或线程";
        NoMemoryRemedy: "raise the limit (ulimit -v, ulimit -u, or those of its cgroup), or give m5 a folder on disk with --spool", "请提高上限（ulimit -v、ulimit -u 或其控制组的上限），或用 --spool 指定磁盘目录";
        PermissionHidden: "/proc is mounted with hidepid, which hides the processes of other users: run m5 as that user or as root, or in the group that gid= of the mount names",
            "/proc 以 hidepid 挂载，隐藏了其他用户的进程：请以该用户或 root 运行 m5，或加入挂载选项 gid= 指定的组";
        NoRoom: "nothing was begun: {}", "未开始任何操作：{}";
        NoRoomRemedy: "run m5 outside of that group (on the host, or in a container of its own), or raise the limit: at the limit the kernel may end the target", "请在该控制组之外运行 m5（宿主机或单独的容器），或提高上限：达到上限时内核可能终止目标进程";
        NotTrimmed: "nothing of PID {} was given back: {}", "未归还 PID {} 的内存：{}";
        OtherLibraryRemedy: "start it with an allocator that returns memory by a setting (LD_PRELOAD of jemalloc or mimalloc); `m5 tune -- CMD` proves which helps",
            "启动时改用可通过设置归还内存的分配器（以 LD_PRELOAD 载入 jemalloc 或 mimalloc）；`m5 tune -- CMD` 会证明哪个有效";
        NotTrimmedRemedy: "the target was left as it was; `m5 list` says whether it is stopped, and how to let it go on", "目标未受影响；`m5 list` 会显示目标是否已被暂停以及如何使其继续";
        EndedEarly: "the target ended before anything could be measured", "目标在测量开始前已退出";
        EndedEarlyRemedy: "give the PID of a process that keeps running", "请给出持续运行的进程 PID";
    }
}
