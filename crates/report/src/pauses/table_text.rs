//! Collections and their pauses by generation.

use crate::doc::{Collections, GcFigures};
use crate::pauses::source_text;
use crate::shared::units;
use crate::shared::value_words::{self, maybe};
use crate::text::{Align, Style, Table};
use crate::texts::{Gc, Record};
use m5_stats::Summary;
use m5_stats::stratified::Total;
use std::fmt::Write;

/// Counts, pauses by generation, and both sums: all pauses, and those of generations 1 and 2.
pub(crate) fn pauses(figures: Option<&GcFigures>, style: Style) -> String {
    let Some(gc) = figures else { return String::new() };
    let lang = style.lang;
    let mut out = format!("\n{} · ", style.bold(lang.say(Record::Gc)));
    let note = match gc.source {
        None => lang.say(Record::GcNotTraced).to_owned(),
        Some(_) if gc.happened == 0 && gc.seen == 0 => lang.say(Record::GcNone).to_owned(),
        Some(kind) => {
            lang.fill(Record::GcSource, &[&value_words::source(kind, lang), &gc.seen, &gc.happened])
        }
    };
    let _ = writeln!(out, "{note}");
    if gc.generations.iter().any(|g| g.collections > 0) {
        out.push_str(&table(gc, style));
    }
    if let Some(ran) = gc.unfinished_seconds {
        let line = lang.fill(Gc::Unfinished, &[&units::time(ran)]);
        let _ = writeln!(out, "  {}", style.yellow(&line));
    }
    if gc.lost > 0 {
        let _ = writeln!(out, "  {}", style.yellow(&lang.fill(Record::GcLost, &[&gc.lost])));
    }
    if gc.bounded && gc.happened > 0 {
        let _ = writeln!(out, "  {}", style.dim(lang.say(Record::GcBounded)));
    }
    if let (Some(minute), Some(ratio), Some(max)) =
        (gc.pause_seconds_per_minute, gc.pause_ratio, gc.max_seconds)
    {
        let values = (units::time(minute), units::percent(ratio), units::time(max));
        let estimated = gc.seen < gc.happened && !gc.bounded;
        for line in source_text::partly_seen(gc, style) {
            let _ = writeln!(out, "{line}");
        }
        let note = if estimated { style.dim(lang.say(Record::GcEstimated)) } else { String::new() };
        let totals = lang.fill(Record::GcTotals, &[&values.0, &values.1, &values.2]);
        let _ = writeln!(out, "  {}", format!("{totals} {note}").trim_end());
    }
    out
}

fn table(gc: &GcFigures, style: Style) -> String {
    let lang = style.lang;
    let mut align = [Align::Right; 10];
    align[0] = Align::Left;
    let mut table = Table::new(&align, 2);
    let heads = [Record::Generation, Record::Count, Record::Rate, Record::Freed, Record::Mean];
    let heads = heads.map(|h| lang.say(h)).into_iter().chain(["P50", "P95", "P99"]);
    table.row(heads.chain([lang.say(Record::Max), lang.say(Record::Total)]).map(|h| style.dim(h)));
    for (i, g) in gc.generations.iter().enumerate() {
        let counts = [g.collections.to_string(), maybe(g.per_second, units::rate), g.collected.to_string()];
        let mut times = times(g.pauses.as_ref());
        if let Some(p) = &g.pauses {
            times[4] = source_text::longest(g, p.max);
        }
        if let Some(total) = &g.pause_total {
            times[5] = source_text::total(total, gc.bounded, lang);
        }
        table.row(std::iter::once(i.to_string()).chain(counts).chain(times));
    }
    for (name, pauses, from) in [(Record::All, &gc.pauses, 0), (Record::Older, &gc.pauses_older, 1)] {
        if pauses.is_some() {
            let of = &gc.generations[from..];
            let count: u64 = of.iter().map(|g| g.collections).sum();
            let rate: Option<f64> = of.iter().map(|g| g.per_second).sum();
            let freed: u64 = of.iter().map(|g| g.collected).sum();
            let counts = [count.to_string(), maybe(rate, units::rate), freed.to_string()];
            let mut times = times(pauses.as_ref());
            let totals = of.iter().map(|g| g.pause_total).collect::<Option<Vec<_>>>();
            let summed = totals.map(|t| t.into_iter().fold(Total::exact(0.0), Total::plus));
            let whole = if from == 0 { gc.pause_total } else { summed };
            if let Some(whole) = whole {
                times[5] = source_text::total(&whole, gc.at_least, lang);
            }
            if of.iter().any(Collections::partly_seen) {
                times[4] = format!("≥ {}", times[4]);
            }
            table.row(std::iter::once(lang.say(name).to_owned()).chain(counts).chain(times));
        }
    }
    table.render()
}

fn times(pauses: Option<&Summary>) -> [String; 6] {
    match pauses {
        Some(p) => [p.mean, p.p50, p.p95, p.p99, p.max, p.total].map(units::time),
        None => [value_words::NOTHING; 6].map(str::to_owned),
    }
}
