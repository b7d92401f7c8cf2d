//! The objectives held against derived figures. Only what was measured can pass.

use super::growth::growth_24h;
use crate::pool::{Member, Readable};
use m5_gc::SourceKind;
use m5_process::Cgroup;
use m5_report::doc::{Criterion, Derived, GcFigures, Lack, ProcessRecord};
use m5_stats::{
    Assessment, Objective, Objectives, Status, Summary, Verdict, counted, generation_of_rate, judge, rate,
    seconds_to_prove,
};

/// What objectives are held against.
struct Figures<'a> {
    peak: Option<f64>,
    memory_limit: Option<u64>,
    cgroup: Option<&'a Cgroup>,
    rss: Option<&'a Assessment>,
    /// The interpreter could be read.
    read: bool,
    gc: Option<&'a GcFigures>,
    fds: Option<f64>,
    fd_limit: Option<u64>,
    fd_growth: Option<f64>,
    connections: Option<f64>,
}

/// Every objective of a recorded process, in the order of a report.
#[must_use]
pub fn judge_all(process: &ProcessRecord, d: &Derived, o: &Objectives) -> Vec<Criterion> {
    let figures = Figures {
        peak: d.memory.peak_rss_bytes,
        memory_limit: process.memory_limit_bytes,
        cgroup: process.cgroup.as_ref(),
        rss: d.growth.get("rss"),
        read: process.interpreter.is_some(),
        gc: d.gc.as_ref(),
        fds: d.fds.map(|l| l.max),
        fd_limit: process.fd_limit,
        fd_growth: d.fd_growth,
        connections: d.connections.map(|l| l.p50),
    };
    held_against(&figures, o)
}

/// The same of a process that is watched, as it is now: what needs a time to be counted over is not measured.
#[must_use]
pub fn judge_watched(member: &Member, memory_limit: Option<u64>, o: &Objectives) -> Vec<Criterion> {
    let lengths: Vec<f64> = member.pauses.latest().map(|p| p.duration_ns as f64 / 1e9).collect();
    let gc = GcFigures {
        source: member.source(),
        bounded: member.source() == Some(SourceKind::Poll),
        seen: member.pauses.seen(),
        happened: member.pauses.coverage.happened(),
        pauses: Summary::of(&lengths),
        ..GcFigures::default()
    };
    let figures = Figures {
        peak: member.reading.status.peak_rss_bytes.map(|b| b as f64),
        memory_limit,
        cgroup: member.cgroup.as_ref(),
        rss: Some(&member.assessment()),
        read: matches!(member.readable(), Readable::Yes(_)),
        gc: Some(&gc),
        fds: member.reading.fds.as_ref().map(|fds| fds.total as f64),
        fd_limit: member.max_fds,
        fd_growth: None,
        connections: member.established().map(|n| n as f64),
    };
    held_against(&figures, o)
}

fn held_against(f: &Figures<'_>, o: &Objectives) -> Vec<Criterion> {
    let slope = f.rss.and_then(|a| Some((a.slope?, [a.slope_low?, a.slope_high?])));
    let unread = if f.read { TOO_SHORT } else { Lack::InterpreterUnread };
    let collections = |g: usize| f.gc.map(|gc| (gc.generations[g].collections, gc.seconds));
    let other = |name: &'static str, objective: &Objective| match name {
        "rss_peak_bytes" => plain(name, f.peak, objective, Lack::NotReadable),
        "rss_limit_ratio" => share(name, f.peak, f.memory_limit, objective),
        "cgroup_peak_ratio" => share(name, peak_of_group(f.cgroup), limit_of_group(f.cgroup), objective),
        "cpu_throttled_ratio" => plain(name, throttled(f.cgroup), objective, Lack::NotReadable),
        "growth_bytes_per_second" => estimate(name, slope, f.rss, objective),
        "growth_24h_ratio" => estimate(name, f.rss.and_then(growth_24h), f.rss, objective),
        "gc_pause_p95_seconds" => pause_p95(f, objective),
        "open_fds" => plain(name, f.fds, objective, Lack::NotReadable),
        "fd_limit_ratio" => share(name, f.fds, f.fd_limit, objective),
        "fd_growth" => plain(name, f.fd_growth, objective, TOO_SHORT),
        "connections" => plain(name, f.connections, objective, Lack::NotReadable),
        // Of no process but of the watchdog.
        _ => plain(name, None, objective, Lack::NotReadable),
    };
    let judged = |name: &'static str, objective: &Objective| match generation_of_rate(name) {
        Some(g) => per_second(name, collections(g), objective, unread),
        None => other(name, objective),
    };
    let of_process = o.iter().into_iter().filter(|(name, _)| *name != "watchdog_rss_bytes");
    of_process.map(|(name, objective)| judged(name, objective)).collect()
}

/// Highest use of the memory cgroup.
fn peak_of_group(cgroup: Option<&Cgroup>) -> Option<f64> {
    cgroup?.peak_bytes.map(|b| b as f64)
}

fn limit_of_group(cgroup: Option<&Cgroup>) -> Option<u64> {
    cgroup?.max_bytes
}

/// Periods in which the CPU quota held tasks back, as a part of all. Without a quota there is none.
fn throttled(cgroup: Option<&Cgroup>) -> Option<f64> {
    cgroup?.throttling.as_ref()?.ratio()
}

pub(super) const TOO_SHORT: Lack = Lack::TooShort { wait_seconds: None };

/// A measured value.
pub(super) fn plain(name: &str, value: Option<f64>, objective: &Objective, lack: Lack) -> Criterion {
    let status = judge(value, objective);
    Criterion {
        name: name.to_owned(),
        value,
        status,
        objective: *objective,
        lack: (status == Status::NotMeasured).then_some(lack),
        interval: None,
        whole: None,
        interpreter: None,
    }
}

/// A value as a part of its limit.
fn share(name: &str, value: Option<f64>, limit: Option<u64>, objective: &Objective) -> Criterion {
    let whole = limit.map(|limit| limit as f64).filter(|limit| *limit > 0.0);
    let ratio = value.zip(whole).map(|(value, whole)| value / whole);
    Criterion { whole, ..plain(name, ratio, objective, Lack::NotReadable) }
}

/// A value that is estimated: it passes where its best guess does, and is missed only where the verdict is
/// growth or its whole interval misses.
fn estimate(
    name: &str,
    value: Option<(f64, [f64; 2])>,
    assessment: Option<&Assessment>,
    objective: &Objective,
) -> Criterion {
    let wait_seconds = assessment.and_then(|a| a.wait_seconds);
    let judged = assessment.is_some_and(|a| a.verdict != Verdict::Insufficient);
    let mut criterion =
        plain(name, value.filter(|_| judged).map(|v| v.0), objective, Lack::TooShort { wait_seconds });
    criterion.interval = value.filter(|_| judged).map(|v| v.1);
    let missed = matches!(criterion.status, Status::Warn | Status::Fail);
    let growing = assessment.is_some_and(|a| a.verdict == Verdict::Growing);
    let low = criterion.interval.map(|i| i[0]);
    if missed && !growing && judge(low, objective) == Status::Ok {
        (criterion.status, criterion.lack) = (Status::NotMeasured, Some(Lack::Inconclusive));
    }
    criterion
}

/// Events that were counted, and the seconds in which they came. A few that chance brought together miss no objective:
/// it is missed where the rate's whole interval misses it, and not measured until then.
pub(super) fn per_second(
    name: &str,
    counted_in: Option<(u64, f64)>,
    objective: &Objective,
    lack: Lack,
) -> Criterion {
    let value = counted_in.and_then(|(count, seconds)| rate(count as f64, seconds));
    let criterion = plain(name, value, objective, lack);
    let Some((value, (count, seconds))) = value.zip(counted_in).filter(|_| criterion.missed()) else {
        return criterion;
    };
    let interval = counted(count).map(|n| n / seconds);
    if judge(Some(interval[0]), objective) != Status::Ok {
        return criterion;
    }
    let more = seconds_to_prove(value, objective.pass).map(|needed| (needed - seconds).max(1.0));
    let lack = Some(Lack::TooShort { wait_seconds: more });
    Criterion { status: Status::NotMeasured, lack, interval: Some(interval), ..criterion }
}

/// The pauses of all interpreters together.
fn pause_p95(f: &Figures<'_>, objective: &Objective) -> Criterion {
    let value = f.gc.and_then(|gc| gc.pauses).map(|p| p.p95);
    let (known, lack) = match f.gc {
        _ if !f.read => (Known::Measured, Lack::InterpreterUnread),
        Some(GcFigures { source: Some(_), happened: 0, seen: 0, .. }) => (Known::NoneHappened, TOO_SHORT),
        Some(GcFigures { bounded: true, .. }) => (Known::AtLeast, TOO_SHORT),
        Some(GcFigures { source: Some(_), .. }) | None => (Known::Measured, TOO_SHORT),
        Some(_) => (Known::Measured, Lack::NotTraced),
    };
    pauses(value, known, objective, lack)
}

/// How pauses are known.
pub(super) enum Known {
    /// No collection, counted exactly.
    NoneHappened,
    /// Polled: short ones were missed.
    AtLeast,
    /// Seen, or nothing is known.
    Measured,
}

/// The 95th percentile of pauses: where none happened, none was too long; a lower bound can miss its objective, not meet
/// it; `lack` is why it is not known.
pub(super) fn pauses(value: Option<f64>, known: Known, objective: &Objective, lack: Lack) -> Criterion {
    let measured = plain("gc_pause_p95_seconds", value, objective, lack);
    match known {
        Known::NoneHappened if value.is_none() => {
            Criterion { status: Status::Ok, lack: Some(Lack::NoCollections), ..measured }
        }
        // What is too long already is missed. What is not may be: that is no pass.
        Known::AtLeast if value.is_some() => {
            let status = if measured.missed() { measured.status } else { Status::NotMeasured };
            Criterion { status, lack: Some(Lack::LowerBound), ..measured }
        }
        Known::NoneHappened | Known::AtLeast | Known::Measured => measured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_stats::Forecast;

    fn assessment(verdict: Verdict, guess: f64, low: f64) -> Assessment {
        Assessment {
            verdict,
            level: Some(100.0),
            slope: Some(guess),
            slope_low: Some(low),
            slope_high: Some(guess),
            forecast_24h: Some(Forecast { value: 100.0, low: 100.0, high: 100.0 }),
            observed_seconds: 60.0,
            wait_seconds: Some(30.0),
            ..Assessment::default()
        }
    }

    fn status(verdict: Verdict, guess: f64, low: f64) -> (Status, Option<Lack>) {
        let a = assessment(verdict, guess, low);
        let c = estimate("x", Some((guess, [low, guess])), Some(&a), &Objective::below(10.0, Some(20.0)));
        (c.status, c.lack)
    }

    #[test]
    fn a_lower_bound_can_miss_an_objective_and_not_meet_it() {
        let objective = Objective::below(0.05, Some(0.1));
        let of = |value| {
            let c = pauses(Some(value), Known::AtLeast, &objective, TOO_SHORT);
            assert_eq!((c.value, c.lack), (Some(value), Some(Lack::LowerBound)));
            c.status
        };
        assert_eq!(
            [0.0, 0.01, 0.07, 0.2].map(of),
            [Status::NotMeasured, Status::NotMeasured, Status::Warn, Status::Fail]
        );
        let none = pauses(None, Known::NoneHappened, &objective, TOO_SHORT);
        assert_eq!((none.status, none.lack), (Status::Ok, Some(Lack::NoCollections)), "none was too long");
    }

    #[test]
    fn a_few_collections_that_chance_brought_together_miss_no_objective() {
        let objective = Objective::below(0.2, None);
        let of = |count, seconds| per_second("x", Some((count, seconds)), &objective, TOO_SHORT);
        assert_eq!([of(0, 2.0).status, of(3, 60.0).status], [Status::Ok, Status::Ok]);
        let one = of(1, 2.0);
        assert_eq!((one.value, one.status), (Some(0.5), Status::NotMeasured));
        assert!(
            matches!(one.lack, Some(Lack::TooShort { wait_seconds: Some(s) }) if s > 10.0 && s < 20.0),
            "{one:?}"
        );
        assert!(one.interval.is_some_and(|[low, high]| low < 0.2 && high > 0.5), "{one:?}");
        assert_eq!([of(5, 5.0).status, of(30, 60.0).status], [Status::Fail, Status::Fail]);
        assert_eq!(per_second("x", None, &objective, TOO_SHORT).lack, Some(TOO_SHORT));
    }

    #[test]
    fn an_estimate_passes_or_is_missed_only_on_evidence() {
        assert_eq!(status(Verdict::Flat, 5.0, -1.0), (Status::Ok, None));
        assert_eq!(status(Verdict::Flat, 15.0, -1.0), (Status::NotMeasured, Some(Lack::Inconclusive)));
        assert_eq!(status(Verdict::Flat, 15.0, 12.0), (Status::Warn, None));
        assert_eq!(status(Verdict::Growing, 15.0, -1.0), (Status::Warn, None));
        let short = Lack::TooShort { wait_seconds: Some(30.0) };
        assert_eq!(status(Verdict::Insufficient, 5.0, 4.0), (Status::NotMeasured, Some(short)));
    }
}
