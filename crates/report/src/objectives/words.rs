//! Objectives by name, and what became of them.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Lines of `m5 health` and `m5 check`.
    Goal {
        Title: "Objectives", "目标";
        HealthTitle: "Health of PID {}", "PID {} 健康检查";
        CheckTitle: "Check of {} (PID {})", "检查 {}（PID {}）";
        RssPeak: "RSS peak", "RSS 峰值";
        RssOfLimit: "RSS peak of the memory limit", "RSS 峰值占内存上限";
        GroupOfLimit: "cgroup peak of its limit", "cgroup 峰值占上限";
        Throttled: "CPU periods held back", "CPU 受限周期占比";
        FdsOfLimit: "descriptors of their limit", "文件描述符占上限";
        Interpreter: "of interpreter {} alone", "仅解释器 {}";
        Whole: "of {}", "上限 {}";
        FromGeneral: "Objectives: those that hold for any service. `m5 init -p {}` measures this one and writes an m5.toml of its own.", "目标：适用于任何服务的通用目标。`m5 init -p {}` 可测量此服务并写出它自己的 m5.toml。";
        FromProfile: "Objectives: the profile trading.", "目标：trading 配置。";
        FromFile: "Objectives: {}", "目标：{}";
        FromFileOver: "Objectives: {}, over the profile trading", "目标：{}，基于 trading 配置";
        FromService: " · [[services]] name = \"{}\"", " · [[services]] name = \"{}\"";
        Growth: "memory growth", "内存增长率";
        Growth24h: "growth in 24 h", "24 小时内存增长";
        PauseP95: "GC pause P95", "GC 暂停 P95";
        Gen0: "gen 0 collections", "Gen0 回收频率";
        Gen1: "gen 1 collections", "Gen1 回收频率";
        Gen2: "gen 2 collections", "Gen2 回收频率";
        Fds: "open descriptors", "文件描述符";
        FdGrowth: "descriptors gained in 5 min", "5 分钟内新增描述符";
        Connections: "connections", "连接数";
        Below: "< {}", "< {}";
        Above: "> {}", "> {}";
        Between: "{} – {}", "{} – {}";
        AtMost: "≤ {}", "≤ {}";
        LowerBound: "a lower bound: polling misses short pauses", "下界：轮询会漏掉短暂停";
        Threads: "threads", "线程数";
        Alert: "alert at {}", "告警 {}";
        Interval: "({} … {})", "（{} … {}）";
        NotMeasured: "not measured", "未测量";
        TooShort: "needs a longer recording: m5 baseline", "需要更长的采集：m5 baseline";
        TooShortWait: "needs {} more", "还需 {}";
        Inconclusive: "cannot be told from zero yet: record longer", "尚无法与零区分：请延长采集";
        InterpreterUnread: "the interpreter is not read", "未读取解释器";
        NotTraced: "pauses were not traced", "未跟踪暂停";
        NoCollections: "no collection in this time", "此期间没有回收";
        NotReadable: "the kernel does not say", "内核未提供";
        AllMet: "All {} measured objective{|s} {is|are} met.", "{} 项已测量的目标全部达成。";
        NoneMeasured: "No objective could be measured.", "没有可测量的目标。";
        Missed: "{} of {} objective{|s} missed.", "{}/{} 项目标未达成。";
        Unmeasured: "{} not measured.", "{} 项未测量。";
    }
}
