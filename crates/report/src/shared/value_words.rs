//! Words for values: verdicts, sources, severities, objectives with their units.

use crate::doc::{Criterion, Lack, Severity, Unread};
use crate::text::Style;
use crate::texts::{Goal, Record};
use crate::{Lang, shared::units};
use m5_gc::SourceKind;
use m5_stats::{Direction, Status, Verdict};

/// What is shown for a value that is not there.
pub(crate) const NOTHING: &str = "–";

/// A value for people, or a dash.
pub(crate) fn maybe<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

/// A verdict's word in the catalogue.
#[must_use]
pub fn verdict_text(verdict: Verdict) -> Record {
    match verdict {
        Verdict::Flat => Record::Flat,
        Verdict::Growing => Record::Growing,
        Verdict::Saturating => Record::Saturating,
        Verdict::Step => Record::Step,
        Verdict::Falling => Record::Falling,
        Verdict::Insufficient => Record::Insufficient,
    }
}

/// A verdict in its colour.
pub(crate) fn verdict(verdict: Verdict, style: Style) -> String {
    let word = style.lang.say(verdict_text(verdict));
    match verdict {
        Verdict::Flat | Verdict::Falling => style.green(word),
        Verdict::Growing => style.red(word),
        Verdict::Saturating | Verdict::Step => style.yellow(word),
        Verdict::Insufficient => style.dim(word),
    }
}

/// How pauses were seen.
pub(crate) fn source(kind: SourceKind, lang: Lang) -> &'static str {
    lang.say(match kind {
        SourceKind::Ring => Record::SourceRing,
        SourceKind::Watchpoint => Record::SourceWatchpoint,
        SourceKind::Poll => Record::SourcePoll,
    })
}

/// How bad a leak is.
pub(crate) fn severity(severity: Severity, lang: Lang) -> &'static str {
    lang.say(match severity {
        Severity::Low => Record::SeverityLow,
        Severity::Medium => Record::SeverityMedium,
        Severity::High => Record::SeverityHigh,
    })
}

/// Why an interpreter was not read.
pub(crate) fn unread(unread: &Unread, lang: Lang) -> String {
    let text = match unread.reason.as_str() {
        "free_threaded" => Record::UnreadFreeThreaded,
        "unsupported" => Record::UnreadUnsupported,
        "permission" => Record::UnreadPermission,
        "not_python" => Record::UnreadNotPython,
        "starting" => Record::UnreadStarting,
        "busy" => Record::UnreadBusy,
        _ => return unread.detail.clone(),
    };
    lang.say(text).to_owned()
}

/// The mark of a line.
pub(crate) fn mark(status: Status) -> &'static str {
    match status {
        Status::Ok => "✅",
        Status::Warn => "⚠️",
        Status::Fail => "❌",
        Status::NotMeasured => "➖",
    }
}

/// An objective by the name in the settings file.
pub(crate) fn goal(name: &str, lang: Lang) -> String {
    let text = match name {
        "rss_peak_bytes" => Goal::RssPeak,
        "rss_limit_ratio" => Goal::RssOfLimit,
        "cgroup_peak_ratio" => Goal::GroupOfLimit,
        "cpu_throttled_ratio" => Goal::Throttled,
        "fd_limit_ratio" => Goal::FdsOfLimit,
        "growth_bytes_per_second" => Goal::Growth,
        "growth_24h_ratio" => Goal::Growth24h,
        "gc_pause_p95_seconds" => Goal::PauseP95,
        "gc_gen0_per_second" => Goal::Gen0,
        "gc_gen1_per_second" => Goal::Gen1,
        "gc_gen2_per_second" => Goal::Gen2,
        "open_fds" => Goal::Fds,
        "fd_growth" => Goal::FdGrowth,
        "connections" => Goal::Connections,
        other => return other.to_owned(),
    };
    lang.say(text).to_owned()
}

/// A value in the unit of its objective; the unit is the end of the name.
pub(crate) fn in_unit(name: &str, value: f64) -> String {
    match name {
        n if n.ends_with("bytes_per_second") => units::growth(value),
        n if n.ends_with("_bytes") => units::bytes(value),
        n if n.ends_with("per_second") => units::rate(value),
        n if n.ends_with("_seconds") => units::time(value),
        n if n.ends_with("_ratio") => units::percent(value),
        _ => units::count(value),
    }
}

/// What a share is a part of, in the unit of the part.
pub(crate) fn whole(name: &str, value: f64) -> String {
    in_unit(
        if name.starts_with("rss") || name.starts_with("cgroup") {
            "_bytes"
        } else {
            name.trim_end_matches("_ratio")
        },
        value,
    )
}

/// The level to keep, and the one that alerts.
pub(crate) fn level(criterion: &Criterion, lang: Lang) -> String {
    let (name, objective) = (criterion.name.as_str(), &criterion.objective);
    let show = |v: f64| in_unit(name, v).trim_start_matches('+').to_owned();
    let pass = show(objective.pass);
    let mut out = match objective.direction {
        Direction::Below => lang.fill(Goal::Below, &[&pass]),
        Direction::Above => lang.fill(Goal::Above, &[&pass]),
        Direction::Between if objective.low.is_none() => lang.fill(Goal::AtMost, &[&pass]),
        Direction::Between => lang.fill(Goal::Between, &[&maybe(objective.low, show), &pass]),
    };
    if let Some(alert) = objective.alert {
        out.push_str(&format!(", {}", lang.fill(Goal::Alert, &[&show(alert)])));
    }
    out
}

/// Why there is no judgement, or why one without a value.
pub(crate) fn lack(lack: Lack, lang: Lang) -> String {
    let text = match lack {
        Lack::TooShort { wait_seconds: Some(wait) } => {
            return lang.fill(Goal::TooShortWait, &[&units::span(wait)]);
        }
        Lack::TooShort { wait_seconds: None } => Goal::TooShort,
        Lack::Inconclusive => Goal::Inconclusive,
        Lack::InterpreterUnread => Goal::InterpreterUnread,
        Lack::NotTraced => Goal::NotTraced,
        Lack::NoCollections => Goal::NoCollections,
        Lack::LowerBound => Goal::LowerBound,
        Lack::NotReadable => Goal::NotReadable,
    };
    lang.say(text).to_owned()
}
