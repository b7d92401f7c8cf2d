//! Everything that may go wrong, with what to do about it and how m5 then ends.

use crate::ctx::Ctx;
use crate::exit::Exit;
use m5_report::Lang;
use m5_report::texts::{Bench, Fault, Fleet, Serve, Soak, Top};
use std::io::Write;

/// An error for a person: what happened, the remedy, the exit code.
#[derive(Debug)]
pub(crate) enum CliError {
    /// No such process, or it is gone.
    Gone { pid: i32 },
    /// Not a CPython process.
    NotPython { pid: i32 },
    /// A CPython that no layout fits.
    Unsupported { pid: i32, found: String },
    /// A free-threaded CPython.
    FreeThreaded { pid: i32, version: String },
    /// An interpreter that is not set up yet.
    Starting { pid: i32 },
    /// The source of pauses that was asked for cannot be had.
    Pauses { message: String },
    /// The kernel refused.
    Permission { pid: i32, what: String },
    /// A running collector was not tuned.
    Tune(m5_gc::tune::TuneError),
    /// Another failure of the kernel's interface.
    Kernel { message: String },
    /// A file cannot be read.
    Unreadable { path: String, reason: String },
    /// A file is not what it should be.
    Malformed { path: String, reason: String },
    /// A file of another schema.
    Schema { path: String, found: String, reads: &'static str },
    /// A report or recording could not be written.
    Write { path: String, reason: String },
    /// The settings file is wrong.
    Config { path: String, reason: String },
    /// Nothing to look at.
    NoTarget,
    /// Too much to look at.
    ManyTargets { found: String },
    /// A command for one process got more.
    OneTarget { count: usize },
    /// A form of report that the command does not have.
    Format { known: String },
    /// A command could not be started.
    Spawn { command: String, reason: String },
    /// A command that was to be measured did not end well.
    RunFailed { command: String, status: String },
    /// A command whose work m5 cannot repeat.
    NotIterable,
    /// Recordings on one side and runs on the other.
    Mixed,
    /// The target ended at once.
    EndedEarly,
    /// The reference engine is not where it should be.
    NoEngine { path: String },
    /// A target tells no event time.
    NoClock { path: String },
    /// A kept soak test has another plan.
    OtherPlan { path: String },
    /// Prometheus did not answer as it should.
    Fleet { message: String },
    /// A command for a terminal has none.
    NoTerminal,
    /// The load that growth should be held against cannot be read.
    Load(m5_agent::load::LoadError),
    /// The exporter cannot serve.
    Web { message: String },
    /// A history cannot be used.
    History(m5_agent::history::HistoryError),
    /// Nothing can be pushed to an OpenTelemetry receiver.
    Otlp { message: String },
    /// `m5 diff` got one file.
    TwoFiles,
    /// A core file that cannot be read, with what to do about it.
    Core { path: String, reason: String },
    /// Its memory cannot be captured safely.
    Refused { pid: i32, reason: String },
}

impl CliError {
    /// Tells the person and says how to end.
    pub(crate) fn report(&self, ctx: &Ctx) -> Exit {
        let lang = ctx.lang;
        let mut text = format!("{}: {}\n", lang.say(Fault::Prefix), self.message(lang));
        for remedy in self.remedies(lang) {
            text.push_str(&format!("  {}: {remedy}\n", lang.say(Fault::Remedy)));
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
        self.exit()
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Tune(error) => crate::commands::gc::faults::exit(error),
            Self::History(error) => crate::history::exit(error),
            Self::Gone { .. } | Self::EndedEarly => Exit::Gone,
            Self::Permission { .. } => Exit::Permission,
            Self::NotPython { .. }
            | Self::Unsupported { .. }
            | Self::FreeThreaded { .. }
            | Self::Pauses { .. }
            | Self::Kernel { .. }
            | Self::Refused { .. }
            | Self::Core { .. }
            | Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::Fleet { .. }
            | Self::Schema { .. } => Exit::Unreadable,
            Self::NoClock { .. } | Self::Write { .. } | Self::Starting { .. } | Self::RunFailed { .. } => {
                Exit::Incomplete
            }
            Self::Config { .. }
            | Self::NoEngine { .. }
            | Self::OtherPlan { .. }
            | Self::NoTarget
            | Self::ManyTargets { .. }
            | Self::OneTarget { .. }
            | Self::TwoFiles
            | Self::Format { .. }
            | Self::NoTerminal
            | Self::NotIterable
            | Self::Mixed
            | Self::Web { .. }
            | Self::Otlp { .. }
            | Self::Load(_)
            | Self::Spawn { .. } => Exit::Usage,
        }
    }

    /// A word for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Gone { .. } | Self::EndedEarly => "gone",
            Self::Permission { .. } => "permission",
            Self::NotPython { .. } => "not_python",
            Self::Unsupported { .. } => "unsupported",
            Self::FreeThreaded { .. } => "free_threaded",
            Self::Starting { .. } => "starting",
            _ => "kernel",
        }
    }

    /// What happened.
    pub(crate) fn message(&self, lang: Lang) -> String {
        match self {
            Self::Tune(error) => crate::commands::gc::faults::message(error, lang),
            Self::History(error) => crate::history::message(error, lang),
            Self::Gone { pid } => lang.fill(Fault::NoSuchProcess, &[pid]),
            Self::NotPython { pid } => lang.fill(Fault::NotPython, &[pid]),
            Self::Unsupported { pid, found } => lang.fill(Fault::Unsupported, &[pid, found]),
            Self::FreeThreaded { pid, version } => lang.fill(Fault::FreeThreaded, &[pid, version]),
            Self::Starting { pid } => lang.fill(Fault::Starting, &[pid]),
            Self::Pauses { message } => lang.fill(Fault::Kernel, &[message]),
            Self::Permission { pid, what } => lang.fill(Fault::Permission, &[what, pid]),
            Self::Kernel { message }
            | Self::Fleet { message }
            | Self::Web { message }
            | Self::Otlp { message } => lang.fill(Fault::Kernel, &[message]),
            Self::Load(error) => lang.fill(Fault::Kernel, &[error]),
            Self::Unreadable { path, reason } => lang.fill(Fault::FileUnreadable, &[path, reason]),
            Self::Malformed { path, reason } => lang.fill(Fault::FileMalformed, &[path, reason]),
            Self::Schema { path, found, reads } => lang.fill(Fault::FileSchema, &[path, found, reads]),
            Self::Write { path, reason } => lang.fill(Fault::WriteFailed, &[path, reason]),
            Self::Config { path, reason } => lang.fill(Fault::Config, &[path, reason]),
            Self::NoTarget => lang.say(Fault::NoTarget).to_owned(),
            Self::ManyTargets { found } => lang.fill(Fault::ManyTargets, &[found]),
            Self::OneTarget { count } => lang.fill(Fault::OneTarget, &[count]),
            Self::Format { known } => lang.fill(Fault::FormatUnknown, &[known]),
            Self::Spawn { command, reason } => lang.fill(Fault::Spawn, &[command, reason]),
            Self::RunFailed { command, status } => lang.fill(Bench::Failed, &[command, status]),
            Self::NotIterable => lang.say(Bench::NotIterable).to_owned(),
            Self::Mixed => lang.say(Bench::Mixed).to_owned(),
            Self::EndedEarly => lang.say(Fault::EndedEarly).to_owned(),
            Self::NoTerminal => lang.say(Top::NoTerminal).to_owned(),
            Self::TwoFiles => lang.say(Fault::TwoFiles).to_owned(),
            Self::Core { path, reason } => lang.fill(Fault::Core, &[path, reason]),
            Self::Refused { pid, reason } => lang.fill(Fault::Refused, &[pid, reason]),
            Self::NoEngine { path } => lang.fill(Soak::NoEngine, &[path]),
            Self::NoClock { path } => lang.fill(Soak::NoClock, &[path]),
            Self::OtherPlan { path } => lang.fill(Soak::OtherPlan, &[path]),
        }
    }

    /// What to do about it, the likeliest first.
    pub(crate) fn remedies(&self, lang: Lang) -> Vec<String> {
        let text = match self {
            Self::Tune(error) => return crate::commands::gc::faults::remedies(error, lang),
            Self::History(error) => return vec![lang.say(crate::history::remedy(error)).to_owned()],
            Self::Permission { pid, .. } => return crate::permission::remedies(*pid, lang),
            Self::Gone { .. } => Fault::NoSuchProcessRemedy,
            Self::NotPython { .. } => Fault::NotPythonRemedy,
            Self::Unsupported { .. } => Fault::UnsupportedRemedy,
            Self::FreeThreaded { .. } => Fault::FreeThreadedRemedy,
            Self::Starting { .. } => Fault::StartingRemedy,
            Self::Pauses { .. } => Fault::PausesRemedy,
            Self::Kernel { .. } => Fault::KernelRemedy,
            Self::Unreadable { .. } => Fault::FileUnreadableRemedy,
            Self::Malformed { .. } => Fault::FileMalformedRemedy,
            Self::Schema { .. } => Fault::FileSchemaRemedy,
            Self::Write { .. } => Fault::WriteFailedRemedy,
            Self::Config { .. } => Fault::ConfigRemedy,
            Self::NoTarget => Fault::NoTargetRemedy,
            Self::ManyTargets { .. } | Self::OneTarget { .. } => Fault::ManyTargetsRemedy,
            Self::Spawn { .. } => Fault::SpawnRemedy,
            Self::EndedEarly => Fault::EndedEarlyRemedy,
            Self::NoTerminal => return vec![lang.say(Top::NoTerminalRemedy).to_owned()],
            Self::Load(_) => Fault::LoadRemedy,
            Self::Web { .. } => return vec![lang.say(Serve::Remedy).to_owned()],
            Self::Fleet { .. } => return vec![lang.say(Fleet::UnreachableRemedy).to_owned()],
            Self::RunFailed { .. } => return vec![lang.say(Bench::FailedRemedy).to_owned()],
            Self::NotIterable => return vec![lang.say(Bench::NotIterableRemedy).to_owned()],
            Self::Mixed => return Vec::new(),
            Self::Refused { .. } => Fault::RefusedRemedy,
            Self::Format { .. } | Self::TwoFiles | Self::Core { .. } | Self::Otlp { .. } => {
                return Vec::new();
            }
            Self::NoEngine { .. } => return vec![lang.say(Soak::NoEngineRemedy).to_owned()],
            Self::NoClock { .. } => return vec![lang.say(Soak::NoClockRemedy).to_owned()],
            Self::OtherPlan { .. } => return vec![lang.say(Soak::OtherPlanRemedy).to_owned()],
        };
        vec![lang.say(text).to_owned()]
    }
}

impl From<m5_agent::load::LoadError> for CliError {
    fn from(error: m5_agent::load::LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<m5_process::Error> for CliError {
    fn from(error: m5_process::Error) -> Self {
        match error {
            m5_process::Error::NoSuchProcess { pid } => Self::Gone { pid },
            m5_process::Error::Permission { pid, what } => Self::Permission { pid, what },
            other => Self::Kernel { message: other.to_string() },
        }
    }
}

impl From<m5_cpython::Error> for CliError {
    fn from(error: m5_cpython::Error) -> Self {
        match error {
            m5_cpython::Error::Target(error) => error.into(),
            m5_cpython::Error::NotPython { pid } => Self::NotPython { pid },
            m5_cpython::Error::Unsupported { pid, found } => Self::Unsupported { pid, found },
            m5_cpython::Error::FreeThreaded { pid, version } => {
                Self::FreeThreaded { pid, version: version.to_string() }
            }
            m5_cpython::Error::Starting { pid } => Self::Starting { pid },
        }
    }
}

impl From<m5_gc::Error> for CliError {
    fn from(error: m5_gc::Error) -> Self {
        match error {
            m5_gc::Error::Cpython(error) => error.into(),
            m5_gc::Error::Target(error) => error.into(),
            error @ (m5_gc::Error::Obstacle(_) | m5_gc::Error::NoRecords) => {
                Self::Pauses { message: error.to_string() }
            }
        }
    }
}

impl From<m5_gc::tune::TuneError> for CliError {
    fn from(error: m5_gc::tune::TuneError) -> Self {
        match error {
            m5_gc::tune::TuneError::Cpython(error) => error.into(),
            m5_gc::tune::TuneError::Target(error) => error.into(),
            other => Self::Tune(other),
        }
    }
}

/// Errors of a capture, which know no pid of their own.
pub(crate) fn of_capture(pid: i32, error: m5_heap::HeapError) -> CliError {
    match error {
        m5_heap::HeapError::Interpreter(error) => error.into(),
        m5_heap::HeapError::Unsupported(found) => CliError::Unsupported { pid, found },
        m5_heap::HeapError::Trace(error) if error.is_permission() => {
            CliError::Permission { pid, what: "memory".to_owned() }
        }
        m5_heap::HeapError::Trace(m5_process::TraceError::Target(error)) => error.into(),
        m5_heap::HeapError::Trace(error) => CliError::Refused { pid, reason: error.to_string() },
    }
}

impl From<m5_heap::SnapfileError> for CliError {
    fn from(error: m5_heap::SnapfileError) -> Self {
        use m5_heap::SnapfileError as E;
        match error {
            E::Io { path, source } => Self::Unreadable { path, reason: source.to_string() },
            E::Foreign { path } => Self::Malformed { path, reason: "no m5 snapshot".to_owned() },
            E::Newer { path, version } => {
                Self::Malformed { path, reason: format!("format version {version}: use a newer m5") }
            }
            E::Damaged { path, detail } => Self::Malformed { path, reason: detail },
        }
    }
}
