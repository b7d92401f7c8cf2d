//! Lives of a week, watched as `m5 watch` and `m5 serve` do: how many healthy ones ever raise an alarm.

use super::Args;
use m5_bench_verdicts::wide::{self, Trace};
use m5_stats::{Assessment, Confirmation, Options, Series, Verdict, assess_with};
use std::io::Write;

/// Seconds between looks.
const LOOK: f64 = 1800.0;
/// Seconds between the looks of the first pass: a claim that holds for 14 hours meets two of them in a row.
const FIRST_PASS: f64 = 6.0 * 3600.0;
/// What the floor must gain between two of those for a claim to end as an alarm before that.
const GAINED: f64 = 1.4;
const WEEK: f64 = 7.0 * wide::DAY;

pub(crate) fn run(args: &Args, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{:<28}{:>8}{:>10}{:>14}", "a week of", "lives", "alarmed %", "delay, hours")?;
    let (mut healthy, mut alarmed) = (0, 0);
    for case in args.families() {
        let name = case.name;
        let alarms: Vec<Option<f64>> = (0..args.weeks)
            .map(|i| {
                let trace = (case.life)(args.seed(&case, i), WEEK, 60.0);
                first_alarm(&trace).map(|t| (t - trace.onset) / 3600.0)
            })
            .collect();
        let mut delays: Vec<f64> = alarms.iter().copied().flatten().collect();
        delays.sort_by(f64::total_cmp);
        if !case.leaks {
            (healthy, alarmed) = (healthy + args.weeks, alarmed + delays.len());
        }
        let name = format!("{name}{}", if case.held_out { " *" } else { "" });
        let part = 100.0 * delays.len() as f64 / args.weeks as f64;
        let delay = m5_stats::quantile(&delays, 0.5).map_or(String::new(), |d| format!("{d:.1}"));
        writeln!(out, "{name:<28}{:>8}{part:>10.1}{delay:>14}", args.weeks)?;
        out.flush()?;
    }
    let part = 100.0 * alarmed as f64 / f64::from(healthy.max(1) as u32);
    writeln!(out, "{:<28}{healthy:>8}{part:>10.1}", "all healthy ones")
}

/// When the first alarm is raised. Looks are dear: the lives in which no claim can last are told by few of them.
fn first_alarm(trace: &Trace) -> Option<f64> {
    let mut before: Option<Assessment> = None;
    let mut may_last = false;
    looks(trace, FIRST_PASS, |_, a| {
        may_last |= before.is_some_and(|b| claims(&b) && claims(a))
            || a.level.zip(before.and_then(|b| b.level)).is_some_and(|(now, then)| now > GAINED * then);
        before = Some(*a);
        may_last
    });
    if !may_last {
        return None;
    }
    let mut confirmation = Confirmation::default();
    let mut alarm = None;
    looks(trace, LOOK, |t, a| {
        alarm = confirmation.confirm(*a, LOOK).alarm.then_some(t);
        alarm.is_some()
    });
    alarm
}

/// Whether a claim may be held at this look.
fn claims(a: &Assessment) -> bool {
    a.verdict == Verdict::Growing
        || a.verdict == Verdict::Insufficient && a.growth_probability.is_some_and(|p| p >= 0.5)
}

/// Looks at a life every so many seconds until `see` is satisfied.
fn looks(trace: &Trace, every: f64, mut see: impl FnMut(f64, &Assessment) -> bool) {
    let mut series = Series::default();
    let mut next = every;
    let mut known = trace.load.iter().flatten().peekable();
    let mut load = None;
    for p in &trace.points {
        while let Some(l) = known.next_if(|l| l.t <= p.t) {
            load = Some(l.v);
        }
        series.push_beside(*p, load);
        if p.t < next {
            continue;
        }
        next += every;
        let restarts: Vec<f64> = trace.restarts.iter().copied().filter(|r| *r <= p.t).collect();
        let loads = series.loads(f64::INFINITY);
        let load = trace.load.as_ref().map(|_| loads.as_slice());
        let options = Options { load, restarts: &restarts, ..Options::default() };
        if see(p.t, &assess_with(&series.all(), &options)) {
            return;
        }
    }
}
