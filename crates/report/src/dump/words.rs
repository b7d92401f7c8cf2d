//! `m5 dump`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What threads and tasks do.
    DumpWords {
        Title: "PID {} · CPython {} · read in {} while it ran on", "PID {} · CPython {} · 读取耗时 {}，进程未停顿";
        TitleStopped: "PID {} · CPython {} · the process is stopped (kill -CONT {} lets it go on)", "PID {} · CPython {} · 进程已被暂停（kill -CONT {} 可使其继续）";
        Thread: "Thread {}", "线程 {}";
        Running: "running", "运行中";
        WaitsIn: "waits in {}", "等待于 {}";
        Sleeping: "sleeping", "休眠";
        Disk: "waits for a disk or the kernel", "等待磁盘或内核";
        Stopped: "stopped", "已暂停";
        Ended: "has ended", "已结束";
        Holder: "holds the GIL", "持有 GIL";
        Interpreter: "interpreter {}", "解释器 {}";
        Torn: "changes faster than it can be read: only the frames that stood still are shown", "变化快于读取：仅显示保持不变的栈帧";
        Deeper: "… and deeper", "……更深的栈帧未显示";
        NoFrames: "no Python frame", "无 Python 栈帧";
        Native: "{} thread{|s} run{s|} no Python: {}", "{} 个线程不运行 Python：{}";
        GilFree: "Nobody held the GIL at that moment.", "此刻没有线程持有 GIL。";
        GilUnknown: "Who holds the GIL is not known of this build.", "无法得知此构建中 GIL 的持有者。";
        Tasks: "{} asyncio task{|s}: {} running, {} waiting, {} ready", "{} 个 asyncio 任务：{} 运行中，{} 等待，{} 就绪";
        Task: "Task {}", "任务 {}";
        TaskRuns: "running on thread {}", "在线程 {} 上运行";
        TaskRunning: "running", "运行中";
        TaskReady: "ready, waits for its turn of the loop", "就绪，等待事件循环调度";
        TaskWaits: "awaits {}", "等待 {}";
        Same: "{} task{|s} like this: {}", "{} 个相同的任务：{}";
        Gathered: "{} of {} gathered future{|s}: {}", "{} / {} 个聚合的 future：{}";
        ListsUnread: "{} list{|s} of tasks changed too fast or do not read: tasks may be missing", "{} 个任务列表变化过快或无法读取：可能缺少任务";
    }
}
