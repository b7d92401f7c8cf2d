//! One row for each thing that may go wrong: how m5 ends, a word for programs, what happened, what to do.

use super::explained::Explained;
use super::{CliError, containers, history, tuning};
use crate::exit::Exit;
use m5_agent::fleet::FleetError;
use m5_cpython::Instead;
use m5_report::texts::{Bench, Fault, Fleet, Serve, Soak, Top, TuneWords};
use m5_report::{Lang, units};

/// A row: how m5 ends, a word for programs, what happened; then what to do about it, if anything is known.
macro_rules! row {
    ($lang:ident, $exit:ident, $word:literal, $text:path $([$($value:expr),*])? $(=> $remedy:path)?) => {{
        let row = Explained::new(Exit::$exit, $word, $lang.fill($text, &[$($(&$value),*)?]));
        $(let row = row.remedy($lang, $remedy);)?
        row
    }};
}

impl CliError {
    /// What it means, in a language.
    pub(crate) fn explain(&self, lang: Lang) -> Explained {
        let row = self.row(lang);
        // Whatever was being read: it is not that which is to be mended.
        match row.lacks_descriptors() {
            true => Explained { remedies: Vec::new(), ..row }.remedy(lang, Fault::NoFilesRemedy),
            false => row,
        }
    }

    fn row(&self, lang: Lang) -> Explained {
        match self {
            Self::Tune(error) => tuning::explain(error, lang),
            Self::History(error) => history::explain(error, lang),
            Self::Permission { pid, what } => Explained {
                remedies: m5_agent::permission_remedies(*pid, lang),
                ..row!(lang, Permission, "permission", Fault::Permission[what, pid])
            },
            Self::Gone { pid } => {
                let mut row = row!(lang, Gone, "gone", Fault::NoSuchProcess[pid]);
                row.remedies = containers::numbers(*pid, lang);
                row.remedy(lang, Fault::NoSuchProcessRemedy)
            }
            Self::EndedEarly => row!(lang, Gone, "gone", Fault::EndedEarly => Fault::EndedEarlyRemedy),
            Self::Replaced { pid, after: None } => {
                row!(lang, Incomplete, "replaced", Fault::Replaced[pid] => Fault::ReplacedRemedy)
            }
            Self::Replaced { pid, after: Some(after) } => {
                let after = units::span(after.as_secs_f64());
                row!(lang, Incomplete, "replaced", Fault::ReplacedAfter[pid, after] => Fault::ReplacedRemedy)
            }
            Self::NotPython { pid, instead } => not_python(*pid, instead, lang),
            Self::Unsupported { pid, found } => {
                row!(lang, Unreadable, "unsupported", Fault::Unsupported[pid, found] => Fault::UnsupportedRemedy)
            }
            Self::FreeThreaded { pid, version } => {
                row!(lang, Unreadable, "free_threaded", Fault::FreeThreaded[pid, version] => Fault::FreeThreadedRemedy)
            }
            Self::Starting { pid } => {
                row!(lang, Incomplete, "starting", Fault::Starting[pid] => Fault::StartingRemedy)
            }
            Self::Bpf { pid, message, permission: true } => {
                row!(lang, Permission, "bpf", Fault::Bpf[pid, message] => Fault::BpfRemedy)
            }
            Self::Bpf { pid, message, permission: false } => {
                row!(lang, Unreadable, "bpf", Fault::Bpf[pid, message] => Fault::BpfLackRemedy)
            }
            Self::Busy { pid } => {
                row!(lang, Incomplete, "busy", Fault::Busy[pid] => Fault::BusyRemedy)
            }
            Self::Pauses { message } => {
                row!(lang, Unreadable, "pauses", Fault::Kernel[message] => Fault::PausesRemedy)
            }
            Self::Kernel { message } => {
                row!(lang, Unreadable, "kernel", Fault::Kernel[message] => Fault::KernelRemedy)
            }
            Self::Refused { pid, reason } => {
                row!(lang, Unreadable, "refused", Fault::Refused[pid, reason] => Fault::RefusedRemedy)
            }
            Self::NoRoom { reason } => {
                row!(lang, Unreadable, "no_room", Fault::NoRoom[reason] => Fault::NoRoomRemedy)
            }
            Self::NoFiles { most } => {
                row!(lang, Unreadable, "no_files", Fault::NoFiles[most] => Fault::NoFilesRemedy)
            }
            Self::NoMemory => {
                row!(lang, Unreadable, "no_memory", Fault::NoMemory => Fault::NoMemoryRemedy)
            }
            Self::NotTrimmed { pid, reason } => {
                row!(lang, Unreadable, "not_trimmed", Fault::NotTrimmed[pid, reason] => Fault::NotTrimmedRemedy)
            }
            Self::OtherLibrary { pid, reason } => {
                row!(lang, Unreadable, "not_trimmed", Fault::NotTrimmed[pid, reason] => Fault::OtherLibraryRemedy)
            }
            Self::Core { path, reason } => row!(lang, Unreadable, "core_file", Fault::Core[path, reason]),
            Self::Unreadable { path, reason } => {
                row!(lang, Unreadable, "file", Fault::FileUnreadable[path, reason] => Fault::FileUnreadableRemedy)
            }
            Self::Foreign { path } => {
                row!(lang, Unreadable, "file", Fault::FileForeign[path] => Fault::FileForeignRemedy)
            }
            Self::Malformed { path, reason } => {
                row!(lang, Unreadable, "file", Fault::FileMalformed[path, reason] => Fault::FileMalformedRemedy)
            }
            Self::Schema { path, found, reads } => {
                row!(lang, Unreadable, "file", Fault::FileSchema[path, found, reads] => Fault::FileSchemaRemedy)
            }
            Self::Write { path, reason } => {
                row!(lang, Incomplete, "write", Fault::WriteFailed[path, reason] => Fault::WriteFailedRemedy)
            }
            Self::Exists { path } => row!(lang, Usage, "exists", Fault::Exists[path] => Fault::ExistsRemedy),
            Self::ReportOnly { path } => {
                row!(lang, Usage, "usage", Fault::ReportOnly[path] => Fault::ReportOnlyRemedy)
            }
            Self::Spool { path, reason } => {
                row!(lang, Usage, "spool", Fault::Spool[path, reason] => Fault::SpoolRemedy)
            }
            Self::Config { path, reason } => {
                row!(lang, Usage, "settings", Fault::Config[path, reason] => Fault::ConfigRemedy)
            }
            Self::NoSettings { path, reason } => {
                row!(lang, Unreadable, "settings", Fault::SettingsUnreadable[path, reason] => Fault::SettingsUnreadableRemedy)
            }
            Self::NoTarget => row!(lang, Usage, "usage", Fault::NoTarget => Fault::NoTargetRemedy),
            Self::PidVariable { value, reason } => {
                row!(lang, Usage, "usage", Fault::PidVariable[value, reason] => Fault::PidVariableRemedy)
            }
            Self::ManyTargets { found } => {
                row!(lang, Usage, "usage", Fault::ManyTargets[found] => Fault::ManyTargetsRemedy)
            }
            Self::OneTarget { count } => {
                row!(lang, Usage, "usage", Fault::OneTarget[count] => Fault::ManyTargetsRemedy)
            }
            Self::Format { known } => row!(lang, Usage, "usage", Fault::FormatUnknown[known]),
            Self::TwoFiles => row!(lang, Usage, "usage", Fault::TwoFiles),
            Self::Mixed => row!(lang, Usage, "usage", Bench::Mixed),
            Self::NotIterable => row!(lang, Usage, "usage", Bench::NotIterable => Bench::NotIterableRemedy),
            Self::NoTerminal => row!(lang, Usage, "usage", Top::NoTerminal => Top::NoTerminalRemedy),
            Self::Spawn { command, reason } => {
                row!(lang, Usage, "command", Fault::Spawn[command, reason] => Fault::SpawnRemedy)
            }
            Self::NothingToTry { asked, known } => {
                row!(lang, Usage, "nothing_to_try", TuneWords::NothingToTry[asked, known])
            }
            Self::OtherSearch { path } => {
                row!(lang, Usage, "other_search", TuneWords::OtherSearch[path] => TuneWords::OtherSearchRemedy)
            }
            Self::NotMeasured { command, reason } => {
                row!(lang, Incomplete, "command", TuneWords::NotMeasured[command, reason] => Bench::FailedRemedy)
            }
            Self::RunFailed { command, status } => {
                row!(lang, Incomplete, "command", Bench::Failed[command, status] => Bench::FailedRemedy)
            }
            Self::NoEngine { path } => {
                row!(lang, Usage, "engine", Soak::NoEngine[path] => Soak::NoEngineRemedy)
            }
            Self::NoClock { path } => {
                row!(lang, Incomplete, "engine", Soak::NoClock[path] => Soak::NoClockRemedy)
            }
            Self::OtherPlan { path } => {
                row!(lang, Usage, "plan", Soak::OtherPlan[path] => Soak::OtherPlanRemedy)
            }
            Self::Fleet(FleetError::Unreachable { url, detail }) => {
                row!(lang, Unreadable, "prometheus", Fleet::Unreachable[url, detail] => Fleet::UnreachableRemedy)
            }
            Self::Fleet(FleetError::Refused { detail }) => {
                row!(lang, Unreadable, "prometheus", Fleet::Refused[detail] => Fleet::UnreachableRemedy)
            }
            Self::Fleet(FleetError::Foreign { url, detail }) => {
                row!(lang, Unreadable, "prometheus", Fleet::Foreign[url, detail] => Fleet::UnreachableRemedy)
            }
            Self::Workload(error) => row!(lang, Usage, "load", Fault::Kernel[error] => Fault::WorkloadRemedy),
            Self::Open { message } => row!(lang, Usage, "listen", Fault::Kernel[message]),
            Self::Web { message } => row!(lang, Usage, "listen", Fault::Kernel[message] => Serve::Remedy),
            Self::Otlp { message } => row!(lang, Usage, "otlp", Fault::Kernel[message]),
        }
    }
}

/// A process without an interpreter, by what it is instead.
fn not_python(pid: i32, instead: &Instead, lang: Lang) -> Explained {
    match instead {
        Instead::Zombie { parent } => {
            row!(lang, Gone, "zombie", Fault::Zombie[pid, parent] => Fault::ZombieRemedy)
        }
        Instead::Other { name } => {
            row!(lang, Unreadable, "not_cpython", Fault::OtherPython[pid, name] => Fault::OtherPythonRemedy)
        }
        Instead::Old { version } => {
            row!(lang, Unreadable, "old_python", Fault::OldPython[pid, version] => Fault::OtherPythonRemedy)
        }
        Instead::Around { name, below } => {
            let below: Vec<String> = below.iter().map(ToString::to_string).collect();
            let below = below.join(", ");
            row!(lang, Unreadable, "not_python", Fault::Around[pid, name, below] => Fault::AroundRemedy)
        }
        Instead::Nothing => {
            let mut row = row!(lang, Unreadable, "not_python", Fault::NotPython[pid]);
            row.remedies = containers::numbers(pid, lang);
            row.remedy(lang, Fault::NotPythonRemedy)
        }
    }
}
