//! `m5 list` for people.

use crate::Lang;
use crate::doc::{ListedProcess, ProcessList};
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
    }
    out + &unread(&document.processes, lang) + &hidden
}

/// Why some cannot be read, and what to do; what is true of several is said once.
fn unread(processes: &[ListedProcess], lang: Lang) -> String {
    /// PIDs that are named of those of which the same is true.
    const NAMED: usize = 12;
    // What is said of one, the same of any, and of whom.
    let mut groups: Vec<(String, String, Vec<i32>)> = Vec::new();
    for (pid, why) in processes.iter().filter_map(|p| Some((p.pid, p.unread.as_ref()?))) {
        let own = format!("PID {pid}");
        // What was found is said in English, what to do in the reader's language.
        let text = |found: &str, to_do: &str| {
            let found = why.detail.replace(&own, found);
            let remedies = why.remedies.iter().map(|r| format!("\n  → {}", r.replace(&own, to_do)));
            found + &remedies.collect::<String>()
        };
        let of_one = text(&own, &own);
        let of_any = text(Lang::En.say(List::Each), lang.say(List::Each));
        match groups.iter_mut().find(|(_, text, _)| *text == of_any) {
            Some((.., pids)) => pids.push(pid),
            None => groups.push((of_one, of_any, vec![pid])),
        }
    }
    let told = |(of_one, of_any, pids): (String, String, Vec<i32>)| {
        if let [pid] = pids[..] {
            return lang.fill(List::Remedy, &[&pid, &of_one]) + "\n";
        }
        let named: Vec<String> = pids.iter().take(NAMED).map(i32::to_string).collect();
        let more = if pids.len() > NAMED { ", …" } else { "" };
        let named = format!("{}{more}", named.join(", "));
        lang.fill(List::RemedyOfSeveral, &[&pids.len(), &named, &of_any]) + "\n"
    };
    groups.into_iter().map(told).collect()
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

/// What a process is told as: its command line, and before it whom it works for, where that is another process: code that
/// was given to a worker (`python -c "from multiprocessing…"`) says nothing.
pub(crate) fn process_line(service: Option<&str>, command: &[String]) -> String {
    if !is_worker(service) {
        return one_line(command);
    }
    let without_code = match command.iter().position(|word| word == "-c") {
        Some(at) => command.iter().take(at + 1).cloned().chain(["…".to_owned()]).collect(),
        None => command.to_vec(),
    };
    beside_worker(service, one_line(&without_code))
}

fn is_worker(service: Option<&str>) -> bool {
    service.is_some_and(|name| name.contains('/'))
}

/// A line that tells of a process, after whom it works for, where that is another one.
#[must_use]
pub fn beside_worker(service: Option<&str>, line: String) -> String {
    match service {
        Some(worker) if is_worker(service) => format!("{worker} · {line}"),
        _ => line,
    }
}

/// A command line on one line of bounded length, with nothing that a terminal would obey.
pub(crate) fn one_line(command: &[String]) -> String {
    const MOST: usize = 100;
    let joined = command.join(" ");
    let clean: String = joined.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST + 1).collect();
    if clean.chars().count() > MOST { clean.chars().take(MOST - 1).chain(['…']).collect() } else { clean }
}
