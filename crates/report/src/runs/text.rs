//! Runs of a command, and what its iterations keep, for people.

use crate::comparison::text::name;
use crate::doc::{Leaks, Run, Runs};
use crate::heap::text::diff::{account_line, told_lines};
use crate::shared::units;
use crate::shared::value_words::{in_unit, maybe};
use crate::text::{Align, Style, Table};
use crate::texts::{Bench, Compare};
use m5_stats::{Summary, median};
use std::fmt::Write;

type Field = (&'static str, fn(&Run) -> Option<f64>);

/// What a run measures: its name and where it is.
pub const FIELDS: [Field; 6] = [
    ("private_anon_bytes", |r| r.private_anon_bytes),
    ("allocated_blocks", |r| r.allocated_blocks),
    ("gc_objects", |r| r.gc_objects),
    ("peak_rss_bytes", |r| r.peak_rss_bytes),
    ("cpu_seconds", |r| r.cpu_seconds),
    ("elapsed_seconds", |r| r.elapsed_seconds),
];

/// Median and spread of each figure.
#[must_use]
pub fn runs(doc: &Runs, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(Bench::Title, &[&doc.command, &doc.runs.len(), &doc.hash_seed]);
    let mut out = format!("{}\n", style.bold(&title));
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right], 2);
    let heads = [lang.say(Compare::Metric), lang.say(Bench::Middle), lang.say(Bench::Spread)];
    table.row(heads.map(|h| style.dim(h)));
    let mut missing = false;
    for (field, of) in FIELDS {
        let values: Vec<f64> = doc.runs.iter().filter_map(of).collect();
        missing |= values.len() < doc.runs.len();
        let spread = Summary::of(&values).filter(|s| s.p50 > 0.0).map(|s| (s.max - s.min) / s.p50);
        let middle = maybe(median(&values), |v| in_unit(field, v));
        table.row([name(field, style), middle, maybe(spread, |s| format!("{:.3} %", 100.0 * s))]);
    }
    out.push_str(&table.render());
    if missing {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Bench::NotMeasured)));
    }
    out
}

/// What each process kept per iteration, and what it comes to.
#[must_use]
pub fn leaks(doc: &Leaks, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(Bench::LeaksTitle, &[&doc.command, &doc.processes.len(), &doc.iterations]);
    let mut out = format!("{}\n", style.bold(&title));
    let right = Align::Right;
    let mut table = Table::new(&[Align::Left, right, right, right, right], 2);
    let heads = [Bench::Process, Bench::Objects, Bench::Blocks, Bench::NativeBytes, Bench::AnonBytes];
    let heads = heads.map(|h| lang.say(h));
    table.row(heads.map(|h| style.dim(h)));
    for (i, worker) in doc.processes.iter().enumerate() {
        let count = |v: f64| format!("{v:.2}");
        let outcome = &worker.outcome;
        table.row([
            (i + 1).to_string(),
            ranged(outcome.objects_per_iteration, outcome.objects_range, count),
            ranged(outcome.blocks_per_iteration, outcome.blocks_range, count),
            ranged(outcome.native_bytes_per_iteration, outcome.native_bytes_range, units::bytes),
            ranged(outcome.anon_bytes_per_iteration, outcome.anon_bytes_range, units::bytes),
        ]);
    }
    let _ = writeln!(out, "  {}", style.dim(lang.say(Bench::PerIteration)));
    out.push_str(&table.render());
    let sentence = match doc.leaking {
        Some(true) => {
            let leaks = lang.fill(Bench::Leaking, &[&doc.iterations, &doc.processes.len()]);
            format!("{}\n{}", style.red(&leaks), kept(doc, style))
        }
        Some(false) => format!("{}\n{}", none(doc, style), style.dim(lang.say(Bench::NotLookedAt))),
        None if doc.bounded => {
            let bounded = lang.fill(Bench::Bounded, &[&doc.iterations]);
            format!("{}\n{}", style.yellow(&bounded), kept(doc, style))
        }
        None => style.yellow(lang.say(Bench::Unsure)),
    };
    let _ = writeln!(out, "{sentence}");
    out
}

/// A figure with the least and the most of any chunk, where that says more.
fn ranged(value: Option<f64>, range: Option<(f64, f64)>, words: fn(f64) -> String) -> String {
    let (value, range) = (maybe(value, words), range.map(|(least, most)| (words(least), words(most))));
    match range.filter(|(least, most)| least != most) {
        Some((least, most)) => format!("{value} ({least} – {most})"),
        None => value,
    }
}

/// That no leak was seen, and what would have been one.
fn none(doc: &Leaks, style: Style) -> String {
    let lang = style.lang;
    let each = doc.iterations.max(1) as f64;
    let line = format!("{:.3}", (doc.rule.told_apart / each).max(doc.rule.per_iteration));
    let bytes = units::bytes((doc.rule.told_apart_bytes / each).ceil());
    let whole = doc.processes.iter().all(|w| w.outcome.anon_bytes_per_iteration.is_some());
    let none = match whole {
        true => lang.fill(Bench::NotLeaking, &[&line, &bytes]),
        false => lang.fill(Bench::NoObjectsLeak, &[&line]),
    };
    let unsettled = doc.processes.iter().any(|w| w.outcome.unsettled);
    let grew = || format!("\n{}", style.yellow(&lang.fill(Bench::Unsettled, &[&(doc.iterations * 5)])));
    format!("{}{}", style.green(&none), if unsettled { grew() } else { String::new() })
}

/// What the iterations kept, with its holders, and the account of RSS.
fn kept(doc: &Leaks, style: Style) -> String {
    const TOLD: usize = 5;
    let lang = style.lang;
    let Some(kept) = &doc.kept else {
        let why = doc.kept_unseen.as_ref().map(|why| format!("{}\n", lang.fill(Bench::KeptUnseen, &[why])));
        return why.unwrap_or_default() + lang.say(Bench::LeaksNext);
    };
    let lines: String = told_lines(&kept.diff, style).into_iter().take(TOLD).collect();
    let lines = if lines.is_empty() { format!("{}\n", lang.say(Bench::KeptByNobody)) } else { lines };
    let account = kept.diff.account.as_ref().map_or_else(String::new, |a| account_line(a, style));
    let head = lang.fill(Bench::Kept, &[&kept.iterations]);
    format!("{}\n{lines}{account}", style.bold(&head)).trim_end().to_owned()
}
