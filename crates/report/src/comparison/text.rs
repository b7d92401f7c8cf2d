//! Two recordings side by side, for people.

use crate::doc::{Comparison, Metric};
use crate::process::executed_text::cut;
use crate::shared::units;
use crate::shared::value_words::{in_unit, maybe};
use crate::text::{Align, Style, Table};
use crate::texts::Compare;
use m5_stats::GateVerdict;
use std::fmt::{Display, Write};

/// A table of the metrics, and the sentence below it.
#[must_use]
pub fn compare(c: &Comparison, style: Style) -> String {
    let lang = style.lang;
    let title = title(c, style);
    let mut out = format!("{}\n", style.bold(&title));
    if c.machines_differ {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Compare::MachinesDiffer)));
    }
    let (new, old) = (c.new.observed_seconds, c.old.observed_seconds);
    if (new - old).abs() > 0.2 * new.max(old) {
        let lengths = lang.fill(Compare::Shorter, &[&units::span(new), &units::span(old)]);
        let _ = writeln!(out, "{}", style.yellow(&lengths));
    }
    for side in [&c.new, &c.old] {
        let said = cut(side.re_executed_seconds, side.ended_early, style);
        out.push_str(&if said.is_empty() { said } else { format!("{}: {said}", side.file) });
    }
    out.push_str(&table(c, style));
    let _ = writeln!(out, "{}", sentence(c, style));
    out
}

/// What is compared with what.
pub(crate) fn title(c: &Comparison, style: Style) -> String {
    let mut threshold = units::percent(c.threshold);
    if let Some(peak) = c.peak_threshold.filter(|p| *p != c.threshold) {
        threshold.push_str(&style.lang.fill(Compare::OfPeaks, &[&units::percent(peak)]));
    }
    if c.new.runs.max(c.old.runs) > 1 {
        let values: [&dyn Display; 5] = [&c.new.file, &c.new.runs, &c.old.file, &c.old.runs, &threshold];
        return style.lang.fill(Compare::TitleRuns, &values);
    }
    style.lang.fill(Compare::Title, &[&c.new.file, &c.new.pid, &c.old.file, &c.old.pid, &threshold])
}

fn table(c: &Comparison, style: Style) -> String {
    let lang = style.lang;
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right, Align::Left], 2);
    let heads = [Compare::Metric, Compare::Old, Compare::New, Compare::Change];
    table.row(heads.map(|h| style.dim(lang.say(h))));
    for m in &c.metrics {
        let value = |v: Option<f64>| maybe(v, |v| in_unit(&m.name, v));
        let note = match (m.verdict, m.decides) {
            (_, false) => style.dim(lang.say(Compare::Information)),
            (GateVerdict::Regression, true) => style.red(&format!("❌ {}", lang.say(Compare::Regression))),
            (GateVerdict::Missing, true) => style.yellow(&format!("➖ {}", lang.say(Compare::Missing))),
            (GateVerdict::Inconclusive, true) => {
                style.yellow(&format!("❔ {}", lang.say(Compare::Undecided)))
            }
            (GateVerdict::Pass, true) => "✅".to_owned(),
        };
        let change = change(m);
        table.row([name(&m.name, style), value(m.old), value(m.new), change, note]);
    }
    table.render()
}

/// The change, with its bounds where there are any.
pub(crate) fn change(m: &Metric) -> String {
    let change = maybe(m.ratio, units::change);
    match (m.lower, m.upper) {
        (Some(lower), Some(upper)) => {
            format!("{change} ({} … {})", units::change(lower), units::change(upper))
        }
        _ => change,
    }
}

/// What the comparison comes to, in a sentence.
pub(crate) fn sentence(c: &Comparison, style: Style) -> String {
    let lang = style.lang;
    let named = |verdict| -> Vec<String> {
        let of = c.metrics.iter().filter(|m| m.decides && m.verdict == verdict);
        of.map(|m| name(&m.name, style)).collect()
    };
    match c.verdict {
        GateVerdict::Regression => {
            let names = named(GateVerdict::Regression);
            style.red(&lang.fill(Compare::Regressions, &[&names.len(), &names.join(", ")]))
        }
        GateVerdict::Missing => {
            style.yellow(&lang.fill(Compare::Incomplete, &[&named(GateVerdict::Missing).join(", ")]))
        }
        GateVerdict::Inconclusive if c.new.cut() || c.old.cut() => style.yellow(lang.say(Compare::Cut)),
        GateVerdict::Inconclusive => {
            style.yellow(&lang.fill(Compare::Unproved, &[&named(GateVerdict::Inconclusive).join(", ")]))
        }
        GateVerdict::Pass => style.green(lang.say(Compare::Fine)),
    }
}

/// A metric by its name.
pub(crate) fn name(name: &str, style: Style) -> String {
    let text = match name {
        "rss_peak_bytes" => Compare::RssPeak,
        "rss_bytes" => Compare::Rss,
        "anon_bytes" => Compare::Anon,
        "uss_bytes" => Compare::Uss,
        "pss_bytes" => Compare::Pss,
        "growth_bytes_per_second" => Compare::Growth,
        "gc_pause_p95_seconds" => Compare::PauseP95,
        "gc_pause_older_p95_seconds" => Compare::PauseOlderP95,
        "gc_pause_per_minute_seconds" => Compare::PausePerMinute,
        "gc_pause_max_seconds" => Compare::PauseMax,
        "gc_gen0_per_second" => Compare::Gen0,
        "gc_gen1_per_second" => Compare::Gen1,
        "gc_gen2_per_second" => Compare::Gen2,
        "peak_rss_bytes" => Compare::RssPeak,
        "private_anon_bytes" => Compare::PrivateAnon,
        "allocated_blocks" => Compare::Blocks,
        "gc_objects" => Compare::Objects,
        "elapsed_seconds" => Compare::Elapsed,
        "cpu_seconds" => Compare::CpuSeconds,
        "cpu_ratio" => Compare::Cpu,
        "open_fds" => Compare::Fds,
        "connections" => Compare::Connections,
        "threads" => Compare::Threads,
        other => return other.to_owned(),
    };
    style.lang.say(text).to_owned()
}
