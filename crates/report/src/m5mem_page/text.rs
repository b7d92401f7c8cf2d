//! What a process says of itself, for people: a line for each cache, pool, manager and monitor.

use crate::doc::{Application, ApplicationValue};
use crate::shared::units;
use crate::shared::value_words::NOTHING;
use crate::text::{Align, Style, Table};
use crate::texts;
use std::fmt::Write;

/// A line a thing: its kind and labels, then its figures.
#[must_use]
pub(crate) fn application(said: &Application, style: Style) -> String {
    let lang = style.lang;
    if let Some(reason) = &said.unread {
        return format!("\n{}\n", style.yellow(reason));
    }
    let title = match said.age_seconds {
        Some(age) => lang.fill(texts::M5memWords::Title, &[&units::time(age)]),
        None => lang.say(texts::M5memWords::Never).to_owned(),
    };
    let mut out = format!("\n{}\n", style.bold(&title));
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for value in said.values.iter().filter_map(ours) {
        match lines.iter_mut().find(|(thing, _)| *thing == value.0) {
            Some((_, figures)) => figures.push(value.1),
            None => lines.push((value.0, vec![value.1])),
        }
    }
    let mut table = Table::new(&[Align::Left, Align::Left], 2);
    lines.into_iter().for_each(|(thing, figures)| table.row([thing, figures.join(" · ")]));
    out.push_str(&table.render());
    if said.unreadable > 0 {
        let _ = writeln!(out, "  {}", lang.fill(texts::M5memWords::Unreadable, &[&said.unreadable]));
    }
    out
}

/// The thing that a value belongs to, and the value in words; what m5 measures itself is not repeated.
fn ours(said: &ApplicationValue) -> Option<(String, String)> {
    let (kind, key) = said.name.strip_prefix("m5mem_")?.split_once('_')?;
    let labels: Vec<&str> = said.labels.values().map(String::as_str).collect();
    let key = key.strip_suffix("_total").unwrap_or(key);
    let (key, seconds) = match key.strip_suffix("_seconds") {
        Some(key) => (key, true),
        None => (key, false),
    };
    let value = match said.value {
        None => NOTHING.to_owned(),
        Some(value) if seconds => units::time(value),
        Some(value) => units::count(value),
    };
    Some((format!("{kind} {}", labels.join(" ")), format!("{} {value}", key.replace('_', " "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;

    #[test]
    fn one_line_a_thing() {
        let one = |name: &str, label: &str, value| ApplicationValue {
            name: name.to_owned(),
            labels: [("cache".to_owned(), label.to_owned())].into(),
            value,
        };
        let said = Application {
            age_seconds: Some(0.5),
            values: vec![
                one("m5mem_cache_hits_total", "a", Some(12_345.0)),
                one("m5mem_cache_hits_total", "b", None),
                one("m5mem_cache_entries", "a", Some(7.0)),
                one("process_memory_rss_bytes", "", Some(7.0)),
            ],
            unread: None,
            unreadable: 2,
        };
        let text = application(&said, Style { lang: Lang::En, color: false });
        assert_eq!(
            text,
            "\nSaid by the process itself (m5mem, 500.00 ms ago)\n  cache a  hits 12345 · entries 7\n  \
             cache b  hits –\n  Entries that could not be read: 2\n"
        );
    }
}
