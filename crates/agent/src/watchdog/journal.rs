//! The journal: one JSON line for everything that is noticed and done. It is read back at the start, so that
//! nothing is done twice; it is reopened when somebody rotated it away, and [`super::memory`] outlives that.

use super::tracked::{Tracked, Who};
use super::{Change, RuleState};
use m5_process::open_to_add;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The event with which the end of a service is counted, before it is ended.
pub(super) const RESTART: &str = "restart";
/// How much of an old journal is read back.
const READ_BACK: u64 = 4 << 20;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the journal {path}: {source}")]
pub struct JournalError {
    path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

/// Rule and service-with-slot.
pub(super) type Key = (String, String);

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Lines that could not be written.
    pub lost: u64,
}

impl Journal {
    /// Opens or makes the file, readable by its owner only.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |source| JournalError { path: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), file: open_to_add(path).map_err(fail)?, lost: 0 })
    }

    /// Adds a line with the time in it. A line that cannot be written is counted: a full disk must not stop the
    /// watchdog.
    pub fn write(&mut self, unix_seconds: f64, event: &str, mut values: Value) {
        if let Value::Object(map) = &mut values {
            map.insert("t".into(), json!(unix_seconds));
            map.insert("event".into(), json!(event));
        }
        self.follow_rotation();
        if writeln!(self.file, "{values}").and_then(|()| self.file.flush()).is_err() {
            self.lost += 1;
        }
    }

    /// Where what must outlive its rotation is kept; `None` where it is no file (a pipe, a terminal).
    #[must_use]
    pub(super) fn memory_path(&self) -> Option<PathBuf> {
        let regular = self.file.metadata().is_ok_and(|meta| meta.is_file());
        regular.then(|| {
            let mut path = self.path.clone().into_os_string();
            path.push(".memory");
            path.into()
        })
    }

    /// What fired last and how often the service was ended, by rule and slot, from the end of the file.
    #[must_use]
    pub(super) fn remembered(&self) -> BTreeMap<Key, Tracked> {
        let mut states = BTreeMap::<Key, Tracked>::new();
        let Ok(mut file) = File::open(&self.path) else { return states };
        let size = file.metadata().map_or(0, |m| m.len());
        if file.seek(SeekFrom::Start(size.saturating_sub(READ_BACK))).is_err() {
            return states;
        }
        let mut fired: BTreeMap<Key, f64> = BTreeMap::new();
        for line in BufReader::new(file.take(READ_BACK)).split(b'\n').map_while(Result::ok) {
            // A line cut short by a crash, or the middle of one at the start, is no JSON.
            let Ok(entry) = serde_json::from_slice::<Value>(&line) else { continue };
            let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            let (Some(rule), Some(of)) = (text("rule"), text("process")) else { continue };
            let (key, t) = ((rule, of), entry.get("t").and_then(Value::as_f64));
            if entry.get("event").and_then(Value::as_str) == Some(RESTART) {
                states.entry(key).or_default().restarts.extend(t);
                continue;
            }
            let change = entry.get("change").cloned().and_then(|c| serde_json::from_value::<Change>(c).ok());
            let Some(change) = change else { continue };
            if let (Change::Fired, Some(t)) = (change, t) {
                fired.insert(key.clone(), t);
            }
            if let Some(t) = fired.get(&key) {
                let tracked = states.entry(key).or_default();
                tracked.state = RuleState::fired(*t, change == Change::Cleared);
                tracked.who = who(&entry).or(tracked.who);
            }
        }
        states
    }

    fn follow_rotation(&mut self) {
        let same = match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(path), Ok(open)) => (path.dev(), path.ino()) == (open.dev(), open.ino()),
            _ => false,
        };
        if !same && let Ok(file) = open_to_add(&self.path) {
            self.file = file;
        }
    }
}

fn who(entry: &Value) -> Option<Who> {
    let pid = i32::try_from(entry.get("pid")?.as_i64()?).ok()?;
    Some(Who { pid, start_ticks: entry.get("start_ticks").and_then(Value::as_u64) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_across_rotation_and_a_cut_line() {
        let dir = std::env::temp_dir().join(format!("m5-journal-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("j.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        let line = |rule: &str, change: &str| json!({"rule": rule, "process": "engine/0", "change": change});
        journal.write(1.0, "rule", line("a", "fired"));
        journal.write(2.0, "rule", line("a", "cleared"));
        std::fs::rename(&path, dir.join("j.1")).unwrap();
        journal.write(3.0, "rule", line("b", "fired"));
        writeln!(open_to_add(&path).unwrap(), "{{\"rule\": \"c\", \"pro").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let states = Journal::open(&path).unwrap().remembered();
        let old = Journal::open(&dir.join("j.1")).unwrap().remembered();
        std::fs::remove_dir_all(&dir).unwrap();
        let fired = |at, cleared| Tracked { state: RuleState::fired(at, cleared), ..Tracked::default() };
        assert_eq!(states.get(&("b".into(), "engine/0".into())), Some(&fired(3.0, false)));
        assert_eq!((states.len(), journal.lost), (1, 0));
        assert_eq!(old.get(&("a".into(), "engine/0".into())), Some(&fired(1.0, true)));
    }
}
