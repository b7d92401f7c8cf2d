//! A soak test for people.

use crate::doc::{Anomaly, End, Stress, StressCheck, StressPlan};
use crate::objectives::text::from;
use crate::shared::units;
use crate::shared::value_words::{self, maybe};
use crate::text::{Align, Style, Table};
use crate::texts::{Record, Soak};
use m5_stats::Verdict;
use std::fmt::Write;

/// The whole report.
#[must_use]
pub fn stress(s: &Stress, style: Style) -> String {
    let lang = style.lang;
    let plan = &s.plan;
    let title = lang.fill(
        Soak::Title,
        &[
            &units::span(s.done_seconds()),
            &units::span(plan.duration_seconds),
            &units::span(plan.check_seconds),
        ],
    );
    let clock = if plan.event_time {
        lang.fill(Soak::EventTime, &[&units::span(s.wall_seconds)])
    } else {
        lang.say(Soak::WallTime).to_owned()
    };
    let mut out = format!("{}\n{}\n", style.bold(&title), style.dim(&clock));
    for (index, segment) in s.segments.iter().enumerate() {
        let from = units::span(segment.offset_seconds);
        let line = lang.fill(Soak::Segment, &[&(index + 1), &segment.identity.pid, &from]);
        let _ = writeln!(out, "{}", style.dim(&line));
    }
    out.push_str(&table(s, style));
    out.push_str(&summary(s, style));
    let pid = s.segments.last().map_or(0, |segment| segment.identity.pid);
    out.push_str(&from(&s.objectives_from, pid, style));
    out
}

/// One check as a line, said while the test goes on.
#[must_use]
pub fn stress_check(check: &StressCheck, plan: &StressPlan, style: Style) -> String {
    let mut line = style.lang.fill(
        Soak::Line,
        &[
            &units::span(check.t_seconds),
            &units::bytes(check.rss_bytes as f64),
            &maybe(check.growth_bytes, signed),
            &value_words::verdict(check.verdict, style),
        ],
    );
    if !check.anomalies.is_empty() {
        line.push_str(&format!("  {}", style.red(&anomalies(check, plan, style))));
    }
    line
}

fn table(s: &Stress, style: Style) -> String {
    let lang = style.lang;
    let right = Align::Right;
    let mut table = Table::new(&[right, right, right, right, right, Align::Left, Align::Left], 2);
    let head = [
        lang.say(Soak::Time),
        lang.say(Record::Rss),
        lang.say(Soak::Growth),
        lang.say(Soak::PerHour),
        lang.say(Soak::Fds),
        lang.say(Soak::Verdict),
        "",
    ];
    table.row(head.map(|text| style.dim(text)));
    for check in &s.checks {
        table.row([
            units::span(check.t_seconds),
            units::bytes(check.rss_bytes as f64),
            maybe(check.growth_bytes, signed),
            maybe(check.growth_bytes_per_hour, signed),
            maybe(check.fds, |n| n.to_string()),
            value_words::verdict(check.verdict, style),
            style.red(&anomalies(check, &s.plan, style)),
        ]);
    }
    if s.checks.is_empty() { String::new() } else { table.render() }
}

fn summary(s: &Stress, style: Style) -> String {
    let lang = style.lang;
    let mut out = String::new();
    if let Some((ratio, seconds)) = s.growth_ratio() {
        let seen = [units::percent(ratio), units::span(seconds)];
        let _ = writeln!(out, "{}", lang.fill(Soak::GrowthSeen, &[&seen[0], &seen[1]]));
    }
    let bad = s.checks.iter().filter(|c| !c.anomalies.is_empty()).count();
    let verdict = s.checks.last().map_or(Verdict::Insufficient, |c| c.verdict);
    let line = match bad {
        0 => style.green(&lang.fill(Soak::Passed, &[&s.checks.len()])),
        _ => style.red(&lang.fill(Soak::Found, &[&bad, &s.checks.len()])),
    };
    let _ = writeln!(out, "{line}");
    if let Some(snapshot) = &s.snapshot {
        let _ = writeln!(out, "{}", lang.fill(Soak::Snapshot, &[snapshot]));
    }
    match s.end {
        End::Interrupted if bad == 0 => {
            let _ = writeln!(out, "{}", style.yellow(lang.say(Soak::Unfinished)));
        }
        End::TargetExited => {
            let _ = writeln!(out, "{}", style.yellow(lang.say(Soak::Ended)));
        }
        _ if verdict == Verdict::Insufficient => {
            let _ = writeln!(out, "{}", style.yellow(lang.say(Soak::NoVerdict)));
        }
        _ => {}
    }
    out
}

fn anomalies(check: &StressCheck, plan: &StressPlan, style: Style) -> String {
    let lang = style.lang;
    let say = |anomaly: &Anomaly| match anomaly {
        Anomaly::Growth => lang.fill(Soak::AnomalyGrowth, &[&units::bytes(plan.max_growth_bytes_per_hour)]),
        Anomaly::VerdictGrowing => lang.say(Soak::AnomalyVerdict).to_owned(),
        Anomaly::FdsGrowing => lang.say(Soak::AnomalyFds).to_owned(),
        Anomaly::Growth24h => {
            lang.fill(Soak::Anomaly24h, &[&units::percent(plan.max_growth_24h_ratio.unwrap_or_default())])
        }
    };
    check.anomalies.iter().map(say).collect::<Vec<_>>().join(", ")
}

fn signed(bytes: f64) -> String {
    let sign = if bytes > 0.0 { "+" } else { "" };
    format!("{sign}{}", units::bytes(bytes))
}
