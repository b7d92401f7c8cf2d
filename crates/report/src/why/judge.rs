//! From what was seen to what is wrong. A short look accuses nobody of what it cannot tell: growth is told from a rate
//! on that matters, and is called a problem only where it misses the objective.

use super::doc::{Finding, Unseen, WHY_SCHEMA, Weight, What, Why};
use crate::doc::{Criterion, ObjectivesFrom};
use crate::heap::{MemoryKind, MemoryVerdict};
use m5_heap::trim::FreeElsewhere;
use m5_heap::{Cause, Coverage, Culprit, Diff, Summary};
use m5_stats::Status;

/// Everything that was seen of a process.
#[derive(Debug, Default)]
pub struct Seen<'a> {
    /// The process.
    pub pid: i32,
    /// Version of its interpreter.
    pub python: Option<String>,
    /// Command line.
    pub command: Vec<String>,
    /// The service that it belongs to.
    pub service: Option<String>,
    /// How long it was looked at.
    pub observed_seconds: f64,
    /// Growth in bytes a second that misses the objective.
    pub growth_objective: f64,
    /// Objectives that were held against it.
    pub criteria: &'a [Criterion],
    /// Where they come from.
    pub objectives_from: ObjectivesFrom,
    /// What grew between two snapshots.
    pub diff: Option<&'a Diff>,
    /// What the later snapshot holds.
    pub heap: Option<&'a Summary>,
    /// How far that can be trusted.
    pub coverage: Coverage,
    /// What most of RSS is.
    pub verdict: Option<MemoryVerdict>,
    /// What the C library holds free and could give back.
    pub returnable_bytes: Option<u64>,
    /// What others than the C library hold of it, where that is most.
    pub elsewhere: Option<FreeElsewhere>,
    /// Types that keep garbage from ever being freed.
    pub through: Vec<String>,
    /// Full collections between the snapshots.
    pub full_collections: Option<u64>,
    /// Whether automatic collection is on.
    pub collector_on: Option<bool>,
    /// Bytes below the tightest memory limit.
    pub headroom_bytes: Option<u64>,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// What resident memory grew by from the first sample to the last.
    pub rss_grown_bytes: Option<i64>,
    /// Whether somebody stopped the process.
    pub stopped: bool,
    /// Processes below it.
    pub children: u64,
    /// Why no line of code is named; asked only where something grows.
    pub no_lines: Option<String>,
    /// Why there is no snapshot.
    pub no_snapshot: Option<String>,
}

/// Growth of fewer bytes between the snapshots is not told.
const LEAST: i64 = 16 << 10;
/// Garbage of fewer bytes is not told.
const LEAST_GARBAGE: u64 = 64 << 10;
/// Garbage that waits for a collector that is on is told where it is so much of all objects' bytes.
const MUCH_GARBAGE: f64 = 0.1;
/// A limit is near where so little is left, as a share of RSS, or where growth reaches it within a day.
const NEAR: f64 = 0.1;
const DAY: f64 = 86_400.0;
/// Free memory that is not returned is told from this share of RSS on.
const FRAGMENTED: f64 = 0.25;
/// One block more of fewer bytes than this may be a step.
const LARGE: i64 = 1 << 20;
/// Growth of so small a share of the largest is no problem beside it.
const SMALL: f64 = 0.02;
/// Findings that are told of one kind.
const MOST: usize = 3;
/// Parts of memory that threads bring along.
const OF_THREADS: [&str; 2] = ["thread_stacks", "python_frames"];
/// Coverage below this is told.
const COVERED: f64 = 0.97;

impl Why {
    /// Judges what was seen.
    #[must_use]
    pub fn of(seen: Seen<'_>) -> Self {
        let mut findings: Vec<Finding> = stopped(&seen).into_iter().collect();
        findings.extend(growth(&seen));
        findings.extend(unseen_growth(&seen));
        findings.extend(garbage(&seen));
        findings.extend(limit(&seen));
        findings.extend(missed(&seen));
        findings.extend(fragmented(&seen));
        findings.sort_by_key(|f| f.severity);
        Self {
            schema: WHY_SCHEMA.to_owned(),
            pid: seen.pid,
            observed_seconds: seen.observed_seconds,
            findings,
            account: seen.diff.and_then(|d| d.account.clone()),
            unseen: unseen(&seen),
            objectives_from: seen.objectives_from,
            python: seen.python,
            command: seen.command,
            service: seen.service,
        }
    }

    /// Whether something ends in trouble if nobody acts.
    #[must_use]
    pub fn problem(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Weight::Problem)
    }
}

fn weight(seen: &Seen<'_>, bytes_per_second: f64) -> Weight {
    if bytes_per_second >= seen.growth_objective { Weight::Problem } else { Weight::Notice }
}

fn growth(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(diff) = seen.diff else { return Vec::new() };
    let seconds = diff.seconds.unwrap_or(seen.observed_seconds).max(1e-3);
    let next = || format!("m5 diff -p {} --interval 5m", seen.pid);
    let mut found: Vec<(i64, Finding)> = Vec::new();
    // Garbage that waits is no growth: it goes with the next full collection.
    let grows = |c: &&Culprit| c.bytes >= LEAST && c.holder.cause != Cause::Garbage;
    for culprit in diff.culprits.iter().filter(grows) {
        let rate = culprit.bytes as f64 / seconds;
        let boxed = Box::new(culprit.clone());
        let (severity, what) = match culprit.holder.bounded() {
            true => (Weight::Notice, What::Fills { culprit: boxed }),
            false if in_passing(culprit) => (Weight::Notice, What::Grows { culprit: boxed }),
            false => (weight(seen, rate), What::Grows { culprit: boxed }),
        };
        found.push((culprit.bytes, Finding { severity, what, next: next() }));
    }
    let account = diff.account.as_ref();
    for block in account.iter().flat_map(|a| &a.blocks).filter(|b| !b.objects && b.bytes >= LEAST) {
        let rate = block.bytes as f64 / seconds;
        let what = What::NativeGrows { block: block.clone(), bytes_per_second: rate };
        let severity = if is_step(block) { Weight::Notice } else { weight(seen, rate) };
        found.push((block.bytes, Finding { severity, what, next: next() }));
    }
    // What grew beside objects and blocks, where those do not explain it.
    let waits = diff.culprits.iter().filter(|c| c.bytes > 0 && c.holder.cause == Cause::Garbage);
    let told: i64 = found.iter().map(|(bytes, _)| *bytes).chain(waits.map(|c| c.bytes)).sum();
    let named = ["python_objects", "python_buffers", "native_blocks", "pymalloc_other_blocks"];
    // Threads bring their stacks along: whoever keeps them is told already.
    let threads = diff.culprits.iter().filter(grows).any(of_threads);
    let parts = || account.iter().flat_map(|a| &a.parts);
    let all: i64 = parts().filter(|p| !of_a_file(&p.part)).map(|part| part.bytes).sum();
    for part in parts().filter(|p| !of_a_file(&p.part) && !on_free_lists(&p.part)) {
        let explained = threads && OF_THREADS.contains(&part.part.as_str());
        // Where nothing grows in all, a part that does was another one's.
        if part.bytes.min(all) >= LEAST
            && part.bytes > told
            && !named.contains(&part.part.as_str())
            && !explained
        {
            let rate = part.bytes as f64 / seconds;
            let what = What::PartGrows { part: part.part.clone(), bytes: part.bytes, bytes_per_second: rate };
            let severity = if is_free(&part.part) { Weight::Notice } else { weight(seen, rate) };
            found.push((part.bytes, Finding { severity, what, next: next() }));
        }
    }
    // Beside what grows fastest, a table that was made larger once is not told from growth.
    let most = found.iter().map(|(bytes, _)| *bytes).max().unwrap_or_default();
    for (_, finding) in found.iter_mut().filter(|(bytes, _)| (*bytes as f64) < SMALL * most as f64) {
        finding.severity = Weight::Notice;
    }
    found.sort_by_key(|(bytes, finding)| (finding.severity, std::cmp::Reverse(*bytes)));
    found.truncate(MOST);
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// Whether it is one block of a usual size more: a buffer or a table that was made larger once grows so, too.
fn is_step(block: &m5_heap::BlockGrowth) -> bool {
    block.count == 1 && block.bytes < LARGE
}

/// Whether it may only have been passed around at that moment: very few objects, which nobody with a name holds.
fn in_passing(culprit: &Culprit) -> bool {
    const FEW: i64 = 3;
    let nobody = matches!(culprit.holder.cause, Cause::Native | Cause::NoReferrer);
    nobody && culprit.holder.name.is_empty() && (1..=FEW).contains(&culprit.objects)
}

/// Whether what grows are threads, or comes with them.
fn of_threads(culprit: &Culprit) -> bool {
    const THREAD: &str = "threading.Thread";
    let with = || culprit.also.iter().any(|(name, _)| name == THREAD);
    culprit.type_name == THREAD || culprit.holder.name.starts_with("threading._") || with()
}

fn stopped(seen: &Seen<'_>) -> Option<Finding> {
    let next = format!("kill -CONT {}", seen.pid);
    seen.stopped.then_some(Finding { severity: Weight::Problem, what: What::Stopped, next })
}

/// Growth of the whole, where there are no two snapshots that tell of what.
fn unseen_growth(seen: &Seen<'_>) -> Option<Finding> {
    /// So much in so short a time is no coming and going of buffers.
    const SURE: i64 = 1 << 20;
    let bytes = seen.rss_grown_bytes.filter(|bytes| seen.diff.is_none() && *bytes >= SURE)?;
    let rate = bytes as f64 / seen.observed_seconds.max(1e-3);
    let next = format!("m5 baseline -p {} --duration 5m", seen.pid);
    let what = What::RssGrows { bytes, bytes_per_second: rate };
    Some(Finding { severity: weight(seen, rate), what, next })
}

/// Whether a part is memory that an allocator keeps for the next who asks.
fn is_free(part: &str) -> bool {
    part.contains("free") || part == "native_top"
}

/// Whether a part grows no further than a file is large: pages of code and data that are used for the first time.
fn of_a_file(part: &str) -> bool {
    part.starts_with("libraries/")
}

/// Whether a part grows no further than the interpreter lets its free lists grow.
fn on_free_lists(part: &str) -> bool {
    part.ends_with("_free_lists")
}

fn garbage(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(heap) = seen.heap else { return Vec::new() };
    let mut found = Vec::new();
    let grows = seen.diff.is_some_and(|d| d.culprits.iter().any(|c| c.holder.cause == Cause::Uncollectable));
    if heap.uncollectable.bytes >= LEAST_GARBAGE && !grows {
        found.push(Finding {
            severity: Weight::Notice,
            what: What::NeverFreed { garbage: heap.uncollectable, through: seen.through.clone() },
            next: format!("m5 snapshot -p {} --top 20", seen.pid),
        });
    }
    if seen.collector_on == Some(false) && heap.garbage.bytes >= LEAST_GARBAGE {
        found.push(Finding {
            severity: Weight::Problem,
            what: What::CollectorOff { garbage: heap.garbage },
            next: format!("m5 gc -p {}", seen.pid),
        });
    }
    found.extend(waiting(seen, heap));
    found
}

/// Garbage that is much and becomes more, while no full collection runs: thresholds that none ever reaches, `gc.freeze()` of
/// what is garbage.
fn waiting(seen: &Seen<'_>, heap: &Summary) -> Option<Finding> {
    let much = (heap.garbage.bytes as f64) >= MUCH_GARBAGE * heap.bytes as f64;
    let diff = seen.diff.filter(|_| much && heap.garbage.bytes >= LEAST_GARBAGE)?;
    let waits = diff.culprits.iter().find(|c| c.bytes >= LEAST && c.holder.cause == Cause::Garbage)?;
    let bytes_per_second = waits.bytes as f64 / diff.seconds.unwrap_or(seen.observed_seconds).max(1e-3);
    let stays = seen.full_collections == Some(0) && seen.collector_on == Some(true);
    (stays && bytes_per_second >= seen.growth_objective).then(|| Finding {
        severity: Weight::Notice,
        what: What::GarbageWaits { garbage: heap.garbage, bytes_per_second },
        next: format!("m5 gc -p {} --duration 5m", seen.pid),
    })
}

fn limit(seen: &Seen<'_>) -> Option<Finding> {
    let (headroom, rss) = (seen.headroom_bytes?, seen.rss_bytes?);
    let grown = seen.diff.and_then(|d| Some((d.account.as_ref()?.rss_bytes as f64, d.seconds?)));
    let rate = grown.map(|(bytes, seconds)| bytes / seconds).filter(|rate| *rate > 0.0);
    let seconds = rate.map(|rate| headroom as f64 / rate);
    let near = (headroom as f64) < NEAR * rss as f64;
    (near || seconds.is_some_and(|s| s < DAY && rate >= Some(seen.growth_objective))).then(|| Finding {
        severity: Weight::Problem,
        what: What::NearLimit { headroom_bytes: headroom, seconds },
        next: format!("m5 snapshot -p {}", seen.pid),
    })
}

fn missed(seen: &Seen<'_>) -> Vec<Finding> {
    // Growth was judged above. Nobody said how many connections this service should have, unless somebody did.
    let universal = |c: &Criterion| match c.name.as_str() {
        "gc_pause_p95_seconds"
        | "fd_growth"
        | "rss_limit_ratio"
        | "fd_limit_ratio"
        | "cgroup_peak_ratio"
        | "cpu_throttled_ratio" => true,
        "open_fds" => c.value.is_some_and(|v| v > c.objective.pass),
        _ => false,
    };
    let own = seen.objectives_from != ObjectivesFrom::default();
    // What all interpreters of a process miss together need not be told of each.
    let together =
        |name: &str| seen.criteria.iter().any(|c| c.interpreter.is_none() && c.name == name && c.missed());
    let bad = |c: &&Criterion| {
        let news = c.interpreter.is_none() || !together(&c.name);
        c.missed() && news && !c.name.starts_with("growth") && (own || universal(c))
    };
    let told = |c: &Criterion| Finding {
        severity: if c.status == Status::Fail { Weight::Problem } else { Weight::Notice },
        what: What::Missed { criterion: c.clone() },
        next: match c.name.starts_with("gc_") {
            true => format!("m5 gc -p {} --duration 1m", seen.pid),
            false => format!("m5 health -p {}", seen.pid),
        },
    };
    seen.criteria.iter().filter(bad).map(told).collect()
}

fn fragmented(seen: &Seen<'_>) -> Option<Finding> {
    let free = |v: &MemoryVerdict| {
        matches!(v.kind, MemoryKind::NativeFragmentation | MemoryKind::PymallocFragmentation)
    };
    let verdict = seen.verdict.filter(|v| free(v) && v.share >= FRAGMENTED)?;
    let native = verdict.kind == MemoryKind::NativeFragmentation;
    let returnable_bytes = seen.returnable_bytes.filter(|_| native);
    let elsewhere = seen.elsewhere.clone().filter(|_| native);
    // Where nothing would go back, the account says what keeps it.
    let next = match (&elsewhere, returnable_bytes) {
        (None, Some(1..)) => format!("m5 trim -p {}", seen.pid),
        _ => format!("m5 snapshot -p {}", seen.pid),
    };
    let what = What::Fragmented { verdict, returnable_bytes, elsewhere };
    Some(Finding { severity: Weight::Notice, what, next })
}

fn unseen(seen: &Seen<'_>) -> Vec<Unseen> {
    let mut out = Vec::new();
    if let Some(reason) = &seen.no_snapshot {
        out.push(Unseen::Objects { reason: reason.clone() });
    }
    let slow = LEAST as f64 / seen.observed_seconds.max(1.0);
    out.push(Unseen::SlowGrowth { bytes_per_second: slow });
    let below = |share: Option<f64>| share.filter(|s| *s < COVERED);
    out.extend(below(seen.coverage.refcounts_explained).map(|explained| Unseen::References { explained }));
    out.extend(below(seen.coverage.rss_explained).map(|explained| Unseen::Rss { explained }));
    let grows = seen.diff.is_some_and(|d| d.culprits.iter().any(|c| c.bytes >= LEAST && c.made.is_none()));
    out.extend(seen.no_lines.clone().filter(|_| grows).map(|reason| Unseen::Lines { reason }));
    let pause = |c: &Criterion| c.name == "gc_pause_p95_seconds" && c.status == Status::NotMeasured;
    let collected = |c: &Criterion| c.lack != Some(crate::doc::Lack::NoCollections);
    if seen.criteria.iter().any(|c| pause(c) && collected(c)) {
        out.push(Unseen::Pauses);
    }
    if seen.children > 0 {
        out.push(Unseen::Children { count: seen.children });
    }
    out
}

#[cfg(test)]
mod tests;
