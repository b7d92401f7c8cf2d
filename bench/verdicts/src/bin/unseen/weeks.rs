//! Lives of a week, watched as `m5 watch` and `m5 serve` do: how many healthy ones ever raise an alarm.

use super::Args;
use m5_bench_verdicts::wide::{self, Trace};
use m5_stats::{Confirmation, Options, Series, assess_with};
use std::io::Write;

/// Seconds between looks.
const LOOK: f64 = 1800.0;
const WEEK: f64 = 7.0 * wide::DAY;

pub(crate) fn run(args: &Args, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{:<28}{:>8}{:>10}{:>14}", "a week of", "lives", "alarmed %", "delay, hours")?;
    for (family, name, held_out) in args.families() {
        let alarms: Vec<Option<f64>> = (0..args.weeks)
            .map(|i| {
                let trace = wide::trace(family, args.seed(family, i), WEEK, 60.0);
                first_alarm(&trace).map(|t| (t - trace.onset) / 3600.0)
            })
            .collect();
        let mut delays: Vec<f64> = alarms.iter().copied().flatten().collect();
        delays.sort_by(f64::total_cmp);
        let name = format!("{name}{}", if held_out { " *" } else { "" });
        let part = 100.0 * delays.len() as f64 / args.weeks as f64;
        let delay = m5_stats::quantile(&delays, 0.5).map_or(String::new(), |d| format!("{d:.1}"));
        writeln!(out, "{name:<28}{:>8}{part:>10.1}{delay:>14}", args.weeks)?;
    }
    Ok(())
}

/// When the first alarm is raised.
fn first_alarm(trace: &Trace) -> Option<f64> {
    let mut series = Series::default();
    let mut confirmation = Confirmation::default();
    let mut next = LOOK;
    for p in &trace.points {
        series.push(*p);
        if p.t < next {
            continue;
        }
        next += LOOK;
        let restarts: Vec<f64> = trace.restarts.iter().copied().filter(|r| *r <= p.t).collect();
        let load = trace.load.as_ref().map(|l| &l[..l.partition_point(|q| q.t <= p.t)]);
        let options = Options { load, restarts: &restarts, ..Options::default() };
        let a = confirmation.confirm(assess_with(&series.all(), &options), LOOK);
        if a.alarm {
            return Some(p.t);
        }
    }
    None
}
