//! The alerts: an expression, how long it must hold, whom it wakes, and what to do.

use crate::texts::Alarm;
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
    /// What it means.
    pub text: Alarm,
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
            text: Alarm::MemoryUsageHigh,
            run: "m5 snapshot -p PID --top 20",
        },
        Alert {
            name: "MemoryUsageCritical",
            expr: format!("process_memory_rss_bytes > {}", level(&o.watchdog_rss_bytes)),
            hold: "1m",
            severity: Severity::Critical,
            text: Alarm::MemoryUsageCritical,
            run: "m5 snapshot -p PID --save",
        },
        Alert {
            name: "MemoryGrowthHigh",
            expr: format!("memory_growth_rate_mb_per_minute > {growth}"),
            hold: "10m",
            severity: Severity::Warning,
            text: Alarm::MemoryGrowthHigh,
            run: "m5 diff -p PID --interval 5m",
        },
        Alert {
            name: "MemoryGrowing",
            expr: "m5_growth_alarm == 1".to_owned(),
            hold: "15m",
            severity: Severity::Warning,
            text: Alarm::MemoryGrowing,
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
            text: Alarm::MemoryGrowth24hHigh,
            run: "m5 baseline -p PID -d 30m",
        },
        Alert {
            name: "MemoryLimitNear",
            expr: "m5_time_to_limit_seconds < 86400".to_owned(),
            hold: "15m",
            severity: Severity::Critical,
            text: Alarm::MemoryLimitNear,
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
        text: Alarm::GCPauseTimeHigh,
        run: "m5 gc -p PID -d 5m",
    }];
    let generations = [
        ("GCGen0FrequencyHigh", &o.gc_gen0_per_second, Alarm::GCGen0FrequencyHigh),
        ("GCGen1FrequencyHigh", &o.gc_gen1_per_second, Alarm::GCGen1FrequencyHigh),
        ("GCGen2FrequencyHigh", &o.gc_gen2_per_second, Alarm::GCGen2FrequencyHigh),
    ];
    all.extend(generations.into_iter().enumerate().map(|(generation, (name, objective, text))| Alert {
        name,
        expr: format!(
            "rate(gc_collections_by_generation_total{{generation=\"{generation}\"}}[5m]) > {}",
            level(objective)
        ),
        hold: "10m",
        severity: Severity::Warning,
        text,
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
            text: Alarm::FDLeakDetected,
            run: "m5 health -p PID",
        },
        Alert {
            name: "FDCountHigh",
            expr: format!("process_open_fds > {}", level(&o.open_fds)),
            hold: "5m",
            severity: Severity::Critical,
            text: Alarm::FDCountHigh,
            run: "m5 snapshot -p PID",
        },
        Alert {
            name: "ConnectionsHigh",
            expr: format!("active_connections > {}", o.connections.pass),
            hold: "10m",
            severity: Severity::Warning,
            text: Alarm::ConnectionsHigh,
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
            text: Alarm::M5SamplingFails,
            run: "m5 list",
        },
        Alert {
            name: "M5Absent",
            expr: "absent(m5_build_info)".to_owned(),
            hold: "10m",
            severity: Severity::Critical,
            text: Alarm::M5Absent,
            run: "systemctl status m5-serve",
        },
    ]
}
