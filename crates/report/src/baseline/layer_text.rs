//! A line per layer that grows: which, by how much, and what to do next.

use crate::heap::phrases::signed;
use crate::shared::units;
use crate::shared::value_words::maybe;
use crate::text::Style;
use crate::texts::Grows;
use m5_stats::{Advice, Growing, Layer};

/// Nothing where nothing grows.
pub(crate) fn layers(growing: &[Growing], style: Style) -> String {
    if growing.is_empty() {
        return String::new();
    }
    let lines: String = growing.iter().map(|g| format!("  {}\n", line(g, style))).collect();
    format!("\n{}\n{lines}", style.bold(style.lang.say(Grows::Title)))
}

/// One of them, for other faces than the terminal.
#[must_use]
pub fn layer_line(growing: &Growing, lang: crate::Lang) -> String {
    line(growing, Style { lang, color: false })
}

fn line(growing: &Growing, style: Style) -> String {
    let lang = style.lang;
    let name = style.red(lang.say(layer(growing.layer)));
    let mut by = maybe(growing.per_second, |v| rate(v, growing.series.is_bytes()));
    if let Some(share) = growing.share {
        by = lang.fill(Grows::Share, &[&by, &units::percent(share)]);
    }
    lang.fill(Grows::Line, &[&name, &by, &lang.say(advice(growing.advice))])
}

/// Growth for people: bytes or a count a minute.
pub(crate) fn rate(per_second: f64, bytes: bool) -> String {
    let a_minute = per_second * 60.0;
    match bytes {
        true => units::growth(per_second),
        // What is counted by hundreds has no hundredths.
        false if a_minute.abs() >= 100.0 => format!("{}/min", signed(a_minute.round() as i64)),
        false => format!("{a_minute:+.2}/min"),
    }
}

fn layer(layer: Layer) -> Grows {
    match layer {
        Layer::GcHeap => Grows::GcHeap,
        Layer::Objects => Grows::AllObjects,
        Layer::Untracked => Grows::Untracked,
        Layer::Fragmentation => Grows::Fragmentation,
        Layer::Native => Grows::Native,
        Layer::UntrackedOrNative => Grows::UntrackedOrNative,
        Layer::Memory => Grows::Memory,
        Layer::FilePages => Grows::FilePages,
        Layer::Sockets => Grows::Sockets,
        Layer::Fds => Grows::Fds,
        Layer::Threads => Grows::Threads,
    }
}

fn advice(advice: Advice) -> Grows {
    match advice {
        Advice::DiffSnapshots => Grows::DiffSnapshots,
        Advice::DiffUntracked => Grows::DiffUntracked,
        Advice::TryAllocator => Grows::TryAllocator,
        Advice::DiffThenAllocator => Grows::DiffThenAllocator,
        Advice::Defragment => Grows::Defragment,
        Advice::MeasureObjects => Grows::MeasureObjects,
        Advice::LookAtMappings => Grows::LookAtMappings,
        Advice::LookAtSockets => Grows::LookAtSockets,
        Advice::LookAtFds => Grows::LookAtFds,
        Advice::LookAtThreads => Grows::LookAtThreads,
    }
}
