//! What is exported: the guide's names, and the ecosystem's beside them. Few label values: service and slot;
//! the pid only where it is asked for.

use super::labels::labels;
use crate::pool::{Member, Pool, Readable};
use m5_process::{Throttling, ticks_per_second};
use m5_report::metrics::{Family, Histogram, Kind, Labels};
use m5_stats::Verdict;
use m5_stats::objectives::MIB;

/// One family: how it is declared, and how it is filled from a process.
struct Spec {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    fill: fn(&Member, &Labels, &mut Family),
}

macro_rules! specs {
    ($($kind:ident $name:literal $help:literal $fill:expr;)*) => {
        &[$(Spec { name: $name, kind: Kind::$kind, help: $help, fill: $fill }),*]
    };
}

/// All families of a pool; `with_pid` adds a label that makes one series per process ever started.
#[must_use]
pub fn families(pool: &Pool, with_pid: bool) -> Vec<Family> {
    let members = pool.members();
    let labels: Vec<Labels> = members.iter().map(|m| labels(m, with_pid)).collect();
    let mut all: Vec<Family> = SPECS.iter().map(|s| Family::new(s.name, s.kind, s.help)).collect();
    for (family, spec) in all.iter_mut().zip(SPECS) {
        for (member, labels) in members.iter().zip(&labels) {
            (spec.fill)(member, labels, family);
        }
    }
    all.extend(super::m5mem_page::families(&members, with_pid));
    all.extend(own(pool, members.len()));
    all
}

/// What m5 says of itself.
fn own(pool: &Pool, watched: usize) -> Vec<Family> {
    let one = |name, kind, help, value: f64| Family::single(name, kind, help, Some(value));
    let mut info = Family::new("m5_build_info", Kind::Gauge, "The m5 that exports this.");
    info.push(&Labels::new().with("version", env!("CARGO_PKG_VERSION")), Some(1.0));
    vec![
        info,
        one("m5_processes", Kind::Gauge, "Python processes that are watched.", watched as f64),
        one(
            "m5_sample_errors_total",
            Kind::Counter,
            "Samples that failed though the process lives.",
            pool.sample_errors as f64,
        ),
        one(
            "m5_discovery_errors_total",
            Kind::Counter,
            "Failed look-ups of processes.",
            pool.errors() as f64,
        ),
    ]
}

const SPECS: &[Spec] = specs! {
    Gauge "process_memory_rss_bytes" "Resident set size." |m, l, f| f.push(l, rss(m));
    Gauge "process_resident_memory_bytes" "Resident set size, under the ecosystem's name." |m, l, f| f.push(l, rss(m));
    Gauge "memory_peak_rss_bytes" "Highest resident set size since the start (VmHWM)."
        |m, l, f| f.push(l, number(m.reading.status.peak_rss_bytes));
    Gauge "process_virtual_memory_bytes" "Virtual memory size."
        |m, l, f| f.push(l, number(m.reading.status.virtual_bytes));
    Gauge "m5_memory_bytes" "Memory by kind: anonymous, file, shared, swapped out." |m, l, f| memory(m, l, f);
    Gauge "memory_growth_rate_mb_per_minute" "Growth of the memory's floor, MiB a minute."
        |m, l, f| f.push(l, m.assessment().slope.map(|s| s * 60.0 / MIB));
    Gauge "m5_growth_bytes_per_second" "Growth of the memory's floor." |m, l, f| f.push(l, m.assessment().slope);
    Gauge "m5_growth_verdict" "1 for the verdict that holds." |m, l, f| verdict(m, l, f);
    Gauge "m5_growth_alarm" "1 while growth is held for longer than half a day, or has gained half of the floor."
        |m, l, f| f.push(l, Some(f64::from(u8::from(m.assessment().alarm))));
    Counter "m5_growth_taken_back_total" "How often growth was called and then taken back."
        |m, l, f| f.push(l, Some(f64::from(m.assessment().taken_back)));
    Gauge "m5_growth_between_restarts_ratio_per_hour"
        "Growth of the memory's floor within a life, as a part of it an hour, where the lives of a slot agree; 0 where they do not."
        |m, l, f| f.push(l, m.between_restarts().map(|b| if b.growing { b.per_second * 3600.0 } else { 0.0 }));
    Gauge "m5_floor_bytes" "The memory's floor now." |m, l, f| f.push(l, m.assessment().level);
    Gauge "m5_forecast_24h_bytes" "The memory's floor in 24 hours: middle and ends of the 90 % interval."
        |m, l, f| forecast(m, l, f);
    Gauge "m5_time_to_limit_seconds" "Time until the limit is reached at this growth."
        |m, l, f| f.push(l, m.assessment().limit.and_then(|t| t.expected_seconds));
    Gauge "m5_heap_post_gc_bytes" "Resident set size right after the last full collection."
        |m, l, f| f.push(l, m.post_gc_bytes);
    Gauge "m5_memory_limit_bytes" "Limit of the memory cgroup." |m, l, f| f.push(l, m.limit_bytes());
    Gauge "m5_cgroup_memory_peak_bytes" "Highest use of memory in the cgroup."
        |m, l, f| f.push(l, number(m.cgroup.as_ref().and_then(|c| c.peak_bytes)));
    Counter "m5_cgroup_cpu_periods_total" "Periods of the cgroup's CPU quota in which some task was runnable."
        |m, l, f| f.push(l, throttling(m).map(|t| t.periods as f64));
    Counter "m5_cgroup_cpu_throttled_periods_total" "Of those, periods in which tasks were held back."
        |m, l, f| f.push(l, throttling(m).map(|t| t.throttled_periods as f64));
    Counter "m5_cgroup_cpu_throttled_seconds_total" "Time for which the CPU quota held tasks back."
        |m, l, f| f.push(l, throttling(m).map(|t| t.throttled_seconds));
    Gauge "m5_cgroup_memory_bytes" "Memory in use in the cgroup."
        |m, l, f| f.push(l, number(m.cgroup.as_ref().and_then(|c| c.current_bytes)));
    Histogram "gc_pause_duration_seconds" "Pauses of the garbage collector, each measured, by generation."
        |m, l, f| pauses(m, l, f);
    Gauge "m5_gc_pauses_coverage_ratio" "Pauses in the histogram over collections that happened."
        |m, l, f| f.push(l, m.pauses.coverage.ratio().filter(|_| m.traced()));
    Histogram "event_loop_turn_seconds"
        "Time between two waits of an event loop, of services that ask for it (event_loop_turns in m5.toml)."
        |m, l, f| turns(m, l, f);
    Gauge "m5_event_loop_turns_coverage_ratio" "The share of the time in which turns of event loops were counted."
        |m, l, f| f.push(l, m.turns.as_ref().map(|t| t.coverage));
    Gauge "m5_event_loop_turns_overhead_ratio" "What counting turns of event loops took of the process's time, in processors."
        |m, l, f| f.push(l, m.turns.as_ref().map(|t| t.overhead));
    Gauge "m5_event_loop_watched" "1 where the turns that are asked for are counted, 0 where the kernel does not allow it."
        |m, l, f| f.push(l, m.asks_for_turns.then(|| f64::from(u8::from(m.turns.is_some()))));
    Counter "gc_collections_by_generation_total" "Collections by generation, as the interpreter counts them."
        |m, l, f| generations(m, l, f, |g| g.collections);
    Counter "python_gc_collections_total" "Collections by generation, under the ecosystem's name."
        |m, l, f| generations(m, l, f, |g| g.collections);
    Counter "python_gc_objects_collected_total" "Objects that collections freed."
        |m, l, f| generations(m, l, f, |g| g.collected);
    Counter "python_gc_objects_uncollectable_total" "Objects that could not be freed."
        |m, l, f| generations(m, l, f, |g| g.uncollectable);
    Gauge "process_open_fds" "Open file descriptors."
        |m, l, f| f.push(l, m.reading.fds.as_ref().map(|fds| fds.total as f64));
    Gauge "process_max_fds" "Limit of open file descriptors." |m, l, f| f.push(l, number(m.max_fds));
    Gauge "m5_open_fds" "Open file descriptors by kind." |m, l, f| fds(m, l, f);
    Gauge "active_connections" "Established TCP connections."
        |m, l, f| f.push(l, number(m.established()));
    Gauge "m5_connections" "TCP sockets by state." |m, l, f| states(m, l, f);
    Counter "process_cpu_seconds_total" "CPU time, user and system." |m, l, f| f.push(l, Some(cpu(m)));
    Gauge "process_start_time_seconds" "Start, Unix seconds." |m, l, f| f.push(l, Some(m.started_unix_seconds()));
    Gauge "process_threads" "Threads." |m, l, f| f.push(l, number(m.reading.status.threads));
    Gauge "m5_process_readable" "1 where the interpreter is read, 0 where only the process is."
        |m, l, f| f.push(l, Some(f64::from(u8::from(matches!(m.readable(), Readable::Yes(_))))));
    Info "python_info" "The interpreter." |m, l, f| info(m, l, f);
};

fn throttling(m: &Member) -> Option<Throttling> {
    m.cgroup.as_ref()?.throttling
}

fn number(value: Option<u64>) -> Option<f64> {
    value.map(|v| v as f64)
}

fn rss(m: &Member) -> Option<f64> {
    number(m.reading.status.rss_bytes)
}

fn cpu(m: &Member) -> f64 {
    (m.reading.stat.user_ticks + m.reading.stat.system_ticks) as f64 / ticks_per_second()
}

fn memory(m: &Member, l: &Labels, f: &mut Family) {
    let s = &m.reading.status;
    let kinds =
        [("anon", s.anon_bytes), ("file", s.file_bytes), ("shmem", s.shmem_bytes), ("swap", s.swap_bytes)];
    for (kind, bytes) in kinds {
        f.push(&l.with("kind", kind), number(bytes));
    }
}

fn verdict(m: &Member, l: &Labels, f: &mut Family) {
    for one in Verdict::ALL {
        let holds = f64::from(u8::from(m.assessment().verdict == one));
        f.push(&l.with("verdict", one.name()), Some(holds));
    }
}

fn forecast(m: &Member, l: &Labels, f: &mut Family) {
    if let Some(ahead) = m.assessment().forecast_24h {
        for (bound, value) in [("low", ahead.low), ("mid", ahead.value), ("high", ahead.high)] {
            f.push(&l.with("bound", bound), Some(value));
        }
    }
}

fn pauses(m: &Member, l: &Labels, f: &mut Family) {
    if m.traced() {
        for (generation, histogram) in m.pauses.histograms().iter().enumerate() {
            f.push_histogram(&l.with("generation", generation.to_string()), histogram.clone());
        }
    }
}

fn turns(m: &Member, l: &Labels, f: &mut Family) {
    if let Some(turns) = &m.turns {
        let lengths = &turns.lengths;
        let seconds = lengths.sum_ns as f64 / 1e9;
        f.push_histogram(l, Histogram::counted(m5_kernel::TURN_BOUNDS, &lengths.buckets, seconds));
    }
}

fn generations(m: &Member, l: &Labels, f: &mut Family, pick: fn(&m5_cpython::Generation) -> u64) {
    for (generation, state) in m.gc.iter().flat_map(|gc| gc.generations.iter().enumerate()) {
        f.push(&l.with("generation", generation.to_string()), Some(pick(state) as f64));
    }
}

fn fds(m: &Member, l: &Labels, f: &mut Family) {
    for (kind, count) in m.reading.fds.iter().flat_map(|fds| &fds.by_kind) {
        f.push(&l.with("kind", kind.name()), Some(*count as f64));
    }
}

fn states(m: &Member, l: &Labels, f: &mut Family) {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for group in m.connections.iter().flatten() {
        *counts.entry(&group.state).or_default() += group.count;
    }
    for (state, count) in counts {
        f.push(&l.with("state", state), Some(count as f64));
    }
}

fn info(m: &Member, l: &Labels, f: &mut Family) {
    if let Readable::Yes(layout) = m.readable() {
        f.push(&l.with("implementation", "CPython").with("layout", layout), Some(1.0));
    }
}
