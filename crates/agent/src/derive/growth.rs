//! Which series grow, each judged with all that is known beside it, and which layer that points at.

use m5_report::doc::{ProcessRecord, Recorded, Samples};
use m5_stats::verdict::{Options, assess_with, rates};
use m5_stats::{Assessment, Growing, Layers, Point, growing_layers};
use std::collections::BTreeMap;

/// Readings from which a load can be held against anything.
const LEAST_LOAD: usize = 10;

/// Each level judged with all that is known beside it: when the process started, its load, its limit.
pub(super) fn judge(process: &ProcessRecord, recorded: &Recorded) -> BTreeMap<String, Assessment> {
    let s = &process.samples;
    let load = named_load(recorded).unwrap_or_else(|| cpu(s));
    let limit = process.cgroup.as_ref().and_then(|c| c.max_bytes).map(|b| b as f64);
    let started = Some(process.started_unix_seconds - recorded.started_unix_seconds);
    let judge = |name: &str, points: &[Point]| {
        let memory = matches!(name, "rss" | "anon" | "anon_swap" | "after_full");
        let limit = limit.filter(|_| memory);
        assess_with(points, &Options { load: Some(&load), started, limit, ..Options::default() })
    };
    let judged = series(s).into_iter().filter(|(_, points)| !points.is_empty());
    judged.map(|(name, points)| (name.to_owned(), judge(name, &points))).collect()
}

fn cpu(s: &Samples) -> Vec<Point> {
    let cpu = s.t_seconds.iter().zip(&s.cpu_seconds).filter_map(|(t, v)| Some(Point { t: *t, v: (*v)? }));
    rates(&cpu.collect::<Vec<_>>())
}

/// The load that the user named, where enough of it could be read.
fn named_load(recorded: &Recorded) -> Option<Vec<Point>> {
    let load = recorded.load.as_ref().filter(|l| l.values.len() >= LEAST_LOAD)?;
    let points: Vec<Point> =
        load.t_seconds.iter().zip(&load.values).map(|(t, v)| Point { t: *t, v: *v }).collect();
    Some(if load.counter { rates(&points) } else { points })
}

fn series(s: &Samples) -> [(&'static str, Vec<Point>); 12] {
    let private = private(s);
    [
        ("rss", points(s, &s.rss_bytes)),
        ("anon", points(s, &s.anon_bytes)),
        ("anon_swap", private.as_deref().map(|p| points(s, p)).unwrap_or_default()),
        ("after_full", after_full(s, private.as_deref().unwrap_or(&s.anon_bytes))),
        ("gc_objects", objects(s)),
        ("blocks", blocks(s)),
        ("large_blocks", points(s, &s.python_large_blocks)),
        ("arenas", points(s, &s.python_arena_bytes)),
        ("fds", points(s, &s.fds)),
        ("sockets", points(s, &s.fds_socket)),
        ("connections", points(s, &s.connections)),
        ("threads", points(s, &s.threads)),
    ]
}

fn points(s: &Samples, column: &[Option<u64>]) -> Vec<Point> {
    s.t_seconds.iter().zip(column).filter_map(|(t, v)| Some(Point { t: *t, v: (*v)? as f64 })).collect()
}

/// Anonymous memory with what of it was swapped out, where any was: under reclaim, or at a limit, a leak goes there
/// and RSS stands still.
fn private(s: &Samples) -> Option<Vec<Option<u64>>> {
    let swapped = s.swap_bytes.iter().flatten().any(|b| *b > 0);
    let both = |(anon, swap): (&Option<u64>, &Option<u64>)| Some((*anon)? + (*swap)?);
    swapped.then(|| s.anon_bytes.iter().zip(&s.swap_bytes).map(both).collect())
}

/// The first sample after each full collection: what is left when the garbage is gone.
fn after_full(s: &Samples, column: &[Option<u64>]) -> Vec<Point> {
    let mut last = None;
    let mut out = Vec::new();
    for ((t, collections), v) in s.t_seconds.iter().zip(&s.gc2_collections).zip(column) {
        let Some(now) = *collections else { continue };
        let collected = last.replace(now).is_some_and(|before| now > before);
        if let (true, Some(v)) = (collected, v) {
            out.push(Point { t: *t, v: *v as f64 });
        }
    }
    out
}

/// Objects that the collector keeps: the count of now where there is one throughout; else what survived each full
/// collection. That number stands still between two of them, which must not pass for a flat series.
fn objects(s: &Samples) -> Vec<Point> {
    let live = points(s, &s.gc_live_objects);
    let throughout = !live.is_empty() && live.len() * 10 >= s.t_seconds.len() * 9;
    if throughout { live } else { after_full(s, &s.gc_long_lived_objects) }
}

/// Blocks of Python's allocator: small and large ones, as `sys.getallocatedblocks` counts them; the small ones
/// alone where the large ones cannot be counted.
fn blocks(s: &Samples) -> Vec<Point> {
    let large = |i: usize| s.python_large_blocks.get(i).copied().flatten().unwrap_or(0);
    let all = |(i, small): (usize, &Option<u64>)| Some((*small)? + large(i));
    points(s, &s.python_small_blocks.iter().enumerate().map(all).collect::<Vec<_>>())
}

/// The layers that grow by the verdicts of the series.
#[must_use]
pub fn layers(growth: &BTreeMap<String, Assessment>) -> Vec<Growing> {
    growing_layers(&Layers {
        gc_objects: growth.get("gc_objects"),
        blocks: growth.get("blocks"),
        large_blocks: growth.get("large_blocks"),
        arenas: growth.get("arenas"),
        anon: growth.get("anon_swap").or_else(|| growth.get("anon")),
        after_full: growth.get("after_full"),
        rss: growth.get("rss"),
        fds: growth.get("fds"),
        sockets: growth.get("sockets"),
        connections: growth.get("connections"),
        threads: growth.get("threads"),
    })
}

/// Growth forecast for 24 hours as a part of the level, with its interval.
pub(crate) fn growth_24h(a: &Assessment) -> Option<(f64, [f64; 2])> {
    let (level, forecast) = (a.level.filter(|l| *l > 0.0)?, a.forecast_24h?);
    let ratio = |value: f64| value / level - 1.0;
    Some((ratio(forecast.value), [ratio(forecast.low), ratio(forecast.high)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_report::doc::Sample;
    use m5_stats::{Layer, Verdict, Witness};

    const MIB: f64 = 1_048_576.0;

    /// A sample a second for an hour and a half; a full collection every 20 s.
    fn recorded(sample: impl Fn(f64) -> Sample) -> BTreeMap<String, Assessment> {
        let mut samples = Samples::default();
        for i in 0..5400_u64 {
            let t = i as f64;
            // Noise without a generator: what matters is that the series are not exact lines.
            let noise = (t * 12.9898).sin() * 20_000.0;
            let mut sample = sample(t);
            for value in [&mut sample.rss_bytes, &mut sample.anon_bytes].into_iter().flatten() {
                *value = (*value as f64 + noise) as u64;
            }
            samples.push(&Sample { t_seconds: t, gc2_collections: Some(i / 20), ..sample });
        }
        let judged = series(&samples).into_iter().filter(|(_, points)| !points.is_empty());
        judged.map(|(name, p)| (name.to_owned(), assess_with(&p, &Options::default()))).collect()
    }

    fn growing_memory(t: f64) -> Sample {
        let bytes = Some((60.0 * MIB + t * 4096.0) as u64);
        Sample { rss_bytes: bytes, anon_bytes: bytes, ..Sample::default() }
    }

    #[test]
    fn objects_that_survive_name_the_heap() {
        let objects = |t: f64| Some(100_000 + (t / 20.0).floor() as u64 * 400);
        let growth = recorded(|t| Sample { gc_long_lived_objects: objects(t), ..growing_memory(t) });
        let found = layers(&growth);
        assert_eq!((found[0].layer, found[0].series), (Layer::GcHeap, Witness::GcObjects));
        let slope = found[0].per_second.unwrap();
        assert!((slope - 20.0).abs() < 1.0, "{slope}");
    }

    #[test]
    fn objects_that_stand_still_leave_untracked_and_native_memory() {
        let growth = recorded(|t| Sample { gc_long_lived_objects: Some(100_000), ..growing_memory(t) });
        let found = layers(&growth);
        assert_eq!((found[0].layer, found[0].series), (Layer::UntrackedOrNative, Witness::AfterFull));
    }

    #[test]
    fn a_count_that_no_collection_renewed_is_no_witness() {
        let mut samples = Samples::default();
        for i in 0..100 {
            let count = (Some(3), Some(100_000));
            samples.push(&Sample {
                t_seconds: f64::from(i),
                gc2_collections: count.0,
                gc_long_lived_objects: count.1,
                ..Sample::default()
            });
        }
        assert!(objects(&samples).is_empty());
    }

    #[test]
    fn a_leak_that_is_swapped_out_is_seen() {
        // The kernel keeps RSS at its limit: what leaks goes to the swap.
        let growth = recorded(|t| {
            let held = Some((60.0 * MIB) as u64);
            let swap_bytes = Some((t * 4096.0) as u64);
            Sample { rss_bytes: held, anon_bytes: held, swap_bytes, ..Sample::default() }
        });
        assert_eq!(growth["rss"].verdict, Verdict::Flat);
        assert_eq!(growth["anon_swap"].verdict, Verdict::Growing);
        let found = layers(&growth);
        assert_eq!(found[0].series, Witness::AfterFull, "{found:?}");
        assert!((found[0].per_second.unwrap() - 4096.0).abs() < 200.0);
        assert!(!recorded(|_| growing_memory(0.0)).contains_key("anon_swap"));
    }

    #[test]
    fn nothing_grows_nothing_is_named() {
        let growth = recorded(|_| Sample { fds: Some(9), threads: Some(4), ..growing_memory(0.0) });
        assert_eq!(growth["anon"].verdict, Verdict::Flat);
        assert!(layers(&growth).is_empty());
    }
}
