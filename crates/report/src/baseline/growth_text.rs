//! Growth with its evidence, and what seems to leak.

use crate::baseline::layer_text::rate;
use crate::doc::{Derived, Leak, LeakKind, Severity};
use crate::shared::units;
use crate::shared::value_words::{self, maybe};
use crate::text::{Align, Style, Table};
use crate::texts::{Goal, Grows, Record};
use m5_stats::{Assessment, BetweenRestarts, Reason, Verdict};

/// More than this is never said of what goes on.
const SUREST: f64 = 0.99;
/// Every series, in the order of its lines.
const SERIES: [&str; 12] = [
    "rss",
    "anon",
    "anon_swap",
    "after_full",
    "gc_objects",
    "blocks",
    "large_blocks",
    "arenas",
    "fds",
    "sockets",
    "connections",
    "threads",
];

/// A line per series: verdict, slope with its interval, forecast, or how long still to wait.
pub(crate) fn growth(d: &Derived, style: Style) -> String {
    let lang = style.lang;
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left], 2);
    for name in SERIES {
        let Some(a) = d.growth.get(name) else { continue };
        let label = match name {
            "rss" => lang.say(Record::Rss),
            "anon" => lang.say(Record::Anon),
            "anon_swap" => lang.say(Record::AnonSwap),
            "after_full" => lang.say(Grows::AfterFull),
            "gc_objects" => lang.say(Grows::Objects),
            "blocks" => lang.say(Grows::Blocks),
            "large_blocks" => lang.say(Grows::LargeBlocks),
            "arenas" => lang.say(Grows::Arenas),
            "fds" => lang.say(Goal::Fds),
            "sockets" => lang.say(Grows::Sockets),
            "connections" => lang.say(Goal::Connections),
            _ => lang.say(Goal::Threads),
        };
        let memory = matches!(name, "rss" | "anon" | "anon_swap" | "after_full" | "arenas");
        table.row([label.to_owned(), value_words::verdict(a.verdict, style), evidence(a, memory, style)]);
    }
    if table.is_empty() {
        return String::new();
    }
    let between = d.between_restarts.filter(|b| b.growing).map(|b| between(&b, style)).unwrap_or_default();
    format!("\n{}\n{}{between}", style.bold(lang.say(Record::Growth)), table.render())
}

/// What no life alone says.
fn between(b: &BetweenRestarts, style: Style) -> String {
    let [at, low, high] = [b.per_second, b.low, b.high].map(|v| units::percent(v * 3600.0));
    let (lives, length) = (b.lives.to_string(), units::span(b.life_seconds));
    format!("  {}\n", style.lang.fill(Record::GrowthBetween, &[&at, &low, &high, &lives, &length]))
}

/// What the verdict on memory rests on, in a sentence.
#[must_use]
pub fn growth_evidence(a: &Assessment, style: Style) -> String {
    evidence(a, true, style)
}

fn evidence(a: &Assessment, memory: bool, style: Style) -> String {
    let lang = style.lang;
    if a.verdict == Verdict::Insufficient {
        return match a.wait_seconds {
            Some(wait) => lang.fill(unsaid(a.reason), &[&units::span(wait)]),
            None => lang.say(Record::GrowthUnknown).to_owned(),
        };
    }
    let slope = |v: Option<f64>| maybe(v, |v| rate(v, memory));
    let level = |v: f64| if memory { units::bytes(v) } else { units::count(v.round()) };
    let forecast = |pick: fn(&m5_stats::Forecast) -> f64| maybe(a.forecast_24h.as_ref().map(pick), level);
    let [at, least, most] = [a.slope, a.slope_low, a.slope_high].map(slope);
    let [value, low, high] = [forecast(|f| f.value), forecast(|f| f.low), forecast(|f| f.high)];
    if a.verdict != Verdict::Growing {
        return lang.fill(Record::GrowthLine, &[&at, &least, &most, &value, &low, &high]);
    }
    // What the verdict rests on: a ramp that will stop looks the same until it does.
    let sure = maybe(a.growth_probability, |p| units::percent(p.min(SUREST)));
    let over = units::span(a.observed_seconds);
    let over = match a.rises {
        Some([up, of]) => lang.fill(Record::GrowthRises, &[&over, &up.to_string(), &of.to_string()]),
        None => over,
    };
    lang.fill(Record::GrowthGoing, &[&at, &least, &most, &over, &sure, &value, &low, &high])
}

/// Why there is no verdict.
fn unsaid(reason: Option<Reason>) -> Record {
    match reason {
        Some(Reason::Undecided) => Record::GrowthUndecided,
        Some(Reason::Unconfirmed) => Record::GrowthUnconfirmed,
        Some(Reason::TooShort | Reason::TooFewSamples) | None => Record::GrowthShort,
    }
}

/// What seems to leak, each by its name.
pub(crate) fn leaks(d: &Derived, style: Style) -> String {
    if d.leak_detection.is_empty() {
        return String::new();
    }
    let title = style.bold(style.lang.say(Record::Leaks));
    format!("\n{title}\n{}", leak_lines(&d.leak_detection, style))
}

/// A line per leak.
pub(crate) fn leak_lines(leaks: &[Leak], style: Style) -> String {
    let mut out = String::new();
    for leak in leaks {
        let severity = value_words::severity(leak.severity, style.lang);
        let severity =
            if leak.severity == Severity::High { style.red(severity) } else { style.yellow(severity) };
        out.push_str(&format!("  {severity}: {}\n", sentence(leak, style)));
    }
    out
}

fn sentence(leak: &Leak, style: Style) -> String {
    let lang = style.lang;
    let (gained, seconds) = (format!("{:+.0}", leak.gained), units::span(leak.seconds));
    let what = leak.what.as_deref().unwrap_or(value_words::NOTHING);
    match leak.kind {
        LeakKind::RssGrowth => lang.fill(Record::LeakRss, &[&units::growth(leak.growth_per_second)]),
        LeakKind::FdGrowth => lang.fill(Record::LeakFd, &[&gained, &seconds, &what]),
        LeakKind::ConnectionGrowth => {
            let peer = leak.peer.as_deref().unwrap_or(value_words::NOTHING);
            lang.fill(Record::LeakConnection, &[&gained, &what, &peer, &seconds])
        }
        LeakKind::ThreadGrowth => lang.fill(Record::LeakThread, &[&gained, &seconds]),
    }
}
