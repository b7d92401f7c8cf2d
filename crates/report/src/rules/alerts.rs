//! The alerts: an expression, how long it must hold, whom it wakes, and what to do.

use crate::texts::Alarm;
use m5_stats::Objective;
use m5_stats::objectives::{CGROUP_PEAK, CPU_THROTTLED, FD_GROWTH_SECONDS, MIB, Objectives};

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
    /// The name of the services that it is for; absent where it is for all.
    pub service: Option<String>,
}

/// All alerts for these objectives.
#[must_use]
pub fn alerts(objectives: &Objectives) -> Vec<Alert> {
    let mut all = memory(objectives);
    all.extend(collector(objectives));
    all.extend(resources(objectives));
    all.extend(group(objectives));
    all.extend(m5_itself());
    all
}

/// The level that wakes somebody: the alert level, or where there is none the objective itself.
fn level(objective: &Objective) -> f64 {
    objective.alert.unwrap_or(objective.pass)
}

/// An alert where its objective is judged.
fn over(
    objective: Option<Objective>,
    name: &'static str,
    (hold, severity): (&'static str, Severity),
    (text, run): (Alarm, &'static str),
    expr: impl FnOnce(f64) -> String,
) -> Option<Alert> {
    objective.map(|o| Alert { name, expr: expr(level(&o)), hold, severity, text, run, service: None })
}

const BY_DAY: Severity = Severity::Warning;
const WAKES: Severity = Severity::Critical;
const SNAPSHOT: &str = "m5 snapshot -p PID --top 20";
const DIFF: &str = "m5 diff -p PID --interval 5m";

fn memory(o: &Objectives) -> Vec<Alert> {
    let always = |name, hold, severity, text, expr: &str| {
        Some(Alert { name, expr: expr.to_owned(), hold, severity, text, run: DIFF, service: None })
    };
    let all = [
        over(
            o.rss_peak_bytes,
            "MemoryUsageHigh",
            ("5m", BY_DAY),
            (Alarm::MemoryUsageHigh, SNAPSHOT),
            |level| format!("process_memory_rss_bytes > {level}"),
        ),
        over(
            o.rss_limit_ratio,
            "MemoryShareHigh",
            ("5m", BY_DAY),
            (Alarm::MemoryShareHigh, SNAPSHOT),
            |level| format!("process_memory_rss_bytes > {level} * m5_memory_limit_bytes"),
        ),
        over(
            o.watchdog_rss_bytes,
            "MemoryUsageCritical",
            ("1m", WAKES),
            (Alarm::MemoryUsageCritical, "m5 snapshot -p PID --save"),
            |level| format!("process_memory_rss_bytes > {level}"),
        ),
        over(
            o.growth_bytes_per_second,
            "MemoryGrowthHigh",
            ("10m", BY_DAY),
            (Alarm::MemoryGrowthHigh, DIFF),
            |level| format!("memory_growth_rate_mb_per_minute > {}", level * 60.0 / MIB),
        ),
        always("MemoryGrowing", "15m", BY_DAY, Alarm::MemoryGrowing, "m5_growth_alarm == 1"),
        over(
            o.growth_24h_ratio,
            "MemoryGrowth24hHigh",
            ("15m", BY_DAY),
            (Alarm::MemoryGrowth24hHigh, "m5 baseline -p PID -d 30m"),
            |level| {
                format!(
                    "m5_forecast_24h_bytes{{bound=\"low\"}} > on (instance, service, slot) {} * m5_floor_bytes",
                    1.0 + level
                )
            },
        ),
        always("MemoryLimitNear", "15m", WAKES, Alarm::MemoryLimitNear, "m5_time_to_limit_seconds < 86400"),
    ];
    all.into_iter().flatten().collect()
}

fn collector(o: &Objectives) -> Vec<Alert> {
    let pauses = over(
        o.gc_pause_p95_seconds,
        "GCPauseTimeHigh",
        ("2m", WAKES),
        (Alarm::GCPauseTimeHigh, "m5 gc -p PID -d 5m"),
        |level| {
            format!(
                "histogram_quantile(0.95, sum by (instance, service, slot, le) (rate(gc_pause_duration_seconds_bucket[5m]))) > {level}"
            )
        },
    );
    let generations = [
        ("GCGen0FrequencyHigh", o.gc_gen0_per_second, Alarm::GCGen0FrequencyHigh),
        ("GCGen1FrequencyHigh", o.gc_gen1_per_second, Alarm::GCGen1FrequencyHigh),
        ("GCGen2FrequencyHigh", o.gc_gen2_per_second, Alarm::GCGen2FrequencyHigh),
    ];
    let rates = generations.into_iter().enumerate().filter_map(|(generation, (name, objective, text))| {
        over(objective, name, ("10m", BY_DAY), (text, "m5 gc -p PID --optimize"), |level| {
            format!("rate(gc_collections_by_generation_total{{generation=\"{generation}\"}}[5m]) > {level}")
        })
    });
    pauses.into_iter().chain(rates).collect()
}

fn resources(o: &Objectives) -> Vec<Alert> {
    let window = FD_GROWTH_SECONDS / 60.0;
    let all = [
        // `increase` is for counters; a gauge's change is its delta.
        over(
            o.fd_growth,
            "FDLeakDetected",
            ("3m", BY_DAY),
            (Alarm::FDLeakDetected, "m5 health -p PID"),
            |level| format!("delta(process_open_fds[{window}m]) > {level}"),
        ),
        over(o.open_fds, "FDCountHigh", ("5m", WAKES), (Alarm::FDCountHigh, "m5 snapshot -p PID"), |level| {
            format!("process_open_fds > {level}")
        }),
        over(
            o.fd_limit_ratio,
            "FDShareHigh",
            ("5m", WAKES),
            (Alarm::FDShareHigh, "m5 snapshot -p PID"),
            |level| format!("process_open_fds > {level} * process_max_fds"),
        ),
        o.connections.map(|o| Alert {
            name: "ConnectionsHigh",
            expr: format!("active_connections > {}", o.pass),
            hold: "10m",
            severity: BY_DAY,
            text: Alarm::ConnectionsHigh,
            run: "m5 health -p PID",
            service: None,
        }),
    ];
    all.into_iter().flatten().collect()
}

/// The control group: levels hold for any service, objectives change them.
fn group(o: &Objectives) -> Vec<Alert> {
    let all = [
        over(
            o.cgroup_peak_ratio.or(Some(CGROUP_PEAK)),
            "CgroupPeakNearLimit",
            ("0m", BY_DAY),
            (Alarm::CgroupPeakNearLimit, "m5 baseline -p PID -d 5m"),
            // A peak never falls again: one that still rises is news.
            |level| {
                format!(
                    "m5_cgroup_memory_peak_bytes > {level} * m5_memory_limit_bytes and delta(m5_cgroup_memory_peak_bytes[1h]) > 0"
                )
            },
        ),
        over(
            o.cpu_throttled_ratio.or(Some(CPU_THROTTLED)),
            "CPUThrottled",
            ("10m", BY_DAY),
            (Alarm::CPUThrottled, "m5 baseline -p PID -d 5m"),
            |level| {
                format!(
                    "rate(m5_cgroup_cpu_throttled_periods_total[5m]) > {level} * rate(m5_cgroup_cpu_periods_total[5m])"
                )
            },
        ),
    ];
    all.into_iter().flatten().collect()
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
            service: None,
        },
        Alert {
            name: "M5Absent",
            expr: "absent(m5_build_info)".to_owned(),
            hold: "10m",
            severity: Severity::Critical,
            text: Alarm::M5Absent,
            run: "systemctl status m5-serve",
            service: None,
        },
    ]
}
