//! What a process says of itself.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// The section of `m5 baseline` and `m5 health`.
    M5memWords {
        Title: "Said by the process itself (m5mem, {} ago)", "进程自报（m5mem，{}前）";
        Never: "The process shares a page of m5mem that was never written", "进程共享了 m5mem 页，但从未写入";
        Unreadable: "Entries that could not be read: {}", "无法读取的项：{}";
    }
}
