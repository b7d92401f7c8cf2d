//! Why tuning failed, for a person.

use super::explained::Explained;
use crate::exit::Exit;
use m5_gc::tune::TuneError;
use m5_report::Lang;
use m5_report::texts::TuneFault as Text;

/// A row of the table.
pub(super) fn explain(error: &TuneError, lang: Lang) -> Explained {
    use TuneError as E;
    let (exit, message, remedy) = match error {
        E::Doubt { pid, doubt } => {
            (Exit::Unreadable, lang.fill(Text::Doubt, &[pid, doubt]), Text::DoubtRemedy)
        }
        E::Threshold(value) => (Exit::Usage, lang.fill(Text::Threshold, &[value]), Text::ThresholdRemedy),
        E::NotObeyed { pid, wanted, found } => {
            (Exit::Incomplete, lang.fill(Text::NotObeyed, &[pid, found, wanted]), Text::NotObeyedRemedy)
        }
        E::NothingToUndo { pid } => {
            (Exit::Usage, lang.fill(Text::NothingToUndo, &[pid]), Text::NothingToUndoRemedy)
        }
        E::Journal { path, source } => {
            (Exit::Incomplete, lang.fill(Text::Journal, &[&path.display(), source]), Text::JournalRemedy)
        }
        E::NoRemote { pid, version } => {
            (Exit::Unreadable, lang.fill(Text::NoRemote, &[pid, version]), Text::NoRemoteRemedy)
        }
        E::RemoteDisabled { pid } => {
            (Exit::Permission, lang.fill(Text::RemoteDisabled, &[pid]), Text::RemoteDisabledRemedy)
        }
        E::RemoteTimeout { pid, seconds } => {
            (Exit::Incomplete, lang.fill(Text::RemoteTimeout, &[pid, seconds]), Text::RemoteTimeoutRemedy)
        }
        E::RemoteFailed { pid, reason } => {
            (Exit::Incomplete, lang.fill(Text::RemoteFailed, &[pid, reason]), Text::RemoteFailedRemedy)
        }
        E::Cpython(_) | E::Process(_) | E::Interrupted { .. } | E::Replaced { .. } => {
            return Explained::new(Exit::Incomplete, "tuning", error.to_string());
        }
    };
    Explained::new(exit, "tuning", message).remedy(lang, remedy)
}
