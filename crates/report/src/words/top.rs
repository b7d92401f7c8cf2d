//! `m5 top`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Heads and hints of the live view.
    Top {
        Service: "SERVICE", "服务";
        Pid: "PID", "PID";
        Rss: "RSS", "常驻内存";
        Cpu: "CPU", "CPU";
        Command: "COMMAND", "命令";
        Uptime: "UPTIME", "运行时长";
        Threads: "THREADS", "线程";
        Floor: "FLOOR", "底部";
        Limit: "LIMIT", "上限";
        NoLimit: "none", "无";
        Seen: "PAUSES SEEN", "已观测暂停";
        Collections: "COLLECTIONS SINCE START, GEN 0·1·2:", "启动以来回收次数（0·1·2 代）：";
        Stopped: "stopped", "已暂停运行";
        Now: "now", "现在";
        Trend: "TREND", "趋势";
        Growth: "GROWTH", "增长率";
        Verdict: "VERDICT", "判定";
        Pause: "PAUSE P95", "暂停P95";
        Longest: "LONGEST", "最长暂停";
        Fds: "FDS", "描述符";
        Connections: "CONNS", "连接";
        Keys: "? help  q quit  s sort: {}  / filter  v tree  Enter details  l 中文", "? 帮助  q 退出  s 排序：{}  / 筛选  v 树形  Enter 详情  l English";
        DetailKeys: "Esc back  t snapshot  d diff  g pauses  a lines  e loop  ? help  q quit", "Esc 返回  t 快照  d 增长  g 暂停  a 分配  e 循环  ? 帮助";
        Back: "Esc back  ↑↓ scroll  q quit", "Esc 返回  ↑↓ 滚动  q 退出";
        Filtered: "only \"{}\": / changes it, Esc shows all", "仅显示“{}”：/ 修改，Esc 显示全部";
        None: "no Python process is running", "没有正在运行的 Python 进程";
        NoMatch: "no process matches: Esc shows all", "没有匹配的进程：按 Esc 显示全部";
        Help: "keys", "按键";
        HelpLines: "↑ ↓ j k  choose a process, or scroll\nEnter  one process: figures, memory, pauses, holders\nEsc  back; in the list: no filter\n/  filter by name, command or PID\ns S  sort by the next or the previous column (▼)\nv  children below their parents, or not\nt  snapshot into a file here: who holds what\nd  what grows in ten seconds, and who holds it\ng  every GC pause of ten seconds\na  which lines allocate, and what survives; anew every ten seconds\ne  what stalls the event loop; anew every ten seconds\nl  English or Chinese\nq  quit",
            "↑ ↓ j k  选择进程，或滚动\nEnter  单个进程：指标、内存、暂停、持有者\nEsc  返回；在列表中：取消筛选\n/  按名称、命令或 PID 筛选\ns S  按下一列或上一列排序（▼）\nv  子进程显示在父进程之下，或不显示\nt  在当前目录保存快照：谁持有什么\nd  十秒内增长了什么，由谁持有\ng  十秒内的每次 GC 暂停\na  哪些代码行分配内存，哪些存活；每十秒更新\ne  什么阻塞了事件循环；每十秒更新\nl  中文或英文\nq  退出";
        Holders: "held by, in the last snapshot", "最近一次快照中的持有者";
        NoHolders: "t takes a snapshot and names them", "按 t 获取快照并列出";
        Comparing: "what grows in PID {}: ten seconds…", "正在比较 PID {}：十秒…";
        Timing: "pauses of PID {}: ten seconds…", "正在记录 PID {} 的暂停：十秒…";
        Sampling: "which lines of PID {} allocate: ten seconds…", "正在采样 PID {} 的内存分配：十秒…";
        Turning: "turns of the event loop of PID {}: ten seconds…", "正在观察 PID {} 的事件循环：十秒…";
        Renewing: "anew every ten seconds  Esc ends it  ↑↓ scroll", "每十秒更新一次  Esc 结束  ↑↓ 滚动";
        Taking: "taking a snapshot of PID {}…", "正在获取 PID {} 的快照…";
        Took: "snapshot saved: {}", "快照已保存：{}";
        Executed: "PID {} executed another program: what is shown begins anew", "PID {} 执行了另一个程序（exec）：显示的数据重新开始";
        Failed: "that failed: {}", "失败：{}";
        Pauses: "latest pauses", "最近的暂停";
        NoPauses: "none seen yet", "尚未观测到";
        NoTerminal: "`m5 top` needs a terminal", "`m5 top` 需要终端";
        NoTerminalRemedy: "use `m5 list` or `m5 health --json` in scripts", "脚本中请使用 `m5 list` 或 `m5 health --json`";
    }
}
