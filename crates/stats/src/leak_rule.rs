//! The per-iteration leak rule: run the same work in chunks, collect garbage after each, and see whether the
//! process keeps something for every iteration.

use serde::{Deserialize, Serialize};

use crate::quantile::median;

/// How the rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeakRule {
    /// Objects or blocks kept per iteration that count as a leak. Fixed versions of real leaks measured 0.00,
    /// the leaks themselves 1.0 and more; the middle is the safest line between them.
    pub per_iteration: f64,
    /// Bytes of anonymous memory kept per iteration that count as a leak: native memory shows nowhere else. Above the
    /// steps in which allocators take pages.
    pub bytes_per_iteration: f64,
    /// Chunks that a decision needs, after the warm-up.
    pub chunks: usize,
    /// Processes that must agree before it is called a leak.
    pub processes: usize,
}

impl Default for LeakRule {
    fn default() -> Self {
        Self { per_iteration: 0.5, bytes_per_iteration: 512.0, chunks: 5, processes: 2 }
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
    /// One of them is at or over its line; `None` when none could be measured.
    pub leaking: Option<bool>,
}

/// Holds one process's chunks against the rule. The first entry is the state after the warm-up: five chunks
/// are six entries.
///
/// The slope is the lesser of the median of all pairwise slopes and the slope of the last chunk: a step
/// counts once and does not leak, and a cache that fills and stops does not leak either.
#[must_use]
pub fn leak_per_iteration(chunks: &[Chunk], rule: &LeakRule) -> LeakOutcome {
    let of = |pick: fn(&Chunk) -> Option<f64>| {
        let points: Option<Vec<(f64, f64)>> =
            chunks.iter().map(|c| Some((c.iterations as f64, pick(c).filter(|v| v.is_finite())?))).collect();
        points.filter(|p| p.len() > rule.chunks.max(1)).and_then(|p| kept(&p))
    };
    let objects_per_iteration = of(|c| c.objects);
    let blocks_per_iteration = of(|c| c.blocks);
    let anon_bytes_per_iteration = of(|c| c.anon_bytes);
    let lines = [
        (objects_per_iteration, rule.per_iteration),
        (blocks_per_iteration, rule.per_iteration),
        (anon_bytes_per_iteration, rule.bytes_per_iteration),
    ];
    let over = |(slope, line): &(Option<f64>, f64)| slope.is_some_and(|slope| slope >= *line);
    let leaking = lines.iter().any(|(slope, _)| slope.is_some()).then(|| lines.iter().any(over));
    LeakOutcome { objects_per_iteration, blocks_per_iteration, anon_bytes_per_iteration, leaking }
}

/// Whether enough processes agree. `None` when too few of them could be measured to say either way.
#[must_use]
pub fn leak_agreed(outcomes: &[LeakOutcome], rule: &LeakRule) -> Option<bool> {
    let leaks = outcomes.iter().filter(|o| o.leaking == Some(true)).count();
    let measured = outcomes.iter().filter(|o| o.leaking.is_some()).count();
    if leaks >= rule.processes {
        return Some(true);
    }
    (measured >= rule.processes && leaks == 0).then_some(false)
}

fn kept(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (i, (x0, y0)) in points.iter().enumerate() {
        for (x1, y1) in &points[i + 1..] {
            if x1 > x0 {
                slopes.push((y1 - y0) / (x1 - x0));
            }
        }
    }
    let overall = median(&slopes)?;
    let (first, last) = (points.get(points.len().checked_sub(2)?)?, points.last()?);
    let recent = (last.1 - first.1) / (last.0 - first.0);
    Some(if recent.is_finite() { overall.min(recent) } else { overall })
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
    }

    #[test]
    fn native_memory_that_is_kept_is_a_leak() {
        let rule = LeakRule::default();
        let at = |(i, v): (usize, &f64)| Chunk {
            iterations: 100 * i as u64,
            objects: Some(7.0),
            blocks: Some(7.0),
            anon_bytes: Some(*v),
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
        assert_eq!(leak_agreed(&[good, good], &rule), Some(false));
        assert_eq!(leak_agreed(&[good], &rule), None);
    }
}
