//! A recording for people.

use crate::baseline::cgroup_text;
use crate::baseline::growth_text::{growth, leaks};
use crate::baseline::layer_text::layers;
use crate::comparison::text::compare;
use crate::doc::{Baseline, Derived, End, Level, ProcessRecord, Recorded};
use crate::list::text::process_line;
use crate::m5mem_page::text::application;
use crate::objectives::text::{from_each, objectives, summary};
use crate::pauses::source_text;
use crate::pauses::table_text::pauses;
use crate::shared::units;
use crate::shared::value_words::{self, NOTHING, maybe};
use crate::text::{Align, Style, Table, executed};
use crate::texts::{Goal, List, Record};
use std::fmt::Write;

/// Connections shown; the others are counted.
const PEERS: usize = 12;

/// The first process in full, the others a line each, and their sum.
#[must_use]
pub fn baseline(document: &Baseline, style: Style) -> String {
    let mut out = String::new();
    if let Some(first) = document.processes.first() {
        out.push_str(&one_process(first, &document.recorded, style));
    }
    if document.processes.len() > 1 {
        out.push_str(&family(&document.processes, style));
    }
    let sources =
        document.processes.iter().filter_map(|p| Some((p.identity.pid, p.objectives_from.as_ref()?)));
    out.push_str(&from_each(&sources.collect::<Vec<_>>(), style));
    if let Some(comparison) = &document.comparison {
        let _ = write!(out, "\n{}", compare(comparison, style));
    }
    out
}

fn one_process(process: &ProcessRecord, recorded: &Recorded, style: Style) -> String {
    let Some(derived) = &process.derived else { return String::new() };
    let mut out = head(process, recorded, derived, style);
    out.push_str(&memory(process, derived, style));
    out.push_str(&growth(derived, style));
    out.push_str(&load(derived, style));
    out.push_str(&connections(derived, style));
    out.push_str(&pauses(derived.gc.as_ref(), style));
    // Why, where a better source was denied; where none was, there is nothing to do about it.
    let choice = process.pauses.as_ref().and_then(|log| log.choice.as_ref());
    let denied =
        choice.filter(|c| matches!(c, m5_gc::Choice::Fallback { .. } | m5_gc::Choice::FewRegisters { .. }));
    out.push_str(&denied.map(|c| source_text::choice(c, style)).unwrap_or_default());
    out.push_str(&process.application.as_ref().map(|said| application(said, style)).unwrap_or_default());
    out.push_str(&layers(&derived.layers, style));
    out.push_str(&leaks(derived, style));
    if !process.criteria.is_empty() {
        let _ = writeln!(out, "\n{}", style.bold(style.lang.say(Goal::Title)));
        out.push_str(&objectives(&process.criteria, style));
        let _ = write!(out, "  {}", summary(&process.criteria, style));
    }
    out
}

/// Who, how long, and what is wrong with the recording itself.
fn head(process: &ProcessRecord, recorded: &Recorded, d: &Derived, style: Style) -> String {
    let lang = style.lang;
    let mut out = style.bold(&lang.fill(Record::Title, &[&process.identity.pid]));
    let (seconds, interval) = (units::span(d.observed_seconds), units::time(recorded.interval_seconds));
    let line = match &process.interpreter {
        Some(i) => lang.fill(Record::Subtitle, &[&i.version, &seconds, &interval, &d.samples]),
        None => lang.fill(Record::SubtitleUnread, &[&seconds, &interval, &d.samples]),
    };
    let _ = writeln!(
        out,
        " · {line}\n{}",
        style.dim(&process_line(process.service.as_deref(), &process.command))
    );
    let lost = recorded.rounds_due.saturating_sub(recorded.rounds_taken);
    out.push_str(&executed(process.re_executed_seconds, style));
    if process.exited {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Record::EndExited)));
    } else if recorded.end == End::Interrupted {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Record::EndInterrupted)));
    }
    if lost > 0 {
        let _ =
            writeln!(out, "{}", style.yellow(&lang.fill(Record::RoundsLost, &[&lost, &recorded.rounds_due])));
    }
    if let Some(unread) = &process.unread {
        let _ = writeln!(
            out,
            "{}",
            style.yellow(&lang.fill(Record::Unread, &[&value_words::unread(unread, lang)]))
        );
    }
    out
}

fn memory(process: &ProcessRecord, d: &Derived, style: Style) -> String {
    let lang = style.lang;
    let m = &d.memory;
    let mut table =
        Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right], 2);
    let heads =
        [Record::Now, Record::Mean, Record::Min, Record::Max, Record::Change].map(|h| style.dim(lang.say(h)));
    table.row(std::iter::once(String::new()).chain(heads));
    let rows = [
        (Record::Rss, m.rss),
        (Record::Anon, m.anon),
        (Record::File, m.file),
        (Record::Shmem, m.shmem.filter(|l| l.max > 0.0)),
        (Record::Swap, m.swap.filter(|l| l.max > 0.0)),
    ];
    for (name, level) in rows.into_iter().filter_map(|(name, level)| Some((name, level?))) {
        let Level { first, last, min, mean, max, .. } = level;
        let change = format!("{}{}", if last >= first { "+" } else { "" }, units::bytes(last - first));
        let figures = [last, mean, min, max].map(units::bytes);
        table.row(std::iter::once(lang.say(name).to_owned()).chain(figures).chain([change]));
    }
    let mut lines = vec![lang.fill(Record::Peak, &[&maybe(m.peak_rss_bytes, units::bytes)])];
    if m.pss_bytes.is_some() || m.uss_bytes.is_some() {
        let (pss, uss) = (maybe(m.pss_bytes, units::bytes), maybe(m.uss_bytes, units::bytes));
        lines.push(lang.fill(Record::PssUss, &[&pss, &uss]));
    }
    if let Some(c) = &process.cgroup {
        lines.extend(cgroup_text::lines(c, lang));
    }
    let mut out = format!("\n{}\n{}", style.bold(lang.say(Record::Memory)), table.render());
    lines.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
    out
}

fn load(d: &Derived, style: Style) -> String {
    let lang = style.lang;
    let rates = [
        d.minor_faults_per_second,
        d.major_faults_per_second,
        d.voluntary_switches_per_second,
        d.involuntary_switches_per_second,
    ]
    .map(|r| maybe(r, units::rate));
    let cpu = maybe(d.cpu_ratio, units::percent);
    let mut out = format!("\n{}\n", style.bold(lang.say(Record::Load)));
    let line = lang.fill(Record::Cpu, &[&cpu, &rates[0], &rates[1], &rates[2], &rates[3]]);
    let _ = writeln!(out, "  {line}");
    let last = |level: Option<Level>| maybe(level, |l| units::count(l.last));
    let fds = match d.fds {
        None => lang.say(Record::FdsHidden).to_owned(),
        Some(_) => {
            let kinds: Vec<String> = d.fds_by_kind.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
            lang.fill(Record::Fds, &[&last(d.fds), &kinds.join(", ")])
        }
    };
    let _ = writeln!(out, "  {} · {fds}", lang.fill(Record::Threads, &[&last(d.threads)]));
    out
}

fn connections(d: &Derived, style: Style) -> String {
    let lang = style.lang;
    if d.connections_by_peer.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.bold(lang.say(Record::Connections)));
    let mut table = Table::new(&[Align::Right, Align::Left, Align::Left], 2);
    for group in d.connections_by_peer.iter().take(PEERS) {
        let peer = if group.peer.is_empty() { lang.say(Record::Listening) } else { &group.peer };
        table.row([group.count.to_string(), group.state.clone(), peer.to_owned()]);
    }
    out.push_str(&table.render());
    let more = d.connections_by_peer.len().saturating_sub(PEERS);
    if more > 0 {
        let _ = writeln!(out, "  {}", lang.fill(Record::More, &[&more]));
    }
    out
}

/// A line a process, and the sum below.
fn family(processes: &[ProcessRecord], style: Style) -> String {
    let lang = style.lang;
    let mut align = [Align::Right; 9];
    (align[1], align[3], align[8]) = (Align::Left, Align::Left, Align::Left);
    let mut table = Table::new(&align, 2);
    let heads = [List::Pid, List::Version, List::Rss].map(|h| lang.say(h));
    let more = [lang.say(Record::Growth), "CPU", "FD", "GC", "GC P95", lang.say(List::Command)];
    table.row(heads.into_iter().chain(more).map(|h| style.dim(h)));
    for process in processes {
        let Some(d) = &process.derived else { continue };
        let gc = d.gc.as_ref();
        let per_second: Option<f64> = gc.and_then(|g| g.generations.iter().map(|g| g.per_second).sum());
        table.row([
            process.identity.pid.to_string(),
            maybe(process.interpreter.as_ref(), |i| i.version.clone()),
            maybe(d.memory.rss, |l| units::bytes(l.last)),
            maybe(d.growth.get("rss"), |a| value_words::verdict(a.verdict, style)),
            maybe(d.cpu_ratio, units::percent),
            maybe(d.fds, |l| units::count(l.last)),
            maybe(per_second, units::rate),
            maybe(gc.and_then(|g| g.pauses), |p| units::time(p.p95)),
            process_line(process.service.as_deref(), &process.command),
        ]);
    }
    let title = style.bold(lang.say(Record::Processes));
    format!("\n{title}\n{}  {}\n", table.render(), style.bold(&sum(processes, style)))
}

/// The sum over processes: PSS where every process has it, since shared pages must not count twice.
fn sum(processes: &[ProcessRecord], style: Style) -> String {
    let total = |pick: fn(&Derived) -> Option<f64>| -> Option<f64> {
        processes.iter().map(|p| p.derived.as_ref().and_then(pick)).sum()
    };
    let bytes = |value: Option<f64>| maybe(value, units::bytes);
    style.lang.fill(
        Record::Sum,
        &[
            &processes.len(),
            &bytes(total(|d| d.memory.rss.map(|l| l.last))),
            &bytes(total(|d| d.memory.pss_bytes)),
            &total(|d| d.cpu_ratio).map_or_else(|| NOTHING.to_owned(), units::percent),
            &maybe(total(|d| d.fds.map(|l| l.last)), units::count),
        ],
    )
}
