//! Two recordings side by side, for people.

use super::marks::{in_unit, maybe};
use crate::doc::Comparison;
use crate::text::{Align, Style, Table};
use crate::texts::Compare;
use crate::units;
use m5_stats::GateVerdict;
use std::fmt::Write;

/// A table of the metrics, and the sentence below it.
#[must_use]
pub fn compare(c: &Comparison, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(
        Compare::Title,
        &[&c.new.file, &c.new.pid, &c.old.file, &c.old.pid, &units::percent(c.threshold)],
    );
    let mut out = format!("{}\n", style.bold(&title));
    if c.machines_differ {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Compare::MachinesDiffer)));
    }
    let (new, old) = (c.new.observed_seconds, c.old.observed_seconds);
    if (new - old).abs() > 0.2 * new.max(old) {
        let lengths = lang.fill(Compare::Shorter, &[&units::span(new), &units::span(old)]);
        let _ = writeln!(out, "{}", style.yellow(&lengths));
    }
    out.push_str(&table(c, style));
    let _ = writeln!(out, "{}", sentence(c, style));
    out
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
            (_, true) => "✅".to_owned(),
        };
        let change = maybe(m.ratio, units::change);
        table.row([name(&m.name, style), value(m.old), value(m.new), change, note]);
    }
    table.render()
}

fn sentence(c: &Comparison, style: Style) -> String {
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
        GateVerdict::Pass | GateVerdict::Inconclusive => style.green(lang.say(Compare::Fine)),
    }
}

fn name(name: &str, style: Style) -> String {
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
        "cpu_ratio" => Compare::Cpu,
        "open_fds" => Compare::Fds,
        "connections" => Compare::Connections,
        "threads" => Compare::Threads,
        other => return other.to_owned(),
    };
    style.lang.say(text).to_owned()
}
