//! `m5 baseline`, and what other reports share with it.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Headings and labels of a recorded process.
    Record {
        Title: "Baseline of PID {}", "PID {} 的基线";
        Subtitle: "CPython {} · {} observed at {} · {} sample{|s}", "CPython {} · 观测 {}，间隔 {} · {} 个样本";
        SubtitleUnread: "{} observed at {} · {} sample{|s}", "观测 {}，间隔 {} · {} 个样本";
        EndInterrupted: "stopped early; what was seen is complete up to then", "已提前停止；此前的数据完整";
        EndExecuted: "it executed another program after {}; this is what came before", "目标在 {} 后执行了另一个程序（exec）；以下为此前的数据";
        EndExited: "the target ended during the recording", "目标在采集期间已退出";
        RoundsLost: "{} of {} round{|s} of samples were missed: the machine was too busy", "错过了 {}/{} 轮采样：机器过于繁忙";
        UnreadFreeThreaded: "free-threaded CPython of a version that this m5 does not know", "此 m5 尚不认识的自由线程版 CPython";
        UnreadUnsupported: "a CPython that m5 does not know", "m5 尚不支持的 CPython 版本";
        UnreadPermission: "no permission", "没有权限";
        UnreadNotPython: "no CPython in it", "不是 CPython 进程";
        UnreadBusy: "it was busy collecting", "正在不停地回收";
        UnreadStarting: "it was still starting", "仍在启动";
        Unread: "The interpreter is not read: {}", "未读取解释器：{}";
        Memory: "Memory", "内存";
        Now: "now", "当前";
        Mean: "mean", "平均";
        Min: "min", "最小";
        Max: "max", "最大";
        Change: "change", "变化";
        Rss: "RSS", "RSS";
        Anon: "anonymous", "匿名";
        AnonSwap: "anonymous and swap", "匿名与交换区";
        File: "file pages", "文件页";
        Shmem: "shared", "共享";
        Swap: "swapped out", "已换出";
        Peak: "peak RSS {} (VmHWM, since the process started)", "RSS 峰值 {}（VmHWM，自进程启动以来）";
        PssUss: "PSS {} · USS {}", "PSS {} · USS {}";
        Cgroup: "cgroup v{}: {} in use, limit {}", "cgroup v{}：已用 {}，上限 {}";
        CgroupPeak: "peak {} ({} of it)", "峰值 {}（占上限 {}）";
        CgroupQuota: "CPU quota: held back in {} of the periods watched, {} in all (limit {} core{|s})",
            "CPU 配额：观测期间 {} 的周期被限流，共 {}（上限 {} 核）";
        CgroupPressure: "memory pressure {} of the last 10 s", "最近 10 秒内存压力 {}";
        NoLimit: "none", "无";
        Growth: "Growth", "增长";
        GrowthLine: "{} ({} … {}) · in 24 h {} ({} … {})", "{}（{} … {}）· 24 小时后 {}（{} … {}）";
        GrowthGoing: "{} ({} … {}) · seen over {}, {} sure · in 24 h, if it goes on, {} ({} … {})",
            "{}（{} … {}）· 依据 {} 的观测，把握 {} · 若持续，24 小时后 {}（{} … {}）";
        GrowthRises: "{} (up in {} of {} parts of it)", "{}（{}/{} 段高于前一段）";
        GrowthBetween: "between restarts: {} an hour ({} … {}), in each of {} {life|lives} of {}",
            "重启之间：每小时 {}（{} … {}），{} 次运行（每次约 {}）均如此";
        GrowthShort: "too short to say: {} more needed", "观测时间不足：还需 {}";
        GrowthUndecided: "growth and an innocent explanation both fit: {} more needed, or a load to hold it against (--workload)",
            "增长与正常波动都能解释：还需 {}，或用 --workload 指定负载以作对照";
        GrowthUnconfirmed: "looks like growth, but not for long enough: {} more needed",
            "看似增长，但持续时间不够：还需 {}";
        GrowthUnknown: "too short to say", "观测时间不足";
        Flat: "flat", "平稳";
        Growing: "growing", "增长";
        Saturating: "saturating", "趋于饱和";
        Step: "step", "阶跃";
        Falling: "falling", "下降";
        Insufficient: "insufficient", "数据不足";
        Load: "Load", "负载";
        Cpu: "CPU {} of a core · faults {} minor, {} major · switches {} voluntary, {} forced",
            "CPU 占单核 {} · 缺页 次要 {}、主要 {} · 上下文切换 自愿 {}、被迫 {}";
        Threads: "threads {}", "线程 {}";
        Fds: "descriptors {}: {}", "文件描述符 {}：{}";
        FdsHidden: "descriptors may not be listed (another user's process)", "无权列出文件描述符（其他用户的进程）";
        Connections: "Connections", "连接";
        More: "… and {} more", "……另有 {} 项";
        Listening: "listening", "监听";
        Gc: "GC pauses", "GC 暂停";
        GcSource: "seen by {}: {} of {} collection{|s}", "来源 {}：看到 {}/{} 次回收";
        GcLost: "{} record{|s} lost", "丢失 {} 条记录";
        GcNotTraced: "pauses were not traced; counts are exact", "未跟踪暂停；次数为精确值";
        GcBounded: "lengths are lower bounds: polling misses short pauses", "时长为下界：轮询会漏掉短暂停";
        SourceRing: "the interpreter's own records", "解释器自身记录";
        SourceWatchpoint: "hardware watchpoint", "硬件观察点";
        SourcePoll: "polling", "轮询";
        Generation: "generation", "代";
        All: "all", "全部";
        Older: "1 and 2", "1 和 2";
        Count: "count", "次数";
        Rate: "rate", "频率";
        Freed: "freed", "释放对象";
        Total: "total", "总计";
        GcTotals: "{} of pauses a minute, {} of wall time, longest {}", "每分钟暂停 {}，占总时间 {}，最长 {}";
        GcEstimated: "(sums are estimated from the pauses seen)", "（总和由已观测暂停估算）";
        GcNone: "no collection in this time", "此期间没有回收";
        Leaks: "Suspected leaks", "疑似泄漏";
        LeakRss: "RSS grows {}", "RSS 增长 {}";
        LeakFd: "{} descriptor{|s} in {}, mostly {}", "{} 个文件描述符（{} 内），主要为 {}";
        LeakConnection: "{} socket{|s} in {} to {} in {}", "{} 个 {} 状态的套接字，对端 {}（{} 内）";
        LeakThread: "{} thread{|s} in {}", "{} 个线程（{} 内）";
        SeverityLow: "low", "低";
        SeverityMedium: "medium", "中";
        SeverityHigh: "high", "高";
        Page: "Page written to {}", "页面已写入 {}";
        Saved: "Saved to {}", "已保存到 {}";
        Processes: "Processes", "进程";
        Sum: "All {} process{|es}: RSS {} · PSS {} · CPU {} of a core · descriptors {}", "全部 {} 个进程：RSS {} · PSS {} · CPU 占单核 {} · 文件描述符 {}";
    }
}
