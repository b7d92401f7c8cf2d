//! What m5 changed and in which process, on disk before the change: so that it can be undone after m5 died.

use super::error::{Result, TuneError};
use super::settings::Settings;
use m5_process::Identity;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The settings of one interpreter, as they were and as m5 left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The interpreter's number.
    pub interpreter: i64,
    /// Before m5's first change.
    pub before: Settings,
    /// After its last one, or what that was to make of them.
    pub applied: Settings,
    /// After the ones before: an m5 that was ended in the middle may have left one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Settings>,
}

impl Kept {
    /// Whether m5 left the settings so, were it in the middle of a change: each value is one that was there before m5 or
    /// that m5 set.
    #[must_use]
    pub fn left(&self, now: Settings) -> bool {
        let known = || self.earlier.iter().chain([&self.before, &self.applied]);
        let threshold = |i: usize| known().any(|k| k.thresholds.get(i) == now.thresholds.get(i));
        (0..now.thresholds.len()).all(threshold) && known().any(|k| k.enabled == now.enabled)
    }
}

/// The journal of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    schema: String,
    identity: Identity,
    /// Start times count from boot, so they name a process in one boot only.
    boot: String,
    /// What tells the execution that was changed from the next one of the same process; absent where that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    execution: Option<u64>,
    /// The interpreters that were changed.
    pub kept: Vec<Kept>,
    /// Whether m5 ran `gc.freeze()` there, or is about to.
    pub frozen: bool,
    /// Whether a change was begun and has not been read back: m5 is at it, or was ended in the middle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    /// The folder in the target's file system through which m5 talks to it, while it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<PathBuf>,
}

const SCHEMA: &str = "m5.tuned/1";

/// Where journals are: `$XDG_STATE_HOME/m5`, `/run/m5` for root, `~/.local/state/m5` for others.
#[must_use]
pub fn journal_dir() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(state) = var("XDG_STATE_HOME") {
        return state.join("m5");
    }
    let root = Path::new("/run");
    let own_root = fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if own_root && root.is_dir() {
        return root.join("m5");
    }
    var("HOME").unwrap_or_else(|| PathBuf::from("/tmp")).join(".local/state/m5")
}

impl Journal {
    /// A journal of nothing, for this execution of the process.
    #[must_use]
    pub fn new(identity: Identity, execution: Option<u64>) -> Self {
        let (schema, boot, kept) = (SCHEMA.to_owned(), boot_id(), Vec::new());
        Self { schema, identity, boot, execution, kept, frozen: false, unconfirmed: false, exchange: None }
    }

    /// Whether it is of another execution of the process than this one: nothing of what it says is there any more.
    #[must_use]
    pub fn is_of_another(&self, execution: Option<u64>) -> bool {
        self.execution.zip(execution).is_some_and(|(then, now)| then != now)
    }

    /// Reads the journal of a process; `None` where there is none, or it is of another process or boot.
    ///
    /// # Errors
    /// [`TuneError::Journal`] where it is there but unreadable.
    pub fn load(dir: &Path, identity: Identity) -> Result<Option<Self>> {
        let path = path(dir, identity);
        let failed = |source| TuneError::Journal { path: path.clone(), source };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let journal: Self = serde_json::from_slice(&text).map_err(|e| failed(e.into()))?;
        let same = journal.schema == SCHEMA && journal.identity == identity && journal.boot == boot_id();
        Ok(same.then_some(journal))
    }

    /// Writes it, whole or not at all; readable by its owner only.
    ///
    /// # Errors
    /// [`TuneError::Journal`].
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = path(dir, self.identity);
        let write = || {
            fs::create_dir_all(dir)?;
            m5_process::write_whole(&path, |out| Ok(serde_json::to_writer(out, self)?))
        };
        write().map_err(|source| TuneError::Journal { path: path.clone(), source })
    }

    /// Whether it says nothing: all is as it was.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.kept.is_empty() && !self.frozen && self.exchange.is_none()
    }

    /// Forgets interpreters that are as they were before m5's first change.
    pub fn forget_restored(&mut self) {
        self.kept.retain(|k| k.before != k.applied);
    }

    /// Removes it: everything was undone, or the process is gone.
    pub fn remove(&self, dir: &Path) {
        let _ = fs::remove_file(path(dir, self.identity));
    }

    /// Notes a change that is about to be made. What was before m5's first change stays.
    pub fn note(&mut self, interpreter: i64, before: Settings, applied: Settings) {
        match self.kept.iter_mut().find(|k| k.interpreter == interpreter) {
            Some(kept) => {
                let last = std::mem::replace(&mut kept.applied, applied);
                if !kept.earlier.contains(&last) {
                    kept.earlier.push(last);
                }
            }
            None => self.kept.push(Kept { interpreter, before, applied, earlier: Vec::new() }),
        }
    }
}

/// Removes the journals of processes that have ended.
pub(super) fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let numbers = name.strip_prefix("tuned-").and_then(|n| n.strip_suffix(".json"));
        let Some((pid, start)) = numbers.and_then(|n| n.split_once('-')) else { continue };
        let (Ok(pid), Ok(start)) = (pid.parse(), start.parse::<u64>()) else { continue };
        let running = m5_process::Process::open(pid).map(|p| p.identity().start_ticks);
        let gone = matches!(running, Err(m5_process::Error::NoSuchProcess { .. }));
        if gone || running.is_ok_and(|other| other != start) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn path(dir: &Path, identity: Identity) -> PathBuf {
    dir.join(format!("tuned-{}-{}.json", identity.pid, identity.start_ticks))
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|t| t.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Identity = Identity { pid: 7, start_ticks: 9 };
    const OLD: Settings = Settings { thresholds: [700, 10, 10], enabled: true };

    #[test]
    fn the_first_values_survive_every_later_change() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Journal::load(dir.path(), ME).unwrap(), None);
        let mut journal = Journal::new(ME, None);
        journal.note(0, OLD, OLD.with([5000, 10, 10]));
        journal.save(dir.path()).unwrap();
        let mut again = Journal::load(dir.path(), ME).unwrap().unwrap();
        assert_eq!(again, journal);
        again.note(0, OLD.with([5000, 10, 10]), OLD.with([9000, 10, 10]));
        again.save(dir.path()).unwrap();
        let kept = Journal::load(dir.path(), ME).unwrap().unwrap().kept;
        assert_eq!((kept[0].before, kept[0].applied), (OLD, OLD.with([9000, 10, 10])));
        // Ended before the last change, or between two of its values.
        for (settings, left) in [([5000, 10, 10], true), ([700, 10, 10], true), ([9000, 11, 10], false)] {
            assert_eq!(kept[0].left(OLD.with(settings)), left, "{settings:?}");
        }
        again.remove(dir.path());
        assert_eq!(Journal::load(dir.path(), ME).unwrap(), None);
    }

    #[test]
    fn journals_of_ended_processes_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let me = m5_process::Process::open(std::process::id() as i32).unwrap().identity();
        let recycled = Identity { start_ticks: me.start_ticks + 1, ..me };
        for identity in [me, recycled, Identity { pid: i32::MAX, start_ticks: 1 }] {
            Journal { frozen: true, ..Journal::new(identity, None) }.save(dir.path()).unwrap();
        }
        sweep(dir.path());
        assert!(Journal::load(dir.path(), me).unwrap().is_some());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_journal_of_another_boot_or_a_broken_one_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = Journal { boot: "another".to_owned(), ..Journal::new(ME, None) };
        foreign.save(dir.path()).unwrap();
        assert_eq!(Journal::load(dir.path(), ME).unwrap(), None);
        fs::write(path(dir.path(), ME), b"{").unwrap();
        assert!(matches!(Journal::load(dir.path(), ME), Err(TuneError::Journal { .. })));
    }
}
