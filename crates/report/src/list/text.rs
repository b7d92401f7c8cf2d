//! `m5 list` for people.

use crate::doc::ProcessList;
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::List;

/// A table, and below it the remedies for what cannot be read.
#[must_use]
pub fn list(document: &ProcessList, style: Style) -> String {
    let lang = style.lang;
    if document.processes.is_empty() {
        return format!("{}\n", lang.say(List::None));
    }
    let mut table =
        Table::new(&[Align::Right, Align::Left, Align::Right, Align::Right, Align::Left, Align::Left], 0);
    let heads = [List::Pid, List::Version, List::Rss, List::User, List::Readable, List::Command];
    table.row(heads.map(|h| style.bold(lang.say(h))));
    for p in &document.processes {
        let readable = match &p.unread {
            None => style.green(lang.say(List::Yes)),
            Some(_) => style.yellow(lang.say(List::No)),
        };
        table.row([
            p.pid.to_string(),
            p.python.clone().unwrap_or_else(|| "–".to_owned()),
            p.rss_bytes.map_or_else(|| "–".to_owned(), |b| units::bytes(b as f64)),
            p.uid.map_or_else(|| "–".to_owned(), |u| u.to_string()),
            readable,
            one_line(&p.command),
        ]);
    }
    let mut out = table.render();
    for p in &document.processes {
        if let Some(unread) = &p.unread {
            out.push_str(&format!("{}\n", lang.fill(List::Remedy, &[&p.pid, &unread.detail])));
            for remedy in &unread.remedies {
                out.push_str(&format!("  → {remedy}\n"));
            }
        }
    }
    out
}

/// A command line on one line of bounded length, with nothing that a terminal would obey.
pub(crate) fn one_line(command: &[String]) -> String {
    const MOST: usize = 100;
    let joined = command.join(" ");
    let clean: String = joined.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST + 1).collect();
    if clean.chars().count() > MOST { clean.chars().take(MOST - 1).chain(['…']).collect() } else { clean }
}
