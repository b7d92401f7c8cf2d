//! The pauses of a recording: totals exact for ever, single pauses thinned evenly once they are very many.

use crate::doc::{LongPauses, WorldLog};
use crate::pauses::thin::{mix, retain};
use m5_gc::{CERTAIN, Choice, Coverage, InterpreterCollections, Pause, SourceKind};
use serde::{Deserialize, Serialize};

/// Exact sums over every pause that was seen, of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GenerationTotals {
    /// Pauses seen.
    pub count: u64,
    /// Their sum.
    pub total_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
}

/// The collections of one interpreter of a process.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct InterpreterPauses {
    /// Its number: 0 is the main one; absent of those together that have ended.
    pub interpreter: Option<i64>,
    /// Collections by generation, by its own counters.
    pub happened: [u64; 3],
    /// Pauses seen: generations 0, 1, 2, and those of unknown generation.
    pub totals: [GenerationTotals; 4],
}

/// The pauses of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PauseLog {
    /// How they were seen.
    pub source: SourceKind,
    /// Why they were seen in this way; absent in documents of before.
    #[serde(default)]
    pub choice: Option<Choice>,
    /// What the long ones were doing, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongPauses>,
    /// How all threads stopped for them, where the build has no GIL and it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<WorldLog>,
    /// What was seen and missed.
    pub coverage: Coverage,
    /// Generations 0, 1, 2, and those of unknown generation.
    pub totals: [GenerationTotals; 4],
    /// The same by interpreter, where there were several; those that have ended are one row.
    #[serde(default, skip_serializing_if = "alone")]
    pub interpreters: Vec<InterpreterPauses>,
    /// One of so many pauses is kept below; 1 keeps all.
    pub one_in: u64,
    /// Start, seconds since the recording began.
    pub start_seconds: Vec<f64>,
    /// Length.
    pub duration_seconds: Vec<f64>,
    /// Generation; absent where the source could not tell.
    pub generation: Vec<Option<u8>>,
    /// Number of the interpreter; empty where the main one alone was seen to pause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interpreter: Vec<i64>,
    /// The chance with which each was seen; empty where all of one generation were as likely to be, or nobody noted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chance: Vec<f64>,
}

impl GenerationTotals {
    fn add(&mut self, seconds: f64) {
        self.plus(&Self { count: 1, total_seconds: seconds, max_seconds: seconds });
    }

    fn plus(&mut self, other: &Self) {
        self.count += other.count;
        self.total_seconds += other.total_seconds;
        self.max_seconds = self.max_seconds.max(other.max_seconds);
    }
}

impl InterpreterPauses {
    fn add(&mut self, other: &Self) {
        self.totals.iter_mut().zip(&other.totals).for_each(|(sum, of)| sum.plus(of));
    }

    /// All its pauses that were seen.
    #[must_use]
    pub fn whole(&self) -> GenerationTotals {
        let mut whole = GenerationTotals::default();
        self.totals.iter().for_each(|of| whole.plus(of));
        whole
    }
}

/// One interpreter is told by the totals.
fn alone(rows: &[InterpreterPauses]) -> bool {
    rows.len() < 2
}

/// Index of the totals of unknown generation.
const UNKNOWN: usize = 3;

impl PauseLog {
    /// Single pauses that a document keeps at most.
    pub const MOST: usize = 100_000;

    /// An empty log.
    #[must_use]
    pub fn new(source: SourceKind) -> Self {
        Self {
            source,
            choice: None,
            long: None,
            world: None,
            coverage: Coverage::default(),
            totals: [GenerationTotals::default(); 4],
            interpreters: Vec::new(),
            one_in: 1,
            start_seconds: Vec::new(),
            duration_seconds: Vec::new(),
            generation: Vec::new(),
            interpreter: Vec::new(),
            chance: Vec::new(),
        }
    }

    /// Adds a pause; `origin_ns` is when the recording began.
    pub fn push(&mut self, pause: &Pause, origin_ns: u64) {
        let seconds = pause.duration_ns as f64 / 1e9;
        let generation = pause.generation.map_or(UNKNOWN, |g| usize::from(g).min(2));
        self.totals[generation].add(seconds);
        self.row(pause.interpreter).totals[generation].add(seconds);
        if !mix(self.seen()).is_multiple_of(self.one_in) {
            return;
        }
        if pause.interpreter != 0 && self.interpreter.is_empty() {
            self.interpreter = vec![0; self.start_seconds.len()];
            self.interpreter.push(pause.interpreter);
        } else if !self.interpreter.is_empty() {
            self.interpreter.push(pause.interpreter);
        }
        if pause.chance_ppm < CERTAIN && self.chance.is_empty() {
            self.chance = vec![1.0; self.start_seconds.len()];
        }
        if pause.chance_ppm < CERTAIN || !self.chance.is_empty() {
            self.chance.push(f64::from(pause.chance_ppm.max(1)) / f64::from(CERTAIN));
        }
        // One that ran as the recording began is shown at its begin.
        self.start_seconds.push(pause.start_ns.saturating_sub(origin_ns) as f64 / 1e9);
        self.duration_seconds.push(seconds);
        self.generation.push(pause.generation);
        if self.start_seconds.len() > Self::MOST {
            self.thin();
        }
    }

    /// The row of an interpreter that is there; of one that is not told yet, a new one.
    fn row(&mut self, interpreter: i64) -> &mut InterpreterPauses {
        let interpreter = Some(interpreter);
        let known = self.interpreters.iter().position(|row| row.interpreter == interpreter);
        let at = known.unwrap_or(self.interpreters.len());
        if known.is_none() {
            self.interpreters.push(InterpreterPauses { interpreter, ..InterpreterPauses::default() });
        }
        &mut self.interpreters[at]
    }

    /// Notes what each interpreter counted; rows of those that are no longer there become one.
    pub fn count(&mut self, counted: &[InterpreterCollections]) {
        let there = |row: &InterpreterPauses| counted.iter().any(|c| c.interpreter == row.interpreter);
        let (kept, gone): (Vec<_>, Vec<_>) = self.interpreters.drain(..).partition(there);
        self.interpreters = kept;
        for of in counted.iter().filter(|c| c.interpreter.is_some()) {
            self.row(of.interpreter.unwrap_or_default()).happened = of.happened;
        }
        let ended = counted.iter().find(|c| c.interpreter.is_none()).map(|c| c.happened);
        if ended.is_some() || !gone.is_empty() {
            let mut row = self.ended();
            gone.iter().for_each(|g| row.add(g));
            row.happened = ended.unwrap_or(row.happened);
            self.interpreters.retain(|r| r.interpreter.is_some());
            self.interpreters.push(row);
        }
    }

    fn ended(&self) -> InterpreterPauses {
        self.interpreters.iter().find(|r| r.interpreter.is_none()).copied().unwrap_or_default()
    }

    /// Pauses seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.totals.iter().map(|t| t.count).sum()
    }

    /// Lengths of the kept pauses of some generations.
    pub fn durations(&self, pick: impl Fn(Option<u8>) -> bool) -> Vec<f64> {
        self.generation
            .iter()
            .zip(&self.duration_seconds)
            .filter(|(g, _)| pick(**g))
            .map(|(_, d)| *d)
            .collect()
    }

    /// Checks a document's columns.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self) -> Result<(), String> {
        let length = self.start_seconds.len();
        if self.duration_seconds.len() != length || self.generation.len() != length {
            return Err("the columns of pauses differ in length".to_owned());
        }
        let fits = |column: usize| column == 0 || column == length;
        if !fits(self.interpreter.len()) || !fits(self.chance.len()) {
            return Err("the columns of pauses differ in length".to_owned());
        }
        let sane = |v: &f64| v.is_finite() && *v >= 0.0;
        if !self.chance.iter().all(|c| *c > 0.0 && *c <= 1.0) {
            return Err("the chance of a pause is none".to_owned());
        }
        if self.one_in == 0 || !self.duration_seconds.iter().all(sane) {
            return Err("a pause has no length, or one_in is 0".to_owned());
        }
        Ok(())
    }

    /// Drops half of the kept pauses, as a coin that always falls alike would: replays give the same.
    fn thin(&mut self) {
        self.one_in *= 2;
        let salt = self.one_in;
        let keep = |i: usize| mix(i as u64 ^ salt << 32) & 1 == 0;
        retain(&mut self.start_seconds, keep);
        retain(&mut self.duration_seconds, keep);
        retain(&mut self.generation, keep);
        retain(&mut self.interpreter, keep);
        retain(&mut self.chance, keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(i: u64, generation: u8) -> Pause {
        let generation = Some(generation);
        Pause {
            start_ns: i * 1000,
            duration_ns: i % 1000,
            generation,
            pid: 1,
            interpreter: 0,
            tid: None,
            ..Pause::default()
        }
    }

    #[test]
    fn thinning_keeps_totals_exact_and_quantiles_fair() {
        let mut log = PauseLog::new(SourceKind::Ring);
        let many = 7 * PauseLog::MOST as u64;
        for i in 0..many {
            log.push(&pause(i, u8::from(i % 10 == 0)), 0);
        }
        assert_eq!(log.seen(), many);
        assert_eq!(log.totals[1].count, many / 10);
        assert!(log.start_seconds.len() <= PauseLog::MOST && log.one_in == 8, "{}", log.one_in);
        log.check().unwrap();
        let kept = m5_stats::sorted(&log.durations(|_| true));
        let p95 = m5_stats::quantile(&kept, 0.95).unwrap();
        assert!((p95 - 950e-9).abs() < 10e-9, "{p95}");
        let older = log.durations(|g| g == Some(1)).len() as f64 / kept.len() as f64;
        assert!((older - 0.1).abs() < 0.01, "{older}");
    }
}
