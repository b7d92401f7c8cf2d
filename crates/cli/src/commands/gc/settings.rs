//! `m5 gc --show`, `--set`, `--undo` and `--freeze`: the settings of a running collector, by hand.

use super::GcArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use crate::target;
use m5_cpython::Interpreter;
use m5_gc::tune::{self, Tuner, journal_dir};
use m5_process::Process;
use m5_report::texts::Gc;
use serde_json::json;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A process, its interpreter, and what tunes it.
pub(super) fn open(args: &GcArgs, ctx: &Ctx) -> Result<(Process, Interpreter, Tuner), CliError> {
    let (process, _) = target::one(&args.target, ctx)?;
    let interpreter = attach(&process)?;
    let tuner = Tuner::new(&process, &interpreter, journal_dir());
    Ok((process, interpreter, tuner))
}

/// Attaches; an interpreter that is just starting is waited for.
pub(super) fn attach(process: &Process) -> Result<Interpreter, CliError> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match Interpreter::attach(process) {
            Err(m5_cpython::Error::Starting { .. }) if Instant::now() < deadline => {
                sleep(Duration::from_millis(5));
            }
            other => return Ok(other?),
        }
    }
}

pub(super) fn show(args: &GcArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _, tuner) = open(args, ctx)?;
    let (now, journal) = (tuner.show()?, tuner.journal()?);
    let kept = journal.as_ref().map(|j| j.kept.clone()).unwrap_or_default();
    let frozen = journal.as_ref().is_some_and(|j| j.frozen);
    let unconfirmed = journal.is_some_and(|j| j.unconfirmed);
    let document = json!({"schema": "m5.gc-settings/1", "pid": process.pid(), "interpreters": now,
        "changed_by_m5": kept, "frozen_by_m5": frozen, "unconfirmed": unconfirmed});
    ctx.emit_document(json, &document, |style| {
        let lang = style.lang;
        let mut lines: Vec<String> =
            now.iter().map(|s| lang.fill(Gc::Shown, &[&s.interpreter, &s.settings])).collect();
        lines.extend(kept.iter().map(|k| lang.fill(Gc::ShownChanged, &[&k.before])));
        lines.extend(frozen.then(|| lang.say(Gc::ShownFrozen).to_owned()));
        lines.extend(unconfirmed.then(|| lang.say(Gc::ShownUnconfirmed).to_owned()));
        lines.join("\n") + "\n"
    })?;
    Ok(Exit::Fine)
}

pub(super) fn set(args: &GcArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _, tuner) = open(args, ctx)?;
    let (pid, now) = (process.pid(), tuner.show()?);
    tuner.ready()?;
    let enabled = (args.enable || args.disable).then_some(args.enable);
    for current in &now {
        if let Some(thresholds) = args.set {
            let wanted = current.settings.with(thresholds);
            ctx.note(Gc::Announce, &[&pid, &wanted, &current.settings]);
        }
        if let Some(on) = enabled {
            ctx.note(Gc::AnnounceEnabled, &[&pid, &ctx.lang.say(if on { Gc::On } else { Gc::Off })]);
        }
    }
    let before = tuner.set(args.set, enabled)?;
    let after = tuner.show()?;
    let document = json!({"schema": "m5.gc-settings/1", "pid": pid, "before": before, "interpreters": after});
    ctx.emit_document(json, &document, |style| {
        let changed = before.iter().zip(&after);
        let mut lines: Vec<String> = changed
            .map(|(old, new)| style.lang.fill(Gc::Changed, &[&old.interpreter, &old.settings, &new.settings]))
            .collect();
        lines.push(style.lang.fill(Gc::UndoHint, &[&pid]));
        lines.join("\n") + "\n"
    })?;
    Ok(Exit::Fine)
}

pub(super) fn undo(args: &GcArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _, tuner) = open(args, ctx)?;
    let undone = tuner.undo()?;
    let thawed = undone.frozen.then(|| tuner.unfreeze()).transpose()?;
    let document = json!({"schema": "m5.gc-undo/1", "pid": process.pid(), "undone": undone,
        "unfrozen_objects": thawed.map(|t| t.before)});
    ctx.emit_document(json, &document, |style| {
        let lang = style.lang;
        let back = undone.restored.iter().map(|s| lang.fill(Gc::Restored, &[&s.interpreter, &s.settings]));
        let since = undone.changed_since.iter();
        let since = since.map(|s| lang.fill(Gc::ChangedSince, &[&s.interpreter, &s.settings]));
        let thawed = thawed.map(|t| lang.fill(Gc::Thawed, &[&t.before]));
        back.chain(since).chain(thawed).fold(String::new(), |out, line| out + &line + "\n")
    })?;
    Ok(if undone.changed_since.is_empty() { Exit::Fine } else { Exit::Incomplete })
}

pub(super) fn freeze(args: &GcArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _, tuner) = open(args, ctx)?;
    let frozen = freeze_now(&process, &tuner, ctx)?;
    let document = json!({"schema": "m5.gc-freeze/1", "pid": process.pid(),
        "frozen_before": frozen.before, "frozen_after": frozen.after});
    ctx.emit_document(json, &document, |style| {
        let lang = style.lang;
        let now = lang.fill(Gc::FrozenNow, &[&frozen.after, &frozen.before]);
        format!("{now}\n{}\n", lang.fill(Gc::UndoHint, &[&process.pid()]))
    })?;
    Ok(Exit::Fine)
}

/// Announces and freezes; Ctrl-C takes it back.
pub(super) fn freeze_now(process: &Process, tuner: &Tuner, ctx: &Ctx) -> Result<tune::Frozen, CliError> {
    tuner.can_freeze()?;
    ctx.note(Gc::FreezeAnnounce, &[&process.pid()]);
    let stop = Stop::listen();
    Ok(tuner.freeze(&|| !stop.asked())?)
}
