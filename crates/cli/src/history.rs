//! Why a history cannot be used, for a person: what happened, the remedy, the exit code.

use crate::exit::Exit;
use m5_agent::history::HistoryError;
use m5_report::Lang;
use m5_report::texts::History;

/// How m5 ends.
pub(crate) fn exit(error: &HistoryError) -> Exit {
    match error {
        HistoryError::Busy { .. } => Exit::Usage,
        HistoryError::Nothing { .. } | HistoryError::Full { .. } => Exit::Incomplete,
        _ => Exit::Unreadable,
    }
}

/// What happened.
pub(crate) fn message(error: &HistoryError, lang: Lang) -> String {
    match error {
        HistoryError::Foreign { path } => lang.fill(History::Foreign, &[&path.display()]),
        HistoryError::Newer { path, version, .. } => lang.fill(History::Newer, &[&path.display(), version]),
        HistoryError::Damaged { path, detail } => lang.fill(History::Damaged, &[&path.display(), detail]),
        HistoryError::Busy { path } => lang.fill(History::Busy, &[&path.display()]),
        HistoryError::Nothing { path } => lang.fill(History::Nothing, &[&path.display()]),
        HistoryError::Io { .. } | HistoryError::Full { .. } | HistoryError::Store { .. } => {
            lang.fill(History::Failed, &[error])
        }
    }
}

/// What to do about it.
pub(crate) fn remedy(error: &HistoryError) -> History {
    match error {
        HistoryError::Foreign { .. } => History::ForeignRemedy,
        HistoryError::Newer { .. } => History::NewerRemedy,
        HistoryError::Damaged { .. } => History::DamagedRemedy,
        HistoryError::Busy { .. } => History::BusyRemedy,
        HistoryError::Nothing { .. } => History::NothingRemedy,
        HistoryError::Io { .. } | HistoryError::Full { .. } | HistoryError::Store { .. } => {
            History::FailedRemedy
        }
    }
}
