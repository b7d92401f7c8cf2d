//! `m5 watch`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What the watchdog says on standard error; the journal is for programs.
    Watch {
        Watching: "watching; journal {}; {}", "监控中；日志 {}；{}";
        DryRun: "signals and restarts are only written down (--act sends them)", "信号与重启仅记录不执行（--act 执行）";
        Acts: "signals and restarts are really sent", "信号与重启会实际执行";
        Did: "rule {}: {} {} {}", "规则 {}：{} {} {}";
        ReloadFailed: "settings not reloaded, the old ones stay: {}", "配置未重新加载，沿用旧配置：{}";
        JournalLost: "{} line{|s} of the journal could not be written: is the disk full?", "日志有 {} 行未能写入：磁盘是否已满？";
        Ended: "the command has ended", "命令已退出";
        Started: "the command was started again, PID {}", "命令已重新启动，PID {}";
        Refused: "not restarted once more: {} start{|s} in ten minutes already; the command runs on",
            "不再重启：十分钟内已启动 {} 次；命令继续运行";
        RuleGaveUp: "rule {}: gave up on {}: {} restart{|s} within {} did not help; it is left running; fix it, then send SIGHUP or start m5 anew",
            "规则 {}：放弃 {}：{} 次重启（{} 内）均无效；保持其运行；修复后发送 SIGHUP 或重新启动 m5";
        LevelBelowStart: "rule {}: the level {} lies below what {} needs to start ({}): no restart would help, none is made; raise the level",
            "规则 {}：阈值 {} 低于 {} 启动所需（{}）：重启无效，故不重启；请提高阈值";
        GaveUp: "given up after {} start{|s} in ten minutes", "十分钟内启动 {} 次后放弃";
    }
}
