//! `m5 list`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// The table of processes.
    List {
        Pid: "PID", "PID";
        Name: "NAME", "名称";
        Version: "PYTHON", "PYTHON";
        Rss: "RSS", "RSS";
        User: "UID", "UID";
        Readable: "READABLE", "可读取";
        Command: "COMMAND", "命令";
        Yes: "yes", "是";
        No: "no", "否";
        None: "No Python process was found.", "未找到 Python 进程。";
        Remedy: "PID {}: {}", "PID {}：{}";
    }
}
