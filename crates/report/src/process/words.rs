//! One process at one moment.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// `m5 snapshot`, the part that the kernel tells.
    Snapshot {
        Title: "PID {} now", "PID {} 当前状态";
        Mapped: "Memory by mapping", "按映射划分的内存";
        MappedHidden: "Mappings may not be read (another user's process).", "无权读取内存映射（其他用户的进程）。";
        Name: "mapping", "映射";
        Resident: "resident", "常驻";
        Private: "private", "私有";
        Swapped: "swapped", "换出";
        Size: "address space", "地址空间";
        Others: "{} other{|s}", "其余 {} 项";
        Sum: "sum", "合计";
        Descriptors: "Descriptors", "文件描述符";
        Collector: "GC {} · thresholds {}, {}, {} · collections {}, {}, {}", "GC {} · 阈值 {}、{}、{} · 回收次数 {}、{}、{}";
        On: "on", "开启";
        Off: "off", "关闭";
    }
}
