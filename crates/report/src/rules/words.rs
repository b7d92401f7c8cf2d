//! What each alert means.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Alerts by name.
    Alarm {
        MemoryUsageHigh: "RSS is over its alert level", "内存使用过高";
        MemoryShareHigh: "RSS is near the memory limit", "内存接近上限";
        FDShareHigh: "file descriptors are near their limit", "文件描述符接近上限";
        MemoryUsageCritical: "RSS is over the watchdog's level", "内存超过看门狗阈值";
        MemoryGrowthHigh: "the floor of memory rises faster than its alert level", "内存增长率过高";
        MemoryGrowing: "memory has grown for longer than half a day, or by half: a leak until shown otherwise", "内存已持续增长超过半天或增长一半(疑似泄漏)";
        MemoryGrowth24hHigh: "even the lower end of the 24 h forecast is over the growth objective", "24小时内存增长预测超标";
        MemoryLimitNear: "at this growth the memory limit is reached within a day", "预计24小时内触及内存上限";
        GCPauseTimeHigh: "the 95th percentile of collection pauses is over its alert level", "GC暂停时间过长";
        FDLeakDetected: "file descriptors rise fast: a leak", "检测到文件描述符泄漏";
        FDCountHigh: "file descriptors are over the leak level", "文件描述符数量过高";
        ConnectionsHigh: "more connections are open than the objective allows", "网络连接数超出目标范围";
        CgroupPeakNearLimit: "the peak of the cgroup's memory has risen to near its limit", "cgroup 内存峰值新近逼近上限";
        CPUThrottled: "the CPU quota holds the service back: pauses that no collector made", "CPU 配额频繁限制该服务";
        M5SamplingFails: "m5 cannot read a process that it watches", "m5 无法读取被监控的进程";
        M5Absent: "no m5 exporter is scraped: nobody watches", "m5 导出器缺失:无人监控";
        GCGen0FrequencyHigh: "generation 0 is collected more often than the objective allows", "第0代回收过于频繁";
        GCGen1FrequencyHigh: "generation 1 is collected more often than the objective allows", "第1代回收过于频繁";
        GCGen2FrequencyHigh: "generation 2 is collected more often than the objective allows", "第2代回收过于频繁";
    }
}
