//! The memory of a watched process over time, and the verdict on it.

use m5_process::{Status, monotonic_ns};
use m5_stats::{
    Assessment, BetweenRestarts, Confirmation, Life, Options, Point, Series, Verdict, assess_with,
    between_restarts,
};

/// Time between two verdicts of one process.
const JUDGE_EVERY_NS: u64 = 60_000_000_000;

/// Series of one process, judged once in a while.
#[derive(Default)]
pub(crate) struct MemoryVerdict {
    rss: Series,
    /// Anonymous memory and what of it was swapped out, from the first moment at which any was.
    private: Option<Series>,
    confirmation: Confirmation,
    judged_ns: u64,
    assessment: Assessment,
    between_restarts: Option<BetweenRestarts>,
}

impl MemoryVerdict {
    /// Takes a reading in, at that moment of CLOCK_MONOTONIC; `cpu` is the cores in use since the last one.
    pub(crate) fn push(&mut self, now_ns: u64, status: &Status, cpu: Option<f64>) {
        let t = now_ns as f64 / 1e9;
        if let (Some(anon), Some(swap)) = (status.anon_bytes, status.swap_bytes)
            && (swap > 0 || self.private.is_some())
        {
            self.private.get_or_insert_default().push(Point { t, v: (anon + swap) as f64 });
        }
        if let Some(rss) = status.rss_bytes {
            self.rss.push_beside(Point { t, v: rss as f64 }, cpu);
        }
    }

    /// Whether it is time to judge again.
    pub(crate) fn due(&self) -> bool {
        monotonic_ns() - self.judged_ns >= JUDGE_EVERY_NS
    }

    /// When it was judged last, CLOCK_MONOTONIC nanoseconds; 0 where it was not yet.
    pub(crate) fn judged_ns(&self) -> u64 {
        self.judged_ns
    }

    /// The last verdict.
    pub(crate) fn assessment(&self) -> Assessment {
        self.assessment
    }

    /// What this life and those before it say together, where there are enough.
    pub(crate) fn between_restarts(&self) -> Option<BetweenRestarts> {
        self.between_restarts
    }

    /// What is left of an execution that began then, once it is over.
    pub(crate) fn life(&self, began: f64) -> Option<Life> {
        m5_stats::life(&self.rss.all(), began)
    }

    /// Judges an execution that began then, alone and beside the lives before it; `limit` is what it may use, bytes.
    pub(crate) fn judge(&mut self, began: f64, limit: Option<f64>, mut lives: Vec<Life>) {
        let now = monotonic_ns();
        let since = if self.judged_ns == 0 { 0.0 } else { (now - self.judged_ns) as f64 / 1e9 };
        self.judged_ns = now;
        // What it works is its load: memory that follows it is no leak.
        let load = self.rss.loads(f64::INFINITY);
        let options = Options { load: Some(&load), started: Some(began), limit, ..Options::default() };
        let mut assessment = assess_with(&self.rss.all(), &options);
        // Under reclaim, or at a limit, a leak goes to the swap and RSS stands still.
        if assessment.verdict != Verdict::Growing
            && let Some(private) = self.private.as_ref().map(|series| assess_with(&series.all(), &options))
            && private.verdict == Verdict::Growing
        {
            assessment = private;
        }
        self.assessment = self.confirmation.confirm(assessment, since);
        if !lives.is_empty() {
            lives.extend(self.life(began));
            self.between_restarts = between_restarts(&lives);
        }
    }
}
