//! Changes the settings of a live collector, in every interpreter of a process, and puts them back.

use super::error::{Result, TuneError};
use super::journal::{Journal, sweep};
use super::remote::{self, Frozen};
use super::settings::Settings;
use super::writing::{goes_on, write};
use m5_cpython::Interpreter;
use m5_cpython::layout::{GENERATION_SIZE, THRESHOLD};
use m5_process::{Execution, Process};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The settings of one interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterpreterSettings {
    /// The interpreter's number; 0 is the main one.
    pub interpreter: i64,
    /// Its settings.
    pub settings: Settings,
}

/// What an undo came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Undone {
    /// Interpreters whose settings were put back.
    pub restored: Vec<InterpreterSettings>,
    /// Interpreters whose program has changed its settings since m5 did: they were left alone.
    pub changed_since: Vec<InterpreterSettings>,
    /// Interpreters that no longer exist.
    pub gone: usize,
    /// Whether m5 also froze the heap, which only the interpreter itself can undo.
    pub frozen: bool,
}

/// Tunes one process.
#[derive(Debug)]
pub struct Tuner {
    process: Process,
    /// Nothing is written into what it may execute after this one.
    execution: Execution,
    main: Interpreter,
    dir: PathBuf,
}

impl Tuner {
    /// Prepares to tune; nothing is read or written yet. `dir` is where the journal lies
    /// ([`super::journal_dir`]).
    #[must_use]
    pub fn new(process: &Process, interpreter: &Interpreter, dir: PathBuf) -> Self {
        let execution = Execution::held(process);
        Self { process: process.clone(), execution, main: interpreter.clone(), dir }
    }

    /// The settings of every interpreter, the main one first.
    ///
    /// # Errors
    /// [`TuneError`] where an interpreter cannot be read: the process has ended.
    pub fn show(&self) -> Result<Vec<InterpreterSettings>> {
        let read = |i: &Interpreter| {
            let settings = Settings::of(&i.read()?);
            Ok(InterpreterSettings { interpreter: i.id(), settings })
        };
        self.main.all()?.iter().map(read).collect()
    }

    /// What m5 has changed in this process, by the journal.
    ///
    /// # Errors
    /// [`TuneError::Journal`].
    pub fn journal(&self) -> Result<Option<Journal>> {
        let journal = Journal::load(&self.dir, self.process.identity())?;
        match journal {
            Some(other) if other.is_of_another(self.execution.mark()) => {
                self.discard(&other);
                Ok(None)
            }
            journal => Ok(journal),
        }
    }

    /// A journal, of nothing where there is none.
    fn noted(&self) -> Result<Journal> {
        let new = || Journal::new(self.process.identity(), self.execution.mark());
        Ok(self.journal()?.unwrap_or_else(new))
    }

    /// Removes what is left of an execution that is over: its script does not run in the next one.
    fn discard(&self, journal: &Journal) {
        if let Some(folder) = &journal.exchange {
            let _ = std::fs::remove_dir_all(folder);
        }
        journal.remove(&self.dir);
    }

    /// Whether every interpreter of the process may be written to, before anything is announced.
    ///
    /// # Errors
    /// What speaks against it.
    pub fn ready(&self) -> Result<()> {
        self.main.all()?.iter().try_for_each(|i| self.check(i))
    }

    /// Changes the thresholds, or whether collection is on, or both, in every interpreter; returns what was
    /// before.
    ///
    /// # Errors
    /// Then nothing is left changed.
    pub fn set(
        &self,
        thresholds: Option<[i32; 3]>,
        enabled: Option<bool>,
    ) -> Result<Vec<InterpreterSettings>> {
        if let Some(wrong) = thresholds.iter().flatten().find(|t| **t < 0) {
            return Err(TuneError::Threshold(i64::from(*wrong)));
        }
        sweep(&self.dir);
        let all = self.main.all()?;
        let mut journal = self.noted()?;
        let mut changes = Vec::new();
        for interpreter in &all {
            self.check(interpreter)?;
            let before = Settings::of(&interpreter.read()?);
            let wanted = Settings {
                thresholds: thresholds.unwrap_or(before.thresholds),
                enabled: enabled.unwrap_or(before.enabled),
            };
            journal.note(interpreter.id(), before, wanted);
            changes.push((interpreter, before, wanted));
        }
        journal.unconfirmed = true;
        journal.save(&self.dir)?;
        for (done, (interpreter, _, wanted)) in changes.iter().enumerate() {
            if let Err(error) = self.write(interpreter, *wanted) {
                for (interpreter, before, _) in &changes[..=done] {
                    let _ = self.write(interpreter, *before);
                }
                return Err(error);
            }
        }
        // Each was read back. Where the disk is full by now, the intent is still there and undoes it.
        journal.unconfirmed = false;
        let _ = journal.save(&self.dir);
        let before = |(i, settings, _): &(&Interpreter, Settings, Settings)| InterpreterSettings {
            interpreter: i.id(),
            settings: *settings,
        };
        Ok(changes.iter().map(before).collect())
    }

    /// Puts back settings that [`Tuner::set`] returned. A process that has ended, or executes something else, needs
    /// nothing.
    ///
    /// # Errors
    /// [`TuneError`] where a setting cannot be read or written; the journal then still says what to put back.
    pub fn restore(&self, before: &[InterpreterSettings]) -> Result<()> {
        let Some(mut journal) = self.journal()? else { return Ok(()) };
        if !self.execution.goes_on() {
            self.discard(&journal);
            return Ok(());
        }
        for interpreter in &self.main.all()? {
            if let Some(old) = before.iter().find(|b| b.interpreter == interpreter.id()) {
                self.check(interpreter)?;
                self.write(interpreter, old.settings)?;
                journal.note(old.interpreter, old.settings, old.settings);
            }
        }
        journal.forget_restored();
        self.keep(&journal)
    }

    /// Puts back what was before m5's first change. What the program itself has changed since stays.
    ///
    /// # Errors
    /// [`TuneError::NothingToUndo`]; others where a setting cannot be read or written.
    pub fn undo(&self) -> Result<Undone> {
        let pid = self.process.pid();
        let mut journal = self.journal()?.ok_or(TuneError::NothingToUndo { pid })?;
        let all = self.main.all()?;
        let mut undone = Undone { frozen: journal.frozen, ..Undone::default() };
        for kept in &journal.kept {
            let Some(interpreter) = all.iter().find(|i| i.id() == kept.interpreter) else {
                undone.gone += 1;
                continue;
            };
            let now = Settings::of(&interpreter.read()?);
            let entry = |settings| InterpreterSettings { interpreter: kept.interpreter, settings };
            if !kept.left(now) {
                undone.changed_since.push(entry(now));
                continue;
            }
            self.check(interpreter)?;
            self.write(interpreter, kept.before)?;
            undone.restored.push(entry(kept.before));
        }
        journal.kept.clear();
        journal.unconfirmed = false;
        self.keep(&journal)?;
        self.clear_exchange()?;
        Ok(undone)
    }

    /// Notes in the journal whether the heap is frozen by m5, or (`unconfirmed`) is about to be.
    fn note_frozen(&self, frozen: bool, unconfirmed: bool) -> Result<()> {
        let mut journal = self.noted()?;
        (journal.frozen, journal.unconfirmed) = (frozen, unconfirmed);
        self.keep(&journal)
    }

    /// Collects once, then freezes what lives: later collections no longer walk it. Written down before it is done,
    /// so that `undo` knows of it whenever m5 ends; where `go_on` says no, it is taken back.
    ///
    /// # Errors
    /// As [`remote::freeze`], and [`TuneError::Interrupted`]; then nothing is left frozen by it.
    pub fn freeze(&self, go_on: &dyn Fn() -> bool) -> Result<Frozen> {
        self.can_freeze()?;
        sweep(&self.dir);
        self.clear_exchange()?;
        let before = self.journal()?.is_some_and(|j| j.frozen);
        self.note_frozen(true, true)?;
        match remote::freeze(&self.execution, &self.main, &|folder| self.note_exchange(folder), go_on) {
            Ok(frozen) if go_on() => {
                self.clear_exchange()?;
                self.note_frozen(true, false).map(|()| frozen)
            }
            _ if self.execution.replaced() => {
                // What was frozen went with the old program.
                if let Some(journal) = self.journal()? {
                    self.discard(&journal);
                }
                Err(TuneError::Replaced { pid: self.process.pid() })
            }
            done => {
                self.clear_exchange()?;
                if done.is_ok() || self.main.frozen().unwrap_or(false) && !before {
                    remote::unfreeze(&self.execution, &self.main, &|folder| self.note_exchange(folder))?;
                    self.clear_exchange()?;
                }
                self.note_frozen(before, false)?;
                done.and(Err(TuneError::Interrupted { pid: self.process.pid() }))
            }
        }
    }

    /// Whether [`Tuner::freeze`] can be asked for, before it is announced.
    ///
    /// # Errors
    /// Where the interpreter has no remote execution or does not allow it.
    pub fn can_freeze(&self) -> Result<()> {
        remote::can_freeze(&self.process, &self.main)
    }

    /// Puts frozen objects back into the oldest generation, and notes that.
    ///
    /// # Errors
    /// As [`remote::unfreeze`].
    pub fn unfreeze(&self) -> Result<Frozen> {
        goes_on(&self.execution)?;
        self.clear_exchange()?;
        let thawed = remote::unfreeze(&self.execution, &self.main, &|folder| self.note_exchange(folder))?;
        self.clear_exchange()?;
        self.note_frozen(false, false)?;
        Ok(thawed)
    }

    fn note_exchange(&self, folder: &Path) -> Result<()> {
        let mut journal = self.noted()?;
        journal.exchange = Some(folder.to_owned());
        journal.save(&self.dir)
    }

    /// Removes the folder that an m5 left which was killed in the middle.
    fn clear_exchange(&self) -> Result<()> {
        let Some(mut journal) = self.journal()? else { return Ok(()) };
        if let Some(folder) = journal.exchange.take() {
            // Its script must not be looked for once it is gone.
            remote::withdraw(&self.execution, &self.main, &folder);
            let _ = std::fs::remove_dir_all(folder);
            self.keep(&journal)?;
        }
        Ok(())
    }

    /// Saves the journal, or removes it where it no longer says anything.
    fn keep(&self, journal: &Journal) -> Result<()> {
        if journal.is_void() {
            journal.remove(&self.dir);
            return Ok(());
        }
        journal.save(&self.dir)
    }

    /// Same process, same execution, and nothing speaks against the layout.
    fn check(&self, interpreter: &Interpreter) -> Result<()> {
        let pid = self.process.pid();
        goes_on(&self.execution)?;
        match interpreter.doubt_before_write()? {
            Some(doubt) => Err(TuneError::Doubt { pid, doubt }),
            None => Ok(()),
        }
    }

    /// Writes only what differs, and reads it back.
    fn write(&self, interpreter: &Interpreter, wanted: Settings) -> Result<()> {
        let pid = self.process.pid();
        let (gc, layout) = (interpreter.gc_address(), interpreter.layout());
        let now = Settings::of(&interpreter.read()?);
        for (generation, threshold) in wanted.thresholds.iter().enumerate() {
            if now.thresholds[generation] != *threshold {
                let at = gc + layout.generations + GENERATION_SIZE * generation as u64 + THRESHOLD;
                write(&self.execution, at, &threshold.to_le_bytes())?;
            }
        }
        if now.enabled != wanted.enabled {
            write(&self.execution, gc + layout.enabled, &i32::from(wanted.enabled).to_le_bytes())?;
        }
        let found = Settings::of(&interpreter.read()?);
        if found == wanted { Ok(()) } else { Err(TuneError::NotObeyed { pid, wanted, found }) }
    }
}
