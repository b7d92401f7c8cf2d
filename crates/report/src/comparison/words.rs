//! `m5 compare`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Two recordings side by side.
    Compare {
        Title: "{} (PID {}) against {} (PID {}), threshold {}", "{}（PID {}）对比 {}（PID {}），阈值 {}";
        TitleRuns: "{} ({} run{|s}) against {} ({} run{|s}), threshold {}", "{}（{} 次）对比 {}（{} 次），阈值 {}";
        OfPeaks: " ({} for peaks)", "（峰值 {}）";
        Undecided: "undecided", "未定";
        Unproved: "Neither proved nor ruled out: {}. More runs may decide.", "既未证实也未排除：{}。增加运行次数可能得出结论。";
        PrivateAnon: "anonymous memory at exit", "退出时匿名内存";
        Blocks: "allocated blocks at exit", "退出时已分配内存块";
        Objects: "GC objects at exit", "退出时 GC 对象";
        Elapsed: "time", "耗时";
        CpuSeconds: "CPU time", "CPU 时间";
        Metric: "metric", "指标";
        Old: "old", "旧";
        New: "new", "新";
        Change: "change", "变化";
        Regression: "regression", "回退";
        Missing: "missing", "缺失";
        Information: "(for information)", "（仅供参考）";
        MachinesDiffer: "The two were recorded on different machines: times and CPU do not compare.",
            "两次采集来自不同机器：时间与 CPU 数据不可比。";
        Shorter: "The recordings differ in length: {} and {}.", "两次采集时长不同：{} 与 {}。";
        Cut: "Nothing is proved: a recording ended midway. Record again, the whole time.",
            "无法得出结论：有一次采集中途结束。请重新完整采集。";
        Fine: "No regression.", "没有回退。";
        Regressions: "Regressions ({}): {}.", "{} 项回退：{}。";
        Incomplete: "Not comparable: {} missing on one side.", "无法比较：{} 在一侧缺失。";
        RssPeak: "RSS peak", "RSS 峰值";
        Rss: "RSS median", "RSS 中位数";
        Anon: "anonymous median", "匿名内存中位数";
        Uss: "USS", "USS";
        Pss: "PSS", "PSS";
        Growth: "memory growth", "内存增长率";
        PauseP95: "GC pause P95", "GC 暂停 P95";
        PauseOlderP95: "GC pause P95, gen 1 and 2", "GC 暂停 P95（1、2 代）";
        PausePerMinute: "GC pauses a minute", "每分钟 GC 暂停";
        PauseMax: "GC pause max", "GC 最长暂停";
        Gen0: "gen 0 collections", "Gen0 回收频率";
        Gen1: "gen 1 collections", "Gen1 回收频率";
        Gen2: "gen 2 collections", "Gen2 回收频率";
        Cpu: "CPU", "CPU";
        Fds: "open descriptors", "文件描述符";
        Connections: "connections", "连接数";
        Threads: "threads", "线程数";
    }
}
