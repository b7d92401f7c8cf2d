//! What came out, counted.

use m5_bench_verdicts::rivals;
use m5_bench_verdicts::wide::Trace;
use m5_stats::{Assessment, Options, Point, Verdict, assess_with};
use std::fmt;
use std::time::Instant;

/// Growth a window from which a leak should be found.
const STRONG: f64 = 0.10;
/// The quantiles that a forecast's low end, value and high end are of.
const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];

/// Verdicts and forecasts of one family.
#[derive(Debug, Default, Clone)]
pub(crate) struct Score {
    traces: usize,
    verdicts: [usize; 6],
    leaks: bool,
    strong: usize,
    strong_found: usize,
    /// Of the strong ones: called neither growing nor undecided, so that nobody would look again.
    strong_cleared: usize,
    placed: [usize; 3],
    /// Sums of pinball losses, as parts of the level: m5, last floor, line.
    pinball: [f64; 3],
    /// Sum of the intervals' widths, as parts of the level.
    width: f64,
    judged: usize,
    rivals: [usize; 5],
    seconds: f64,
}

impl Score {
    pub(crate) const HEADING: &'static str = "   n  grow%  >=10%  clear  insuf   flat  satur   step   fall |  in24  below  above  width |  pinball: m5  last  line |   OLS    MK    HR  pred    R2 |  ms";

    pub(crate) fn trace(&mut self, trace: &Trace, leaks: bool) -> String {
        let options =
            Options { load: trace.load.as_deref(), restarts: &trace.restarts, ..Options::default() };
        self.leaks = leaks;
        let a = self.assess(&trace.points, &options);
        let strong = trace.growth >= STRONG;
        self.strong += usize::from(strong);
        self.strong_found += usize::from(strong && a.verdict == Verdict::Growing);
        let open = matches!(a.verdict, Verdict::Growing | Verdict::Insufficient);
        self.strong_cleared += usize::from(strong && !open);
        self.forecast(&trace.points, trace.floor_24h, &a);
        for (i, alarm) in rivals::alarms(&trace.points).into_iter().enumerate() {
            self.rivals[i] += usize::from(alarm && (strong || !leaks));
        }
        let level = a.level.unwrap_or(f64::NAN);
        let f = a.forecast_24h.map_or([f64::NAN; 3], |f| [f.low, f.value, f.high].map(|v| v / level - 1.0));
        format!(
            "{:?}\t{:?}\tp {:.3}\tgrowth {:.3}\tslope {:.3}\t{:.3} {:.3} {:.3}\ttruth {:.3}",
            a.verdict,
            a.reason,
            a.growth_probability.unwrap_or(f64::NAN),
            trace.growth,
            a.slope.unwrap_or(f64::NAN) * a.observed_seconds / level,
            f[0],
            f[1],
            f[2],
            trace.floor_24h / level - 1.0
        )
    }

    pub(crate) fn real(&mut self, points: &[Point], later: f64, options: &Options<'_>) -> String {
        let a = self.assess(points, options);
        let before = self.pinball;
        self.forecast(points, later, &a);
        for (i, alarm) in rivals::alarms(points).into_iter().enumerate() {
            self.rivals[i] += usize::from(alarm);
        }
        let loss = |i: usize| 100.0 * (self.pinball[i] - before[i]);
        let level = a.level.unwrap_or(f64::NAN);
        let f = a.forecast_24h.map_or([f64::NAN; 3], |f| [f.low, f.value, f.high].map(|v| v / level - 1.0));
        format!(
            "{:?}\tm5 {:.2}\tlast {:.2}\t{:.3} {:.3} {:.3}\ttruth {:.3}\tlast {:.3}",
            a.verdict,
            loss(0),
            loss(1),
            f[0],
            f[1],
            f[2],
            later / level - 1.0,
            rivals::last_floor(points)[1] / level - 1.0
        )
    }

    fn assess(&mut self, points: &[Point], options: &Options<'_>) -> Assessment {
        let begin = Instant::now();
        let a = assess_with(points, options);
        self.seconds += begin.elapsed().as_secs_f64();
        self.traces += 1;
        self.verdicts[a.verdict as usize] += 1;
        a
    }

    fn forecast(&mut self, points: &[Point], truth: f64, a: &Assessment) {
        let (Some(f), Some(level)) = (a.forecast_24h, a.level.filter(|l| *l > 0.0)) else { return };
        let side = usize::from(truth < f.low) + 2 * usize::from(truth > f.high);
        self.placed[side] += 1;
        self.judged += 1;
        self.width += (f.high - f.low) / level;
        let loss = |forecast: [f64; 3]| {
            let one = |(q, v): (f64, f64)| if truth >= v { q * (truth - v) } else { (1.0 - q) * (v - truth) };
            QUANTILES.into_iter().zip(forecast).map(one).sum::<f64>() / 3.0 / level
        };
        let all =
            [[f.low, f.value, f.high], rivals::last_floor(points), rivals::line_ahead(points, 86_400.0)];
        for (sum, forecast) in self.pinball.iter_mut().zip(all) {
            *sum += loss(forecast);
        }
    }
}

/// The families beside each other: the mean, and the worst.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// In percent: healthy series called growing, and a step where no level moves; strong leaks found, and cleared; intervals that held.
    columns: [Vec<f64>; 5],
    /// Pinball losses of healthy and of leaking families.
    losses: [Vec<f64>; 2],
    /// Families whose intervals hold less than they should, and more, beyond chance.
    beyond_chance: [usize; 2],
}

/// What a 90 % interval should hold of a family.
const AIM: [f64; 2] = [0.85, 0.95];
/// The chance, on one side, from which on a share is not taken for chance.
const CHANCE: f64 = 0.025;

/// The chance of at most `most` of `of`, each with the chance `p`.
fn at_most(most: usize, of: usize, p: f64) -> f64 {
    let (mut log, mut sum) = (of as f64 * (1.0 - p).ln(), 0.0);
    for i in 0..=most {
        sum += log.exp();
        log += ((of - i.min(of)) as f64 / (i + 1) as f64 * p / (1.0 - p)).ln();
    }
    sum
}

impl Summary {
    pub(crate) fn add(&mut self, s: &Score, moves: bool) {
        let share = |n: usize, of: usize| 100.0 * n as f64 / of.max(1) as f64;
        let verdict = |v: Verdict| share(s.verdicts[v as usize], s.traces);
        let of = |n: usize| share(n, s.strong);
        let [growing, step, found, cleared, held] = &mut self.columns;
        if s.leaks {
            found.push(of(s.strong_found));
            cleared.push(of(s.strong_cleared));
        } else {
            growing.push(verdict(Verdict::Growing));
            step.extend((!moves).then(|| verdict(Verdict::Step)));
        }
        held.push(share(s.placed[0], s.judged));
        let missed = s.judged - s.placed[0];
        self.beyond_chance[0] += usize::from(at_most(s.placed[0], s.judged, AIM[0]) < CHANCE);
        self.beyond_chance[1] += usize::from(at_most(missed, s.judged, 1.0 - AIM[1]) < CHANCE);
        self.losses[usize::from(s.leaks)].push(100.0 * s.pinball[0] / s.judged.max(1) as f64);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let most = |v: &[f64]| v.iter().copied().fold(0.0, f64::max);
        let least = |v: &[f64]| v.iter().copied().fold(100.0, f64::min);
        let [growing, step, found, cleared, held] = &self.columns;
        let below = |v: &[f64], aim: f64| v.iter().filter(|v| **v < aim).count();
        writeln!(f, "false positives: mean {:.1} %, worst {:.1} %", mean(growing), most(growing))?;
        writeln!(
            f,
            "called a step where no level moves: mean {:.1} %, worst {:.1} %",
            mean(step),
            most(step)
        )?;
        writeln!(
            f,
            "recall: mean {:.1} %, worst {:.1} %, below 90 % in {} of {}; called neither growing nor undecided: {:.1} %",
            mean(found),
            least(found),
            below(found, 90.0),
            found.len(),
            mean(cleared)
        )?;
        writeln!(
            f,
            "interval held: mean {:.1} %, worst {:.1} %, below 85 % in {} of {}, above 95 % in {}; beyond chance {} and {}",
            mean(held),
            least(held),
            below(held, 85.0),
            held.len(),
            held.iter().filter(|v| **v > 95.0).count(),
            self.beyond_chance[0],
            self.beyond_chance[1]
        )?;
        write!(
            f,
            "pinball loss: healthy {:.2} %, leaking {:.2} %",
            mean(&self.losses[0]),
            mean(&self.losses[1])
        )
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |n: usize, of: usize| 100.0 * n as f64 / of.max(1) as f64;
        let verdict = |v: Verdict| share(self.verdicts[v as usize], self.traces);
        write!(f, "{:>4}{:>7.1}", self.traces, verdict(Verdict::Growing))?;
        match self.leaks {
            true => [self.strong_found, self.strong_cleared]
                .into_iter()
                .try_for_each(|n| write!(f, "{:>7.1}", share(n, self.strong)))?,
            false => write!(f, "{:>14}", "")?,
        }
        let others =
            [Verdict::Insufficient, Verdict::Flat, Verdict::Saturating, Verdict::Step, Verdict::Falling];
        others.into_iter().try_for_each(|v| write!(f, "{:>7.1}", verdict(v)))?;
        write!(f, " |")?;
        [0, 1, 2].into_iter().try_for_each(|i| write!(f, "{:>7.1}", share(self.placed[i], self.judged)))?;
        write!(f, " {:>6.3} |      ", self.width / self.judged.max(1) as f64)?;
        self.pinball.iter().try_for_each(|p| write!(f, " {:>5.2}", 100.0 * p / self.judged.max(1) as f64))?;
        write!(f, "  |")?;
        let of = if self.leaks { self.strong } else { self.traces };
        self.rivals.iter().try_for_each(|n| write!(f, "{:>6.0}", share(*n, of)))?;
        write!(f, " |{:>5.1}", 1000.0 * self.seconds / self.traces.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::at_most;

    #[test]
    fn the_binomial_tail_is_exact() {
        assert!((at_most(1, 2, 0.5) - 0.75).abs() < 1e-12);
        assert!((at_most(0, 60, 0.05) - 0.95_f64.powi(60)).abs() < 1e-12);
        assert!((at_most(60, 60, 0.85) - 1.0).abs() < 1e-9);
    }
}
