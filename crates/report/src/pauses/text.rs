//! `m5 gc` for people, in the shape that its users know.

use crate::doc::{Bucket, GcReport, Sentence};
use crate::list::text::process_line;
use crate::objectives::text::from;
use crate::pauses::{source_text, world};
use crate::shared::units;
use crate::shared::value_words::{self, maybe};
use crate::text::Style;
use crate::text::{executed, objectives, optimization};
use crate::texts::{Gc, Record};
use m5_cpython::layout::Collector;
use m5_gc::tune::Finding;
use m5_stats::stratified::Total;
use std::fmt::Write;

/// The whole report.
#[must_use]
pub fn gc_report(report: &GcReport, style: Style) -> String {
    let mut out = head(report, style);
    out.push_str(&generations(report, style));
    out.push_str(&histogram(&report.histogram, style));
    if let Some(long) = &report.long_pauses {
        out.push_str(&source_text::long_pauses(long, report.source, style));
    }
    if !report.objectives.is_empty() {
        let _ = writeln!(out, "\n{}", style.bold(style.lang.say(Gc::Objectives)));
        out.push_str(&objectives(&report.objectives, style));
        let _ = write!(out, "  {}", from(&report.objectives_from, report.identity.pid, style));
    }
    out.push_str(&findings(report, style));
    if let Some(tried) = &report.optimization {
        out.push_str(&optimization(tried, report.identity.pid, style));
    }
    out
}

fn head(report: &GcReport, style: Style) -> String {
    let (lang, gc) = (style.lang, &report.gc);
    let counted: u64 = gc.generations.iter().map(|g| g.collections).sum();
    let count = counted.max(gc.happened);
    let rate: Option<f64> = gc.generations.iter().map(|g| g.per_second).sum();
    let mut lines = vec![
        style.bold(&lang.fill(Gc::Title, &[&report.identity.pid, &report.interpreter.version])),
        style.dim(&process_line(report.service.as_deref(), &report.command)),
        lang.fill(Gc::Observed, &[&units::span(report.recorded.observed_seconds)]),
        lang.fill(Gc::Events, &[&count]),
    ];
    if report.re_executed_seconds.is_some() {
        lines.insert(3, executed(report.re_executed_seconds, style).trim_end().to_owned());
    } else if report.exited {
        lines.insert(3, style.yellow(lang.say(Record::EndExited)));
    }
    // Documents of before hold the share alone.
    let by_share = || gc.pause_ratio.map(|ratio| Total::exact(ratio * report.recorded.observed_seconds));
    let pause_total = gc.pause_total.or_else(by_share);
    match pause_total.zip(gc.pause_ratio) {
        Some((total, ratio)) => {
            let total = source_text::total(&total, gc.at_least, lang);
            lines.push(lang.fill(Gc::Total, &[&total, &units::percent(ratio)]));
        }
        None => lines.push(lang.say(Gc::TotalUnknown).to_owned()),
    }
    let total = pause_total.filter(|_| !gc.at_least);
    let mean = total.and_then(|total| m5_stats::rate(total.value, count as f64));
    lines.push(lang.fill(Gc::Mean, &[&maybe(mean, units::time)]));
    lines.push(lang.fill(Gc::Rate, &[&maybe(rate, units::rate)]));
    if report.collector == Collector::FreeThreaded && gc.seen > 0 {
        lines.extend(world::lines(report.pauses.as_ref().and_then(|log| log.world.as_ref()), style));
    }
    let collector = lang.say(match report.collector {
        Collector::Generational => Gc::Generational,
        Collector::Incremental => Gc::Incremental,
        Collector::FreeThreaded => Gc::FreeThreaded,
    });
    for (i, s) in report.settings.iter().enumerate() {
        lines.push(match i {
            0 => lang.fill(Gc::Settings, &[&s.settings, &collector]),
            _ => lang.fill(Gc::Sub, &[&s.interpreter, &s.settings]),
        });
    }
    lines.extend(quarter(report).map(|objects| lang.fill(Gc::Quarter, &[&objects])));
    if let Some(rss) = report.rss {
        let [first, last, max] = [rss.first, rss.last, rss.max].map(units::bytes);
        lines.push(lang.fill(Gc::Memory, &[&first, &last, &max]));
    }
    lines.extend(report.long_lived_objects.map(|n| lang.fill(Gc::LongLived, &[&n])));
    if report.uncollectable > 0 {
        lines.push(lang.fill(Gc::Uncollectable, &[&report.uncollectable]));
    }
    lines.join("\n") + "\n"
}

/// How many new objects a free-threaded build waits for whatever its threshold, where that is more.
fn quarter(report: &GcReport) -> Option<u64> {
    let settings = report.settings.first().map(|s| s.settings)?;
    let objects = report.long_lived_objects? / 4;
    let more = i64::try_from(objects).is_ok_and(|objects| objects > i64::from(settings.thresholds[0]));
    let scaled = settings.enabled && settings.thresholds[0] != 0 && settings.thresholds[1] != 0;
    (report.collector == Collector::FreeThreaded && more && scaled).then_some(objects)
}

fn generations(report: &GcReport, style: Style) -> String {
    let (lang, gc) = (style.lang, &report.gc);
    let mut out = format!("\n{}\n", style.bold(lang.say(Gc::ByGeneration)));
    for (i, g) in gc.generations.iter().enumerate() {
        let rate = maybe(g.per_second, units::rate);
        let line = match g.pauses {
            _ if g.collections == 0 => lang.fill(Gc::GenerationNone, &[&i]),
            None => lang.fill(Gc::GenerationCount, &[&i, &g.collections, &rate, &g.collected]),
            Some(p) => {
                let [mean, p50, p95, p99] = [p.mean, p.p50, p.p95, p.p99].map(units::time);
                let max = source_text::longest(g, p.max);
                let seconds = gc.seconds;
                let share = report.generation_pause_seconds[i].and_then(|s| m5_stats::rate(s, seconds));
                let share = maybe(share, units::percent);
                let values: [&dyn std::fmt::Display; 10] =
                    [&i, &g.collections, &mean, &p50, &p95, &p99, &max, &rate, &share, &g.collected];
                lang.fill(Gc::Generation, &values)
            }
        };
        let _ = writeln!(out, "{line}");
    }
    out.push_str(&coverage(report, style));
    out
}

/// How much of what happened was seen, and why no more.
fn coverage(report: &GcReport, style: Style) -> String {
    let (lang, gc) = (style.lang, &report.gc);
    let mut lines = Vec::new();
    if let Some(kind) = gc.source {
        let ratio = m5_stats::rate(gc.seen as f64, gc.happened as f64).map(|r| r.min(1.0));
        let share = maybe(ratio, units::percent);
        let source = value_words::source(kind, lang);
        lines.push(style.dim(&lang.fill(Gc::Coverage, &[&gc.seen, &gc.happened, &share, &source])));
        let log = report.pauses.as_ref();
        lines.extend(log.and_then(|l| source_text::windows(gc, &l.coverage, style)));
        lines.extend(source_text::partly_seen(gc, style));
        lines.extend(log.map(|l| source_text::interpreters(l, style)).unwrap_or_default());
        if gc.lost > 0 {
            lines.push(style.yellow(&lang.fill(Gc::Lost, &[&gc.lost])));
        }
        if gc.bounded {
            lines.push(style.yellow(lang.say(Gc::Bounded)));
        }
    }
    let said = lines.iter().fold(String::new(), |out, line| out + line + "\n");
    said + &report.choice.as_ref().map(|c| source_text::choice(c, style)).unwrap_or_default()
}

/// A bar for each bucket; the longest has this many cells.
const CELLS: f64 = 40.0;

fn histogram(buckets: &[Bucket], style: Style) -> String {
    let most = buckets.iter().map(|b| b.count).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.bold(style.lang.say(Gc::Histogram)));
    for bucket in buckets {
        let cells = (bucket.count as f64 / most as f64 * CELLS).ceil() as usize;
        let bound = match bucket.up_to_seconds {
            up if up < f64::MAX => format!("≤ {}", units::time(up)),
            _ => format!("> {}", units::time(bucket.above_seconds)),
        };
        let _ = writeln!(out, "   {bound:>10} {} {}", "█".repeat(cells), bucket.count);
    }
    out
}

/// The findings for other faces than the terminal.
#[must_use]
pub fn finding_lines(report: &GcReport) -> Vec<Sentence> {
    let plain = |lang| Style { lang, color: false };
    report.findings.iter().map(|finding| Sentence::each(|lang| said(finding, report, plain(lang)))).collect()
}

fn findings(report: &GcReport, style: Style) -> String {
    let lang = style.lang;
    if report.findings.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.bold(lang.say(Gc::Advice)));
    for finding in &report.findings {
        let _ = writeln!(out, "   {}", said(finding, report, style));
    }
    let goes_on = !report.exited && report.re_executed_seconds.is_none();
    let worth = |f: &Finding| matches!(f, Finding::FullCollections { .. } | Finding::YoungCollections { .. });
    if report.optimization.is_none() && goes_on && report.findings.iter().any(worth) {
        let _ = writeln!(out, "   {}", style.dim(&lang.fill(Gc::TryOptimize, &[&report.identity.pid])));
    }
    out
}

fn said(finding: &Finding, report: &GcReport, style: Style) -> String {
    let lang = style.lang;
    match finding {
        Finding::NothingToGain { .. } if report.gc.happened == 0 => lang.say(Gc::NothingHappened).to_owned(),
        Finding::NothingToGain { share_of_wall, max } => {
            lang.fill(Gc::NothingToGain, &[&units::percent(*share_of_wall), &units::time(*max)])
        }
        Finding::Unfinished { seconds } => lang.fill(Gc::Unfinished, &[&units::time(*seconds)]),
        Finding::Unseen { seen, happened } => lang.fill(Gc::UnseenFound, &[seen, happened]),
        Finding::FullCollections { share, freed_share, mean, long_lived } => {
            let (share, freed) = (units::percent(*share), units::percent(*freed_share));
            lang.fill(Gc::FullCollections, &[&share, &units::time(*mean), &freed, long_lived])
        }
        Finding::YoungCollections { share, rate } => {
            let words = match report.collector {
                Collector::FreeThreaded => Gc::OwnCollections,
                _ => Gc::YoungCollections,
            };
            lang.fill(words, &[&units::percent(*share), &units::rate(*rate)])
        }
        Finding::CyclicGarbage { per_second } => {
            lang.fill(Gc::CyclicGarbage, &[&units::count(per_second.round())])
        }
        Finding::Uncollectable { count } => lang.fill(Gc::UncollectableFound, &[count]),
        Finding::Disabled => lang.say(Gc::Disabled).to_owned(),
    }
}
