//! `m5 stress`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// A soak test.
    Soak {
        Title: "Soak test: {} of {}, checked every {}", "压力测试：已完成 {}，共 {}，每 {} 检查一次";
        EventTime: "event time of the target; {} of wall time", "目标的事件时间；实际耗时 {}";
        WallTime: "wall time", "实际时间";
        Segment: "process {}: PID {} from {}", "进程 {}：PID {}，自 {} 起";
        Time: "time", "时间";
        Growth: "growth", "增长";
        PerHour: "per hour", "每小时";
        Fds: "descriptors", "文件描述符";
        Verdict: "verdict", "结论";
        Line: "{}  RSS {}  growth {}  verdict {}", "{}  RSS {}  增长 {}  结论 {}";
        AnomalyGrowth: "growth over {} an hour", "增长超过每小时 {}";
        AnomalyVerdict: "RSS is growing", "RSS 持续增长";
        AnomalyFds: "descriptors are growing", "文件描述符持续增长";
        Anomaly24h: "over {} in 24 h", "24 小时增长超过 {}";
        GrowthSeen: "Growth since the first check: {} of the level in {}", "自首次检查以来的增长：水平的 {}，历时 {}";
        Passed: "No anomaly in {} check{|s}.", "{} 次检查均无异常。";
        Found: "Anomalies in {} of {} check{|s}.", "{}/{} 次检查发现异常。";
        Snapshot: "The process at the first anomaly: {}", "首次异常时的进程快照：{}";
        Unfinished: "Not finished: the same command goes on from here.", "尚未完成：再次运行同一命令将继续。";
        Ended: "The target ended before its time.", "目标提前退出。";
        NoVerdict: "Too short for a verdict.", "时间太短，无法判断。";
        Resuming: "Resuming at {} of {} ({}).", "从 {}（共 {}）继续（{}）。";
        Progress: "RSS {} · {} to go", "RSS {} · 剩余 {}";
        OtherPlan: "{} keeps an unfinished test with another plan.", "{} 中有一个计划不同的未完成测试。";
        OtherPlanRemedy: "repeat its command to go on with it, or give --fresh to begin anew, or another --save",
            "重复原命令以继续，或用 --fresh 重新开始，或指定其他 --save";
        NoEngine: "The reference engine is not in {}.", "在 {} 中找不到参考引擎。";
        NoEngineRemedy: "run m5 in its repository, or set M5_ENGINE_DIR", "请在仓库目录中运行 m5，或设置 M5_ENGINE_DIR";
        NoClock: "The target tells no event time in {}.", "目标未在 {} 中报告事件时间。";
        NoClockRemedy: "see that it runs and writes its seconds there", "请确认目标正在运行并写入秒数";
    }
}
