//! `m5 health` and `m5 check` for people.

use crate::baseline::growth_text::leak_lines;
use crate::baseline::layer_text::layers;
use crate::doc::{Check, Health};
use crate::list::text::process_line;
use crate::m5mem_page::text::application;
use crate::objectives::text::{from, from_each, objectives, summary};
use crate::process::executed_text::cut;
use crate::shared::units;
use crate::shared::value_words;
use crate::text::{Style, executed};
use crate::texts::{Goal, List, Record};
use std::fmt::Write;

/// A quick look: one line per objective, and the verdict.
#[must_use]
pub fn health(h: &Health, style: Style) -> String {
    let lang = style.lang;
    let mut out = style.bold(&lang.fill(Goal::HealthTitle, &[&h.pid]));
    let python = h.python.as_ref().map(|v| format!("CPython {v} · ")).unwrap_or_default();
    let seconds = units::span(h.observed_seconds);
    let _ =
        writeln!(out, " · {python}{seconds}\n{}", style.dim(&process_line(h.service.as_deref(), &h.command)));
    if let Some(unread) = &h.unread {
        let _ = writeln!(
            out,
            "{}",
            style.yellow(&lang.fill(Record::Unread, &[&value_words::unread(unread, lang)]))
        );
    }
    if h.stopped {
        let _ = writeln!(out, "{}", style.yellow(&lang.fill(List::StoppedRemedy, &[&h.pid, &h.pid])));
    }
    out.push_str(&executed(h.re_executed_seconds, style));
    out.push_str(&objectives(&h.criteria, style));
    out.push_str(&summary(&h.criteria, style));
    out.push_str(&from(&h.objectives_from, h.pid, style));
    out.push_str(&layers(&h.derived.layers, style));
    out.push_str(&h.application.as_ref().map(|said| application(said, style)).unwrap_or_default());
    out
}

/// A recording against the completion criteria.
#[must_use]
pub fn check(c: &Check, style: Style) -> String {
    let lang = style.lang;
    let mut out = String::new();
    for process in &c.processes {
        let title = style.bold(&lang.fill(Goal::CheckTitle, &[&c.file, &process.pid]));
        let seconds = units::span(process.observed_seconds);
        let verdict = process
            .verdict
            .map(|v| format!(" · {} {}", lang.say(Record::Rss), value_words::verdict(v, style)));
        let _ = writeln!(out, "{title} · {seconds}{}", verdict.unwrap_or_default());
        out.push_str(&cut(process.re_executed_seconds, process.ended_early, style));
        out.push_str(&objectives(&process.criteria, style));
        out.push_str(&leak_lines(&process.leak_detection, style));
        out.push_str(&layers(&process.layers, style));
        out.push_str(&summary(&process.criteria, style));
    }
    let sources: Vec<_> = c.processes.iter().map(|p| (p.pid, &p.objectives_from)).collect();
    out.push_str(&from_each(&sources, style));
    out
}
