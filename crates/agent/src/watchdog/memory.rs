//! What must outlive m5 itself: when each rule fired and how often it ended a service. The journal says it too, but whoever
//! rotates journals takes that away; this file lies beside it and holds nothing else.

use super::RuleState;
use super::journal::Key;
use super::tracked::{Tracked, Who};
use m5_process::write_whole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

const SCHEMA: &str = "m5-watch-memory/1";
/// Nothing that m5 wrote is longer, bytes.
const MOST: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
struct Memory {
    schema: String,
    rules: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    rule: String,
    process: String,
    pid: Option<i32>,
    start_ticks: Option<u64>,
    /// Unix seconds.
    fired_at: Option<f64>,
    cleared: bool,
    /// Unix seconds.
    restarts: Vec<f64>,
}

/// What was written there, if it can be read.
pub(super) fn read(path: &Path) -> BTreeMap<Key, Tracked> {
    let regular = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MOST);
    let text = if regular { fs::read(path).unwrap_or_default() } else { Vec::new() };
    let memory = serde_json::from_slice::<Memory>(&text).ok().filter(|m| m.schema == SCHEMA);
    let rules = memory.map(|memory| memory.rules).unwrap_or_default();
    rules.into_iter().map(|line| ((line.rule.clone(), line.process.clone()), tracked(line))).collect()
}

/// Writes it, whole or not at all.
pub(super) fn write(path: &Path, all: &BTreeMap<Key, Tracked>) -> io::Result<()> {
    let rules = all.iter().map(|((rule, process), tracked)| Line {
        rule: rule.clone(),
        process: process.clone(),
        pid: tracked.who.map(|who| who.pid),
        start_ticks: tracked.who.and_then(|who| who.start_ticks),
        fired_at: tracked.state.fired_at(),
        cleared: !tracked.state.is_active(),
        restarts: tracked.restarts.iter().copied().collect(),
    });
    let memory = Memory { schema: SCHEMA.to_owned(), rules: rules.collect() };
    write_whole(path, |out| {
        serde_json::to_writer(&mut *out, &memory)?;
        writeln!(out)
    })
}

/// Both together. A line of the journal comes first, so that where m5 was killed in between it knows more.
pub(super) fn joined(
    mut journal: BTreeMap<Key, Tracked>,
    memory: BTreeMap<Key, Tracked>,
) -> BTreeMap<Key, Tracked> {
    for (key, kept) in memory {
        let known = journal.entry(key).or_default();
        if kept.restarts.len() > known.restarts.len() {
            known.restarts = kept.restarts;
        }
        // The journal's clock is read a moment later than the rule's.
        if kept.state.fired_at().is_some_and(|at| known.state.fired_at().is_none_or(|told| told < at)) {
            (known.state, known.who) = (kept.state, kept.who.or(known.who));
        }
    }
    journal
}

fn tracked(line: Line) -> Tracked {
    let state = line.fired_at.map_or_else(RuleState::default, |at| RuleState::fired(at, line.cleared));
    let who = line.pid.map(|pid| Who { pid, start_ticks: line.start_ticks });
    Tracked { state, who, restarts: line.restarts.into(), ..Tracked::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(fired: f64, restarts: &[f64]) -> BTreeMap<Key, Tracked> {
        let who = Some(Who { pid: 7, start_ticks: Some(70) });
        let state = RuleState::fired(fired, false);
        let tracked =
            Tracked { state, who, restarts: restarts.iter().copied().collect(), ..Tracked::default() };
        BTreeMap::from([(("rss".to_owned(), "engine/0".to_owned()), tracked)])
    }

    #[test]
    fn it_comes_back_as_it_was_and_damage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.memory");
        assert_eq!(read(&path), BTreeMap::new());
        write(&path, &some(5.0, &[1.0, 5.0])).unwrap();
        assert_eq!(read(&path), some(5.0, &[1.0, 5.0]));
        for damage in ["", "{}", "[1]", "{\"schema\":\"m5-watch-memory/1\",\"rules\":[{}]}"] {
            fs::write(&path, damage).unwrap();
            assert_eq!(read(&path), BTreeMap::new(), "{damage}");
        }
    }

    #[test]
    fn nothing_is_counted_twice_and_nothing_is_lost() {
        // The journal was rotated.
        assert_eq!(joined(BTreeMap::new(), some(5.0, &[1.0, 5.0])), some(5.0, &[1.0, 5.0]));
        // m5 was killed between the line of the journal and this file.
        let journal = some(9.001, &[1.001, 5.001, 9.001]);
        assert_eq!(joined(journal.clone(), some(5.0, &[1.0, 5.0])), journal);
        // All of it is in both.
        assert_eq!(
            joined(some(5.001, &[1.001, 5.001]), some(5.0, &[1.0, 5.0])),
            some(5.001, &[1.001, 5.001])
        );
    }
}
