//! `m5 fleet`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// The table of services and versions.
    Fleet {
        Unreachable: "cannot reach Prometheus at {}: {}", "无法连接位于 {} 的 Prometheus：{}";
        Refused: "Prometheus refused the query: {}", "Prometheus 拒绝了查询：{}";
        Foreign: "{} does not speak Prometheus' API: {}", "{} 不支持 Prometheus API：{}";
        Group: "SERVICE", "服务";
        Instances: "INSTANCES", "实例数";
        Growing: "GROWING", "增长占比";
        Slope: "MEDIAN GROWTH", "增长中位数";
        Floor: "MEDIAN FLOOR", "底部中位数";
        NearLimit: "LIMIT < 24 H", "24小时内触限";
        Verdict: "VERDICT", "判定";
        Leaks: "growing ({} of {} looked at)", "持续增长（抽查 {}/{}）";
        Healthy: "no growth confirmed", "未确认增长";
        NotLooked: "not looked at", "未抽查";
        None: "Prometheus has no memory series of m5 or of a Python process (process_resident_memory_bytes).",
            "Prometheus 中没有 m5 或 Python 进程的内存序列（process_resident_memory_bytes）。";
        Worst: "worst instances of {}:", "{} 最差的实例：";
        UnreachableRemedy: "check the address and that it speaks Prometheus' HTTP API (Prometheus, Thanos, Mimir, VictoriaMetrics); --token-file where it asks for one",
            "请检查地址以及是否支持 Prometheus HTTP API（Prometheus、Thanos、Mimir、VictoriaMetrics）；需要令牌时使用 --token-file";
    }
}
