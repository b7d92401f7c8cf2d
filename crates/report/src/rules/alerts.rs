//! The alerts: an expression, how long it must hold, whom it wakes, and what to do.

use m5_stats::objectives::{FD_GROWTH_SECONDS, MIB, Objectives};

/// Whom an alert wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody looks in working hours.
    Warning,
    /// Somebody is woken.
    Critical,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Name, also the heading in the runbook.
    pub name: &'static str,
    /// PromQL.
    pub expr: String,
    /// How long it must hold, as Prometheus spells it.
    pub hold: &'static str,
    /// Whom it wakes.
    pub severity: Severity,
    /// What it means, in English.
    pub en: &'static str,
    /// The same in Chinese.
    pub zh: &'static str,
    /// What to run first.
    pub run: &'static str,
}

/// All alerts for these objectives.
#[must_use]
pub fn alerts(objectives: &Objectives) -> Vec<Alert> {
    let mut all = memory(objectives);
    all.extend(collector(objectives));
    all.extend(resources(objectives));
    all.extend(m5_itself());
    all
}

/// The level that wakes somebody: the alert level, or where there is none the objective itself.
fn level(objective: &m5_stats::Objective) -> f64 {
    objective.alert.unwrap_or(objective.pass)
}

fn memory(o: &Objectives) -> Vec<Alert> {
    let growth = level(&o.growth_bytes_per_second) * 60.0 / MIB;
    vec![
        Alert {
            name: "MemoryUsageHigh",
            expr: format!("process_memory_rss_bytes > {}", level(&o.rss_peak_bytes)),
            hold: "5m",
            severity: Severity::Warning,
            en: "RSS is over its alert level",
            zh: "内存使用过高",
            run: "m5 snapshot -p PID --top 20",
        },
        Alert {
            name: "MemoryUsageCritical",
            expr: format!("process_memory_rss_bytes > {}", level(&o.watchdog_rss_bytes)),
            hold: "1m",
            severity: Severity::Critical,
            en: "RSS is over the watchdog's level",
            zh: "内存超过看门狗阈值",
            run: "m5 snapshot -p PID --save",
        },
        Alert {
            name: "MemoryGrowthHigh",
            expr: format!("memory_growth_rate_mb_per_minute > {growth}"),
            hold: "10m",
            severity: Severity::Warning,
            en: "the floor of memory rises faster than its alert level",
            zh: "内存增长率过高",
            run: "m5 diff -p PID --interval 5m",
        },
        Alert {
            name: "MemoryGrowing",
            expr: "m5_growth_verdict{verdict=\"growing\"} == 1".to_owned(),
            hold: "15m",
            severity: Severity::Warning,
            en: "the verdict on memory is growing: a leak until shown otherwise",
            zh: "内存判定为持续增长(疑似泄漏)",
            run: "m5 diff -p PID --interval 5m",
        },
        Alert {
            name: "MemoryGrowth24hHigh",
            expr: format!(
                "m5_forecast_24h_bytes{{bound=\"low\"}} > on (instance, service, slot) {} * m5_floor_bytes",
                1.0 + level(&o.growth_24h_ratio)
            ),
            hold: "15m",
            severity: Severity::Warning,
            en: "even the lower end of the 24 h forecast is over the growth objective",
            zh: "24小时内存增长预测超标",
            run: "m5 baseline -p PID -d 30m",
        },
        Alert {
            name: "MemoryLimitNear",
            expr: "m5_time_to_limit_seconds < 86400".to_owned(),
            hold: "15m",
            severity: Severity::Critical,
            en: "at this growth the memory limit is reached within a day",
            zh: "预计24小时内触及内存上限",
            run: "m5 diff -p PID --interval 5m",
        },
    ]
}

fn collector(o: &Objectives) -> Vec<Alert> {
    let mut all = vec![Alert {
        name: "GCPauseTimeHigh",
        expr: format!(
            "histogram_quantile(0.95, sum by (instance, service, slot, le) (rate(gc_pause_duration_seconds_bucket[5m]))) > {}",
            level(&o.gc_pause_p95_seconds)
        ),
        hold: "2m",
        severity: Severity::Critical,
        en: "the 95th percentile of collection pauses is over its alert level",
        zh: "GC暂停时间过长",
        run: "m5 gc -p PID -d 5m",
    }];
    let generations = [
        ("GCGen0FrequencyHigh", "0", &o.gc_gen0_per_second, "第0代回收过于频繁"),
        ("GCGen1FrequencyHigh", "1", &o.gc_gen1_per_second, "第1代回收过于频繁"),
        ("GCGen2FrequencyHigh", "2", &o.gc_gen2_per_second, "第2代回收过于频繁"),
    ];
    all.extend(generations.map(|(name, generation, objective, zh)| Alert {
        name,
        expr: format!(
            "rate(gc_collections_by_generation_total{{generation=\"{generation}\"}}[5m]) > {}",
            level(objective)
        ),
        hold: "10m",
        severity: Severity::Warning,
        en: "collections of this generation are more frequent than the objective allows",
        zh,
        run: "m5 gc -p PID --optimize",
    }));
    all
}

fn resources(o: &Objectives) -> Vec<Alert> {
    let window = FD_GROWTH_SECONDS / 60.0;
    vec![
        Alert {
            name: "FDLeakDetected",
            // `increase` is for counters; a gauge's change is its delta.
            expr: format!("delta(process_open_fds[{window}m]) > {}", level(&o.fd_growth)),
            hold: "3m",
            severity: Severity::Warning,
            en: "file descriptors rise fast: a leak",
            zh: "检测到文件描述符泄漏",
            run: "m5 health -p PID",
        },
        Alert {
            name: "FDCountHigh",
            expr: format!("process_open_fds > {}", level(&o.open_fds)),
            hold: "5m",
            severity: Severity::Critical,
            en: "file descriptors are over the leak level",
            zh: "文件描述符数量过高",
            run: "m5 snapshot -p PID",
        },
        Alert {
            name: "ConnectionsHigh",
            expr: format!("active_connections > {}", o.connections.pass),
            hold: "10m",
            severity: Severity::Warning,
            en: "more connections are open than the objective allows",
            zh: "网络连接数超出目标范围",
            run: "m5 health -p PID",
        },
    ]
}

fn m5_itself() -> Vec<Alert> {
    vec![
        Alert {
            name: "M5SamplingFails",
            expr: "rate(m5_sample_errors_total[10m]) > 0".to_owned(),
            hold: "15m",
            severity: Severity::Warning,
            en: "m5 cannot read a process that it watches",
            zh: "m5 无法读取被监控的进程",
            run: "m5 list",
        },
        Alert {
            name: "M5Absent",
            expr: "absent(m5_build_info)".to_owned(),
            hold: "10m",
            severity: Severity::Critical,
            en: "no m5 exporter is scraped: nobody watches",
            zh: "m5 导出器缺失:无人监控",
            run: "systemctl status m5-serve",
        },
    ]
}
