//! `m5 list` for people.

use crate::doc::ProcessList;
use crate::shared::tree::below_parents;
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::List;

/// A table, and below it what to do about those that cannot be read. As a tree, children stand below their parents.
#[must_use]
pub fn list(document: &ProcessList, tree: bool, style: Style) -> String {
    let lang = style.lang;
    let hidden = match document.others_hidden {
        true => format!("{}\n", lang.say(List::Hidden)),
        false => String::new(),
    };
    if document.processes.is_empty() {
        return match document.of_other_names {
            0 => format!("{}\n{hidden}", lang.say(List::None)),
            others => format!("{}\n{hidden}", lang.fill(List::NoneNamed, &[&others])),
        };
    }
    let left = Align::Left;
    let mut table = Table::new(&[Align::Right, left, left, Align::Right, Align::Right, left, left], 0);
    let heads = [List::Pid, List::Name, List::Version, List::Rss, List::User, List::Readable, List::Command];
    table.row(heads.map(|h| style.bold(lang.say(h))));
    let flat = || document.processes.iter().map(|p| (0, p)).collect();
    for (depth, p) in if tree { below_parents(&document.processes, |p| (p.pid, p.ppid)) } else { flat() } {
        let readable = match &p.unread {
            None if p.stopped => style.yellow(lang.say(List::Stopped)),
            None => style.green(lang.say(List::Yes)),
            Some(_) => style.yellow(lang.say(List::No)),
        };
        let branch = if depth > 0 { format!("{}└ ", "  ".repeat(depth - 1)) } else { String::new() };
        table.row([
            p.pid.to_string(),
            format!("{branch}{}", p.name),
            p.python.clone().unwrap_or_else(|| "–".to_owned()),
            p.rss_bytes.map_or_else(|| "–".to_owned(), |b| units::bytes(b as f64)),
            p.uid.map_or_else(|| "–".to_owned(), |u| u.to_string()),
            readable,
            command(&p.command),
        ]);
    }
    let mut out = table.render();
    for p in &document.processes {
        if p.stopped {
            out.push_str(&format!("{}\n", lang.fill(List::StoppedRemedy, &[&p.pid, &p.pid])));
        }
        if let Some(unread) = &p.unread {
            out.push_str(&format!("{}\n", lang.fill(List::Remedy, &[&p.pid, &unread.detail])));
            for remedy in &unread.remedies {
                out.push_str(&format!("  → {remedy}\n"));
            }
        }
    }
    out + &hidden
}

/// A command line without the folders of its program, and of a long path only the telling end.
#[must_use]
pub fn command(command: &[String]) -> String {
    const LONG: usize = 40;
    let short = |(i, word): (usize, &String)| match i {
        0 => end(word, 1).to_owned(),
        _ if word.starts_with('/') && word.chars().count() > LONG => format!("…/{}", end(word, 2)),
        _ => word.clone(),
    };
    one_line(&command.iter().enumerate().map(short).collect::<Vec<_>>())
}

/// The last so many parts of a path.
fn end(path: &str, parts: usize) -> &str {
    path.rmatch_indices('/').nth(parts - 1).map_or(path, |(at, _)| path.get(at + 1..).unwrap_or(path))
}

/// A command line on one line of bounded length, with nothing that a terminal would obey.
pub(crate) fn one_line(command: &[String]) -> String {
    const MOST: usize = 100;
    let joined = command.join(" ");
    let clean: String = joined.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST + 1).collect();
    if clean.chars().count() > MOST { clean.chars().take(MOST - 1).chain(['…']).collect() } else { clean }
}
