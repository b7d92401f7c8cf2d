//! One process at one moment, for people.

use crate::doc::ProcessSnapshot;
use crate::list::text::{one_line, process_line};
use crate::shared::units;
use crate::shared::value_words::{self, maybe};
use crate::text::{Align, Style, Table};
use crate::texts::{Record, Snapshot};
use m5_process::MappedMemory;
use std::fmt::Write;

/// Lines of a table; the others are summed up.
const LINES: usize = 15;

/// Memory by mapping, descriptors and connections.
#[must_use]
pub fn process(p: &ProcessSnapshot, style: Style) -> String {
    let lang = style.lang;
    let python = p.interpreter.as_ref().map(|i| format!(" · CPython {}", i.version)).unwrap_or_default();
    let mut out = format!("{}{python}\n", style.bold(&lang.fill(Snapshot::Title, &[&p.identity.pid])));
    let _ = writeln!(out, "{}", style.dim(&process_line(p.service.as_deref(), &p.command)));
    if let Some(unread) = &p.unread {
        let _ = writeln!(
            out,
            "{}",
            style.yellow(&lang.fill(Record::Unread, &[&value_words::unread(unread, lang)]))
        );
    }
    out.push_str(&summary(p, style));
    out.push_str(&mapped(p, style));
    out.push_str(&descriptors(p, style));
    out
}

fn summary(p: &ProcessSnapshot, style: Style) -> String {
    let lang = style.lang;
    let bytes = |v: Option<u64>| maybe(v, |v| units::bytes(v as f64));
    let s = &p.status;
    let labelled = [
        (Record::Rss, s.rss_bytes),
        (Record::Anon, s.anon_bytes),
        (Record::File, s.file_bytes),
        (Record::Shmem, s.shmem_bytes),
        (Record::Swap, s.swap_bytes),
    ];
    let parts: Vec<String> =
        labelled.into_iter().map(|(label, v)| format!("{} {}", lang.say(label), bytes(v))).collect();
    let mut out =
        format!("  {}\n  {}", parts.join(" · "), lang.fill(Record::Peak, &[&bytes(s.peak_rss_bytes)]));
    if let Some(r) = p.rollup {
        let (pss, uss) = (units::bytes(r.pss_bytes as f64), units::bytes(r.uss_bytes as f64));
        let _ = write!(out, " · {}", lang.fill(Record::PssUss, &[&pss, &uss]));
    }
    let _ = write!(out, "\n  {}", lang.fill(Record::Threads, &[&maybe(s.threads, |t| t.to_string())]));
    if let Some(i) = &p.interpreter {
        let on = lang.say(if i.gc_end.enabled { Snapshot::On } else { Snapshot::Off });
        let [a, b, c] = &i.gc_end.generations;
        let thresholds = (a.threshold, b.threshold, c.threshold);
        let runs = (a.collections, b.collections, c.collections);
        let values: [&dyn std::fmt::Display; 7] =
            [&on, &thresholds.0, &thresholds.1, &thresholds.2, &runs.0, &runs.1, &runs.2];
        let _ = write!(out, " · {}", lang.fill(Snapshot::Collector, &values));
    }
    out.push('\n');
    out
}

/// Memory by mapping.
pub(crate) fn mapped(p: &ProcessSnapshot, style: Style) -> String {
    let lang = style.lang;
    let Some(mapped) = &p.mapped else {
        return format!("\n{}\n", lang.say(Snapshot::MappedHidden));
    };
    let mut align = [Align::Right; 5];
    align[0] = Align::Left;
    let mut table = Table::new(&align, 2);
    let heads = [Snapshot::Name, Snapshot::Resident, Snapshot::Private, Snapshot::Swapped, Snapshot::Size];
    table.row(heads.map(|h| style.dim(lang.say(h))));
    let mut row = |name: String, m: &MappedMemory| {
        let sizes = [m.rss_bytes, m.private_bytes, m.swap_bytes, m.size_bytes];
        table.row(std::iter::once(name).chain(sizes.map(|b| units::bytes(b as f64))));
    };
    let (shown, others) = mapped.split_at(mapped.len().min(LINES));
    shown.iter().for_each(|m| row(one_line(std::slice::from_ref(&m.name)), m));
    if !others.is_empty() {
        row(lang.fill(Snapshot::Others, &[&others.len()]), &sum(others));
    }
    row(lang.say(Snapshot::Sum).to_owned(), &sum(mapped));
    format!("\n{}\n{}", style.bold(lang.say(Snapshot::Mapped)), table.render())
}

fn sum(all: &[MappedMemory]) -> MappedMemory {
    let total = |of: fn(&MappedMemory) -> u64| all.iter().map(of).sum();
    MappedMemory {
        name: String::new(),
        mappings: total(|m| m.mappings),
        size_bytes: total(|m| m.size_bytes),
        rss_bytes: total(|m| m.rss_bytes),
        pss_bytes: total(|m| m.pss_bytes),
        private_bytes: total(|m| m.private_bytes),
        swap_bytes: total(|m| m.swap_bytes),
    }
}

fn descriptors(p: &ProcessSnapshot, style: Style) -> String {
    let lang = style.lang;
    let Some(kinds) = &p.fds else {
        return format!("\n{}\n", lang.say(Record::FdsHidden));
    };
    let named: Vec<String> = kinds.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
    let total: u64 = kinds.values().sum();
    let title = lang.fill(Record::Fds, &[&total, &named.join(", ")]);
    let mut table = Table::new(&[Align::Right, Align::Left], 2);
    for target in p.fd_targets.iter().take(LINES) {
        table.row([target.count.to_string(), one_line(std::slice::from_ref(&target.target))]);
    }
    for c in p.connections.iter().take(LINES) {
        let peer = if c.peer.is_empty() { lang.say(Record::Listening) } else { &c.peer };
        table.row([c.count.to_string(), format!("{} {peer}", c.state)]);
    }
    format!("\n{}\n{}", style.bold(&title), table.render())
}
