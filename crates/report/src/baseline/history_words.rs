//! The history: what is kept for weeks.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What can be wrong with a history, and what to do about it.
    History {
        Foreign: "{} is no history of m5; it was not touched", "{} 不是 m5 的历史文件；未作任何改动";
        Newer: "{} was written by a newer m5 (m5.history/{})", "{} 由更新版本的 m5 写入（m5.history/{}）";
        Damaged: "{} is damaged: {}", "{} 已损坏：{}";
        Busy: "another m5 writes {}", "另一个 m5 正在写入 {}";
        Nothing: "{} holds no sample of what was asked for", "{} 中没有符合条件的样本";
        Failed: "the history cannot be used: {}", "无法使用历史文件：{}";
        ForeignRemedy: "name another file or a folder; m5 makes the file itself", "请指定其他文件或目录；m5 会自行创建文件";
        NewerRemedy: "read it with the m5 that wrote it, or start a new file", "请用写入它的 m5 版本读取，或换一个新文件";
        DamagedRemedy: "move the file away; m5 starts a new one", "请移走该文件；m5 会新建一个";
        BusyRemedy: "give each m5 that writes a file of its own; any number may read", "每个写入的 m5 须使用各自的文件；读取不限数量";
        NothingRemedy: "leave out --since, --name and -p to see all that it holds", "去掉 --since、--name 和 -p 可查看全部内容";
        FailedRemedy: "check the path, the permissions and the room on the disk", "请检查路径、权限和磁盘空间";
    }
}
