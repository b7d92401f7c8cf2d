//! Whatever is done to the file: an answer or a refusal.

use super::{SECOND, START, entry, head, session};
use m5_agent::derive::complete;
use m5_agent::history::{Block, Entry, Limits, Query, Store, read};
use m5_gc::{Coverage, Pause, SourceKind};
use m5_stats::Objectives;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

proptest! {
    /// Whatever bytes of the file are changed: an answer or a refusal.
    #[test]
    fn damage_is_refused_or_harmless(flips in prop::collection::vec((0usize..200_000, any::<u8>()), 1..200)) {
        let dir = folder();
        let file = recorded(dir.path(), 300);
        let mut bytes = fs::read(&file).unwrap();
        let length = bytes.len();
        flips.iter().for_each(|(at, byte)| bytes[at % length] = *byte);
        fs::write(&file, bytes).unwrap();
        every_use(&file);
    }
}

/// Whatever number stands in a column, in one row or in all: an answer or a refusal.
#[test]
fn impossible_numbers_are_refused_or_harmless() {
    const LEAST: &str = "-9223372036854775808";
    const MOST: &str = "9223372036854775807";
    let dir = folder();
    let whole = recorded(dir.path(), 30);
    let columns: Vec<(String, String)> = {
        let history = rusqlite::Connection::open(&whole).unwrap();
        let list = "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c WHERE t.name IN \
                    ('sessions', 'processes', 'samples', 'pauses', 'rollups', 'connections') AND c.type <> 'TEXT'";
        let mut query = history.prepare(list).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    assert!(columns.len() > 30, "{columns:?}");
    let damaged = dir.path().join("damaged");
    for (table, column) in &columns {
        for value in [LEAST, MOST, "-1", "4611686018427387904", "CASE WHEN 1 THEN NULL END"] {
            for rows in
                ["1", "rowid IN (SELECT max(rowid) FROM sessions)", "t_ns = (SELECT max(t_ns) FROM samples)"]
            {
                fs::copy(&whole, &damaged).unwrap();
                let history = rusqlite::Connection::open(&damaged).unwrap();
                let changed =
                    history.execute(&format!("UPDATE {table} SET {column} = {value} WHERE {rows}"), []);
                drop(history);
                if changed.is_ok_and(|rows| rows > 0) {
                    every_use(&damaged);
                }
            }
        }
    }
}

/// A folder in memory where there is one: nothing here has to outlive a power cut.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// A history of so many seconds with everything in it.
fn recorded(dir: &Path, seconds: i64) -> PathBuf {
    let mut store = Store::open(dir, Limits::default()).unwrap();
    store.begin(&session(START, SECOND)).unwrap();
    let process = store.process(&head(7, "engine")).unwrap();
    for i in 0..seconds {
        let mut block = Block::new(SourceKind::Ring);
        let duration_ns = i as u64 * 10;
        let pause = Pause { duration_ns, pid: 1, ..Pause::default() };
        block.push(&pause, i);
        block.cover(Coverage::default());
        let rollup = Some((1 << 20, 1 << 19));
        let entry = entry(process, START + i * SECOND, Some(i as u64));
        store
            .append(&[Entry { pauses: Some(block), rollup, connections: Some(Vec::new()), ..entry }])
            .unwrap();
    }
    store.path().to_owned()
}

/// Reads a history, judges what it says, rotates it and reads on.
fn every_use(file: &Path) {
    let judged = || {
        if let Ok(mut replayed) = read(file, &Query::default()) {
            complete(&mut replayed, &Objectives::default().into());
        }
    };
    judged();
    let now = START + 86_400 * 40 * SECOND;
    let _ = Store::open(file, Limits::default()).and_then(|mut store| store.rotate(now));
    judged();
}
