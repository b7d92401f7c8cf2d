//! Judges many series of a family and counts.

use crate::families::{Family, Setting, Trace, trace};
use m5_bench_verdicts::Rng;
use m5_bench_verdicts::rivals;
use m5_stats::{Assessment, Confirmation, Options, Verdict, assess_with};

/// What came out for a family.
#[derive(Debug, Default, Clone)]
pub(crate) struct Score {
    pub(crate) traces: usize,
    /// Verdicts, in the order of their names in m5.
    pub(crate) verdicts: [usize; 6],
    /// Series that grow by 5 % a window or more, and how many of those were found.
    pub(crate) strong: usize,
    pub(crate) strong_found: usize,
    /// The floor a day later was inside the interval, below, above.
    pub(crate) inside: usize,
    pub(crate) below: usize,
    pub(crate) above: usize,
    /// Series looked at again and again while they come in; those with an alarm before or at the end.
    pub(crate) watched: usize,
    pub(crate) alarmed: usize,
    /// Parts of a window from onset to alarm.
    pub(crate) delays: Vec<f64>,
    pub(crate) rivals: [usize; 5],
    pub(crate) rivals_strong: [usize; 5],
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) setting: Setting,
    pub(crate) traces: usize,
    pub(crate) seed: u64,
    /// Every how many series one is watched while it comes in. 0: none.
    pub(crate) watch_every: usize,
    /// Print every series with its truth and its verdict.
    pub(crate) show: bool,
}

/// One series on a line of standard error, its values as parts of the level.
fn show(family: Family, i: usize, trace: &Trace, a: &Assessment) {
    let Some((f, level)) = a.forecast_24h.zip(a.level) else { return };
    let parts = [f.low, f.value, f.high, trace.floor_24h].map(|v| v / level - 1.0);
    eprintln!(
        "{family:?}\t{i}\t{:?}\t{:?}\t{:.4}\t{:.4}\t{:.4}\t{:.4}\t{:.4}\t{:.4}",
        a.verdict,
        a.reason,
        trace.growth,
        a.growth_probability.unwrap_or(f64::NAN),
        parts[0],
        parts[1],
        parts[2],
        parts[3]
    );
}

pub(crate) fn judge(family: Family, plan: &Plan) -> Score {
    let mut score = Score::default();
    for i in 0..plan.traces {
        let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(family as u64 * 7_919 + i as u64 * 104_729);
        let trace = trace(family, plan.setting, &mut Rng::new(seed));
        let a = look(&trace, plan.setting.seconds);
        score.count(&trace, &a);
        if plan.show {
            show(family, i, &trace, &a);
        }
        if plan.watch_every > 0 && i % plan.watch_every == 0 {
            score.watch(&trace, plan.setting.seconds);
        }
    }
    score
}

fn look(trace: &Trace, until: f64) -> Assessment {
    let points = &trace.points[..trace.points.partition_point(|p| p.t <= until)];
    let restarts: Vec<f64> = trace.restarts.iter().copied().filter(|r| *r <= until).collect();
    let options = Options { load: trace.load.as_deref(), restarts: &restarts, ..Options::default() };
    assess_with(points, &options)
}

impl Score {
    fn count(&mut self, trace: &Trace, a: &Assessment) {
        self.traces += 1;
        self.verdicts[a.verdict as usize] += 1;
        let strong = trace.growth >= 0.05;
        self.strong += usize::from(strong);
        self.strong_found += usize::from(strong && a.verdict == Verdict::Growing);
        if let Some(f) = a.forecast_24h {
            let truth = trace.floor_24h;
            self.below += usize::from(truth < f.low);
            self.above += usize::from(truth > f.high);
            self.inside += usize::from((f.low..=f.high).contains(&truth));
        }
        for (i, alarm) in rivals::alarms(&trace.points).into_iter().enumerate() {
            self.rivals[i] += usize::from(alarm);
            self.rivals_strong[i] += usize::from(alarm && strong);
        }
    }

    /// Evaluates a series every 24th of the window, as a watchdog does, until the first confirmed alarm.
    fn watch(&mut self, trace: &Trace, seconds: f64) {
        self.watched += 1;
        let mut confirmation = Confirmation::default();
        let step = seconds / 24.0;
        for i in 4..=24 {
            let until = f64::from(i) * step;
            let a = confirmation.confirm(look(trace, until), step);
            if a.verdict == Verdict::Growing {
                self.alarmed += 1;
                self.delays.push((until - trace.onset) / seconds);
                return;
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.traces += other.traces;
        self.strong += other.strong;
        self.strong_found += other.strong_found;
        self.inside += other.inside;
        self.below += other.below;
        self.above += other.above;
        self.watched += other.watched;
        self.alarmed += other.alarmed;
        self.delays.extend(&other.delays);
        for i in 0..6 {
            self.verdicts[i] += other.verdicts[i];
        }
        for i in 0..5 {
            self.rivals[i] += other.rivals[i];
            self.rivals_strong[i] += other.rivals_strong[i];
        }
    }
}
