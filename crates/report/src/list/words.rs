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
        NoneNamed: "No Python process has such a name; of other names there are {}: `m5 list` shows them.", "没有符合该名称的 Python 进程；其他名称的有 {} 个，`m5 list` 可列出。";
        Hidden: "Processes of other users are not among them: /proc is mounted with hidepid and hides them; run m5 as root, or in the group that gid= of the mount names.", "其中不含其他用户的进程：/proc 以 hidepid 挂载，将其隐藏；请以 root 运行 m5，或加入挂载选项 gid= 指定的组。";
        Stopped: "yes, stopped", "是（已暂停）";
        StoppedRemedy: "PID {} is stopped: kill -CONT {} lets it go on; until then its figures stand still", "PID {} 已被暂停：kill -CONT {} 可使其继续；在此之前各项数值不变";
        Remedy: "PID {}: {}", "PID {}：{}";
        RemedyOfSeveral: "{} processes ({}): {}", "{} 个进程（{}）：{}";
        Each: "each of them", "它们";
    }
}
