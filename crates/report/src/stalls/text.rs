//! `m5 stalls` for people.

use super::doc::Stalls;
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::Stall;
use std::fmt::Write;

/// Frames of each stack that are shown.
const FRAMES: usize = 3;

/// Quantiles by thread, and the longest turns.
#[must_use]
pub fn text(doc: &Stalls, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(Stall::Title, &[&doc.pid, &units::span(doc.seconds)]);
    let mut out = format!("{}\n", style.bold(&title));
    if doc.threads.is_empty() {
        let _ = writeln!(out, "{}", lang.say(Stall::None));
        return out;
    }
    let mut table = Table::new(&[Align::Right; 7], 2);
    let quantiles = ["P50", "P95", "P99", "P99.9"];
    let heads = [lang.say(Stall::Thread), lang.say(Stall::Turns)].into_iter().chain(quantiles);
    table.row(heads.chain([lang.say(Stall::Longest)]).map(|h| style.dim(h)));
    for t in &doc.threads {
        let times = [t.p50_s, t.p95_s, t.p99_s, t.p999_s, t.longest_s].map(units::time);
        table.row([t.tid.to_string(), t.turns.to_string()].into_iter().chain(times));
    }
    out.push_str(&table.render());
    let long = lang.fill(Stall::Long, &[&doc.long, &units::time(doc.above_s)]);
    let _ = writeln!(out, "{}", if doc.long == 0 { style.green(&long) } else { style.yellow(&long) });
    for turn in &doc.turns {
        let what = match (turn.running_s, turn.runnable_s) {
            (Some(running), Some(runnable)) => {
                let share = |s: f64| units::percent(s / turn.duration_s.max(1e-9));
                lang.fill(Stall::Shares, &[&share(running), &share(runnable)])
            }
            _ => lang.say(Stall::NotLooked).to_owned(),
        };
        let each = [
            &units::time(turn.duration_s) as &dyn std::fmt::Display,
            &units::span(turn.at_s),
            &turn.tid,
            &what,
        ];
        let _ = writeln!(out, "  {}", lang.fill(Stall::Each, &each));
        if turn.collecting == Some(true) {
            let _ = writeln!(out, "    {}", lang.say(Stall::Collecting));
        }
        for frame in turn.stack.iter().take(FRAMES) {
            let line = frame.line.map(|l| format!(":{l}")).unwrap_or_default();
            let place = format!("{}{line} {}", frame.file, frame.function);
            let _ = writeln!(out, "    {}", place.chars().filter(|c| !c.is_control()).collect::<String>());
        }
    }
    if doc.lost > 0 {
        let _ = writeln!(out, "{}", style.yellow(&lang.fill(Stall::Lost, &[&doc.lost])));
    }
    out
}
