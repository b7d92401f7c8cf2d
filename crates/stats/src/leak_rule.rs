//! The per-iteration leak rule: run the same work in chunks, collect garbage after each, and see whether the
//! process keeps something for every iteration.

use serde::{Deserialize, Serialize};

use crate::quantile::median;

/// How the rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeakRule {
    /// Objects or blocks kept per iteration below which nothing counts as a leak. 0: whatever goes on counts.
    pub per_iteration: f64,
    /// Objects or blocks more in a chunk that are told from noise. Mended versions of real leaks keep none in most chunks,
    /// and a few where the interpreter fills a cache of its own.
    pub told_apart: f64,
    /// Bytes of anonymous memory more in a chunk that are told from noise: native memory shows nowhere else. Allocators
    /// take pages of 4 KiB, and pools of up to four.
    pub told_apart_bytes: f64,
    /// The same of bytes in use of the C library's allocator, which are known to the byte.
    pub told_apart_native: f64,
    /// Chunks that a decision needs, after the warm-up.
    pub chunks: usize,
    /// Processes that must agree before it is called a leak.
    pub processes: usize,
}

impl Default for LeakRule {
    fn default() -> Self {
        Self {
            per_iteration: 0.0,
            told_apart: 5.0,
            told_apart_bytes: 16_384.0,
            told_apart_native: 4_096.0,
            chunks: 5,
            processes: 2,
        }
    }
}

/// The state after one chunk of iterations and a forced full collection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Iterations done so far, this chunk included.
    pub iterations: u64,
    /// Objects that the collector tracks.
    pub objects: Option<f64>,
    /// Allocated blocks.
    pub blocks: Option<f64>,
    /// Bytes of anonymous memory, in memory or swapped out.
    #[serde(default)]
    pub anon_bytes: Option<f64>,
    /// Bytes in use of the C library's allocator, large Python objects and their buffers among them. `None`: it does not
    /// say (musl, glibc before 2.33).
    #[serde(default)]
    pub native_bytes: Option<f64>,
}

/// What one process kept per iteration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LeakOutcome {
    /// Tracked objects kept per iteration. `None`: not measured or too few chunks.
    pub objects_per_iteration: Option<f64>,
    /// Allocated blocks kept per iteration.
    pub blocks_per_iteration: Option<f64>,
    /// Bytes of anonymous memory kept per iteration.
    #[serde(default)]
    pub anon_bytes_per_iteration: Option<f64>,
    /// Bytes in use of the C library's allocator kept per iteration.
    #[serde(default)]
    pub native_bytes_per_iteration: Option<f64>,
    /// The least and the most objects per iteration of any chunk.
    #[serde(default)]
    pub objects_range: Option<(f64, f64)>,
    /// The least and the most blocks per iteration of any chunk.
    #[serde(default)]
    pub blocks_range: Option<(f64, f64)>,
    /// The least and the most bytes per iteration of any chunk.
    #[serde(default)]
    pub anon_bytes_range: Option<(f64, f64)>,
    /// The least and the most bytes in use of the C library's allocator per iteration of any chunk.
    #[serde(default)]
    pub native_bytes_range: Option<(f64, f64)>,
    /// One of them goes on from chunk to chunk; `None` when none could be measured.
    pub leaking: Option<bool>,
    /// One of them grew, by too little or too seldom to say that it goes on: more iterations tell.
    #[serde(default)]
    pub unsettled: bool,
}

/// Holds one process's chunks against the rule. The first entry is the state after the warm-up: five chunks
/// are six entries.
///
/// It is regularity that tells a leak, not size: what is kept must be told from noise in every chunk, the last
/// included, one other excepted. So a step counts once and does not leak, a cache that fills and stops does not leak
/// either, and a few bytes an iteration do, if there are enough iterations in a chunk.
#[must_use]
pub fn leak_per_iteration(chunks: &[Chunk], rule: &LeakRule) -> LeakOutcome {
    let of = |pick: fn(&Chunk) -> Option<f64>, told_apart: f64| {
        let points: Option<Vec<(f64, f64)>> =
            chunks.iter().map(|c| Some((c.iterations as f64, pick(c).filter(|v| v.is_finite())?))).collect();
        points.filter(|p| p.len() > rule.chunks.max(1)).and_then(|p| Kept::of(&p, told_apart))
    };
    let objects = of(|c| c.objects, rule.told_apart);
    let blocks = of(|c| c.blocks, rule.told_apart);
    let anon = of(|c| c.anon_bytes, rule.told_apart_bytes)
        .map(|kept| Kept { goes_on: kept.goes_on && kept.even, ..kept });
    let native = of(|c| c.native_bytes, rule.told_apart_native);
    let all: Vec<&Kept> = [&objects, &blocks, &anon, &native].into_iter().flatten().collect();
    let counted = |kept: &Option<Kept>| {
        kept.as_ref().is_some_and(|kept| kept.goes_on && kept.slope >= rule.per_iteration)
    };
    // Bytes have no line: it is one of objects.
    let bytes = [&anon, &native].into_iter().flatten().any(|kept| kept.goes_on);
    let leaks = counted(&objects) || counted(&blocks) || bytes;
    LeakOutcome {
        objects_per_iteration: objects.as_ref().map(|kept| kept.slope),
        blocks_per_iteration: blocks.as_ref().map(|kept| kept.slope),
        anon_bytes_per_iteration: anon.as_ref().map(|kept| kept.slope),
        native_bytes_per_iteration: native.as_ref().map(|kept| kept.slope),
        objects_range: objects.as_ref().map(|kept| kept.range),
        blocks_range: blocks.as_ref().map(|kept| kept.range),
        anon_bytes_range: anon.as_ref().map(|kept| kept.range),
        native_bytes_range: native.as_ref().map(|kept| kept.range),
        leaking: (!all.is_empty()).then_some(leaks),
        unsettled: !leaks && all.iter().any(|kept| kept.grew),
    }
}

/// Whether enough processes agree. `None` when too few of them say the same: one more may tell.
#[must_use]
pub fn leak_agreed(outcomes: &[LeakOutcome], rule: &LeakRule) -> Option<bool> {
    let leaks = outcomes.iter().filter(|o| o.leaking == Some(true)).count();
    let measured = outcomes.iter().filter(|o| o.leaking.is_some()).count();
    if leaks >= rule.processes {
        return Some(true);
    }
    (measured - leaks >= rule.processes).then_some(false)
}

/// How one figure went from chunk to chunk.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Per iteration: the lesser of the median of all pairs of chunks and of the last chunk.
    slope: f64,
    /// The least and the most of any chunk, per iteration.
    range: (f64, f64),
    /// It is told from noise in the last chunk and in all others but one.
    goes_on: bool,
    /// It is larger at the end than after the first chunk, and than in the middle.
    grew: bool,
    /// No chunk gave much back, and all but one kept half of what is usual: pages come and go with where an allocator finds
    /// room, and that is no growth. What is kept makes up for it in chunks that are long enough.
    even: bool,
}

impl Kept {
    /// `points`: iterations and the figure, one after each chunk, the warm-up first.
    fn of(points: &[(f64, f64)], told_apart: f64) -> Option<Self> {
        let chunk = |pair: &[(f64, f64)]| match pair {
            [(x0, y0), (x1, y1)] if x1 > x0 => Some((y1 - y0, (y1 - y0) / (x1 - x0))),
            _ => None,
        };
        let chunks: Vec<(f64, f64)> = points.windows(2).map(chunk).collect::<Option<_>>()?;
        let (last, recent) = *chunks.last()?;
        let mut more: Vec<f64> = chunks.iter().map(|c| c.0).collect();
        more.sort_by(f64::total_cmp);
        let (least, usual) = (*more.first()?, *more.get(1).or(more.first())?);
        // The first chunk warms up what measures, too.
        let (first, middle, end) = (points.get(1)?.1, points.get(points.len() / 2)?.1, points.last()?.1);
        let slopes = chunks.iter().map(|c| c.1);
        Some(Self {
            slope: median(&pairs(points))?.min(recent),
            range: (slopes.clone().fold(f64::INFINITY, f64::min), slopes.fold(f64::NEG_INFINITY, f64::max)),
            goes_on: usual >= told_apart && last >= told_apart && !fades(&chunks),
            grew: end - first >= told_apart && end > middle,
            even: least > -told_apart && usual >= median(&more)? / 2.0,
        })
    }
}

/// Whether each chunk kept less than the one before, and the last little of what the second did: as a cache does that fills,
/// whose newest entries take the places of others ever more often. The first chunk warms up what measures.
fn fades(chunks: &[(f64, f64)]) -> bool {
    const LITTLE: f64 = 0.6;
    let after: Vec<f64> = chunks.iter().skip(1).map(|c| c.1).collect();
    let falls = after.windows(2).all(|pair| pair.get(1) < pair.first());
    let ends = after.first().zip(after.last());
    after.len() >= 3 && falls && ends.is_some_and(|(first, last)| *last < LITTLE * first)
}

/// Slopes of all pairs of points.
fn pairs(points: &[(f64, f64)]) -> Vec<f64> {
    let after = |(i, (x0, y0)): (usize, &(f64, f64))| {
        let (x0, y0) = (*x0, *y0);
        points.iter().skip(i + 1).filter(move |p| p.0 > x0).map(move |p| (p.1 - y0) / (p.0 - x0))
    };
    points.iter().enumerate().flat_map(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(objects: &[f64]) -> Vec<Chunk> {
        let at = |(i, v): (usize, &f64)| Chunk {
            iterations: 100 * i as u64,
            objects: Some(*v),
            blocks: None,
            anon_bytes: None,
            native_bytes: None,
        };
        objects.iter().enumerate().map(at).collect()
    }

    #[test]
    fn tells_a_leak_from_a_step_and_a_cache() {
        let rule = LeakRule::default();
        let leaking = |v: &[f64]| leak_per_iteration(&chunks(v), &rule).leaking;
        assert_eq!(leaking(&[9.0, 109.0, 209.0, 309.0, 409.0, 509.0]), Some(true));
        assert_eq!(leaking(&[9.0, 9.0, 9.0, 9.0, 9.0, 9.0]), Some(false));
        assert_eq!(leaking(&[9.0, 9.0, 9.0, 9.0, 900.0, 900.0]), Some(false));
        assert_eq!(leaking(&[9.0, 109.0, 209.0, 300.0, 300.0, 300.0]), Some(false));
        assert_eq!(leaking(&[9.0, 109.0]), None);
        // Once in twenty iterations, and two in a hundred: the latter is not told from noise, but seen.
        assert_eq!(leaking(&[9.0, 14.0, 19.0, 24.0, 29.0, 34.0]), Some(true));
        let little = leak_per_iteration(&chunks(&[9.0, 11.0, 13.0, 15.0, 17.0, 19.0]), &rule);
        assert_eq!((little.leaking, little.unsettled), (Some(false), true));
        let over = LeakRule { per_iteration: 0.5, ..rule };
        let seldom = leak_per_iteration(&chunks(&[9.0, 14.0, 19.0, 24.0, 29.0, 34.0]), &over);
        assert_eq!((seldom.leaking, seldom.unsettled), (Some(false), true));
    }

    #[test]
    fn a_cache_that_fills_by_chance_is_followed_further() {
        let of = |v: &[f64]| leak_per_iteration(&chunks(v), &LeakRule::default());
        // 2,048 places for keys that are new each time.
        let filled = |iterations: f64| 2_048.0 * (1.0 - (-iterations / 2_048.0).exp());
        let fills: Vec<f64> = (1..7).map(|i| filled(500.0 * f64::from(i)).round()).collect();
        assert_eq!((of(&fills).leaking, of(&fills).unsettled), (Some(false), true));
        // A leak beside it goes on.
        let beside: Vec<f64> = fills.iter().zip(1..7).map(|(v, i)| v + 400.0 * f64::from(i)).collect();
        assert_eq!(of(&beside).leaking, Some(true));
        assert_eq!(of(&[0.0, 900.0, 1_000.0, 1_100.0, 1_200.0, 1_300.0]).leaking, Some(true));
    }

    #[test]
    fn growth_is_told_by_its_regularity_with_its_range() {
        let rule = LeakRule::default();
        let at = |(i, v): (usize, &f64)| Chunk {
            iterations: 500 * i as u64,
            objects: Some(7.0),
            blocks: Some(7.0),
            anon_bytes: Some(*v * 4096.0),
            native_bytes: None,
        };
        let of = |v: &[f64]| leak_per_iteration(&v.iter().enumerate().map(at).collect::<Vec<_>>(), &rule);
        // A text that is 400 bytes longer each time: no object more, no block more.
        let text = of(&[0.0, 49.0, 98.0, 146.0, 195.0, 244.0]);
        assert_eq!(text.leaking, Some(true));
        let (least, most) = text.anon_bytes_range.unwrap();
        assert!((390.0..=402.0).contains(&least) && (400.0..=410.0).contains(&most), "{text:?}");
        // Once an allocator had room left; what stops at the end does not go on.
        assert_eq!(of(&[0.0, 49.0, 98.0, 98.0, 195.0, 244.0]).leaking, Some(true));
        let stops = of(&[0.0, 49.0, 98.0, 146.0, 195.0, 195.0]);
        assert_eq!((stops.leaking, stops.unsettled), (Some(false), true));
        // Where pages come and go at random, the allocator's own books tell.
        let jumps = [0.0, 300.0, 20.0, 700.0, 100.0, 150.0];
        let known = |native: bool| {
            let chunk = |(i, v)| Chunk { native_bytes: native.then_some(2e5 * i as f64), ..at((i, v)) };
            leak_per_iteration(&jumps.iter().enumerate().map(chunk).collect::<Vec<_>>(), &rule)
        };
        assert_eq!((known(false).leaking, known(true).leaking), (Some(false), Some(true)));
        assert_eq!(known(true).native_bytes_range, Some((400.0, 400.0)));
        // Pages that come and go as a module is loaded again, 1,250 times a chunk: more at the end, by chance.
        let placed = of(&[0.0, 38.0, 105.0, 91.0, 136.0, 142.0]);
        assert_eq!((placed.leaking, placed.unsettled), (Some(false), true));
        let flat = of(&[9.0, 10.0, 10.0, 9.0, 10.0, 10.0]);
        assert_eq!((flat.leaking, flat.unsettled), (Some(false), false));
    }

    #[test]
    fn native_memory_that_is_kept_is_a_leak() {
        let rule = LeakRule::default();
        let at = |(i, v): (usize, &f64)| Chunk {
            iterations: 100 * i as u64,
            objects: Some(7.0),
            blocks: Some(7.0),
            anon_bytes: Some(*v),
            native_bytes: None,
        };
        let leaking =
            |v: &[f64]| leak_per_iteration(&v.iter().enumerate().map(at).collect::<Vec<_>>(), &rule).leaking;
        assert_eq!(leaking(&[0.0, 8e5, 16e5, 24e5, 32e5, 40e5]), Some(true));
        // An arena, once; a page now and then.
        assert_eq!(leaking(&[0.0, 1e6, 1e6, 1e6, 2e6, 2e6]), Some(false));
        assert_eq!(leaking(&[0.0, 4096.0, 4096.0, 8192.0, 8192.0, 12288.0]), Some(false));
    }

    #[test]
    fn two_processes_must_agree() {
        let rule = LeakRule::default();
        let bad = leak_per_iteration(&chunks(&[0.0, 100.0, 200.0, 300.0, 400.0, 500.0]), &rule);
        let good = leak_per_iteration(&chunks(&[1.0; 6]), &rule);
        assert_eq!(leak_agreed(&[bad, bad], &rule), Some(true));
        assert_eq!(leak_agreed(&[bad, good], &rule), None);
        assert_eq!(leak_agreed(&[bad, good, good], &rule), Some(false));
        assert_eq!(leak_agreed(&[bad, good, bad], &rule), Some(true));
        assert_eq!(leak_agreed(&[good, good], &rule), Some(false));
        assert_eq!(leak_agreed(&[good], &rule), None);
    }
}
