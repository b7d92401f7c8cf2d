//! Why tuning failed, for a person: what happened, the remedy, the exit code.

use crate::exit::Exit;
use m5_gc::tune::TuneError;
use m5_report::Lang;
use m5_report::texts::TuneFault;

/// How m5 ends.
pub(crate) fn exit(error: &TuneError) -> Exit {
    match error {
        TuneError::Threshold(_) | TuneError::NothingToUndo { .. } => Exit::Usage,
        TuneError::NoRemote { .. } | TuneError::Doubt { .. } => Exit::Unreadable,
        TuneError::RemoteDisabled { .. } => Exit::Permission,
        _ => Exit::Incomplete,
    }
}

/// What happened.
pub(crate) fn message(error: &TuneError, lang: Lang) -> String {
    match error {
        TuneError::Doubt { pid, doubt } => lang.fill(TuneFault::Doubt, &[pid, doubt]),
        TuneError::Threshold(value) => lang.fill(TuneFault::Threshold, &[value]),
        TuneError::NotObeyed { pid, wanted, found } => lang.fill(TuneFault::NotObeyed, &[pid, found, wanted]),
        TuneError::NothingToUndo { pid } => lang.fill(TuneFault::NothingToUndo, &[pid]),
        TuneError::Journal { path, source } => lang.fill(TuneFault::Journal, &[&path.display(), source]),
        TuneError::NoRemote { pid, version } => lang.fill(TuneFault::NoRemote, &[pid, version]),
        TuneError::RemoteDisabled { pid } => lang.fill(TuneFault::RemoteDisabled, &[pid]),
        TuneError::RemoteTimeout { pid, seconds } => lang.fill(TuneFault::RemoteTimeout, &[pid, seconds]),
        TuneError::RemoteFailed { pid, reason } => lang.fill(TuneFault::RemoteFailed, &[pid, reason]),
        TuneError::Cpython(error) => error.to_string(),
        TuneError::Target(error) => error.to_string(),
    }
}

/// What to do about it.
pub(crate) fn remedies(error: &TuneError, lang: Lang) -> Vec<String> {
    let text = match error {
        TuneError::Doubt { .. } => TuneFault::DoubtRemedy,
        TuneError::Threshold(_) => TuneFault::ThresholdRemedy,
        TuneError::NotObeyed { .. } => TuneFault::NotObeyedRemedy,
        TuneError::NothingToUndo { .. } => TuneFault::NothingToUndoRemedy,
        TuneError::Journal { .. } => TuneFault::JournalRemedy,
        TuneError::NoRemote { .. } => TuneFault::NoRemoteRemedy,
        TuneError::RemoteDisabled { .. } => TuneFault::RemoteDisabledRemedy,
        TuneError::RemoteTimeout { .. } => TuneFault::RemoteTimeoutRemedy,
        TuneError::RemoteFailed { .. } => TuneFault::RemoteFailedRemedy,
        TuneError::Cpython(_) | TuneError::Target(_) => return Vec::new(),
    };
    vec![lang.say(text).to_owned()]
}
