//! Why a history cannot be used, for a person.

use super::explained::Explained;
use crate::exit::Exit;
use m5_agent::history::HistoryError;
use m5_report::Lang;
use m5_report::texts::History;

/// A row of the table.
pub(super) fn explain(error: &HistoryError, lang: Lang) -> Explained {
    use HistoryError as E;
    let (exit, message, remedy) = match error {
        E::Foreign { path } => {
            (Exit::Unreadable, lang.fill(History::Foreign, &[&path.display()]), History::ForeignRemedy)
        }
        E::Newer { path, version, .. } => {
            (Exit::Unreadable, lang.fill(History::Newer, &[&path.display(), version]), History::NewerRemedy)
        }
        E::Damaged { path, detail } => (
            Exit::Unreadable,
            lang.fill(History::Damaged, &[&path.display(), detail]),
            History::DamagedRemedy,
        ),
        E::Busy { path } => (Exit::Usage, lang.fill(History::Busy, &[&path.display()]), History::BusyRemedy),
        E::Nothing { path } => {
            (Exit::Incomplete, lang.fill(History::Nothing, &[&path.display()]), History::NothingRemedy)
        }
        E::Full { .. } => (Exit::Incomplete, lang.fill(History::Failed, &[error]), History::FailedRemedy),
        E::Io { .. } | E::Store { .. } => {
            (Exit::Unreadable, lang.fill(History::Failed, &[error]), History::FailedRemedy)
        }
    };
    Explained::new(exit, "history", message).remedy(lang, remedy)
}
