//! `m5 top`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Heads and hints of the live view.
    Top {
        Service: "SERVICE", "服务";
        Pid: "PID", "PID";
        Rss: "RSS", "常驻内存";
        Trend: "TREND", "趋势";
        Growth: "GROWTH", "增长率";
        Verdict: "VERDICT", "判定";
        Pause: "PAUSE P95", "暂停P95";
        Longest: "LONGEST", "最长暂停";
        Fds: "FDS", "描述符";
        Connections: "CONNS", "连接";
        Keys: "q quit  s sort: {}  ↑↓ choose  Enter details  t snapshot  l language", "q 退出  s 排序：{}  ↑↓ 选择  Enter 详情  t 快照  l 语言";
        Back: "Esc back  t snapshot  q quit", "Esc 返回  t 快照  q 退出";
        None: "no Python process is running", "没有正在运行的 Python 进程";
        Taking: "taking a snapshot of PID {}…", "正在获取 PID {} 的快照…";
        Took: "snapshot saved: {}", "快照已保存：{}";
        Failed: "no snapshot: {}", "快照失败：{}";
        Pauses: "latest pauses", "最近的暂停";
        NoTerminal: "`m5 top` needs a terminal", "`m5 top` 需要终端";
        NoTerminalRemedy: "use `m5 list` or `m5 health --json` in scripts", "脚本中请使用 `m5 list` 或 `m5 health --json`";
    }
}
