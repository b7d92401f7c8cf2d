//! Everything that may go wrong. `table` says what each means for a person, `from` where it comes from.

mod containers;
mod explained;
mod from;
mod history;
mod table;
mod tuning;
mod usage;

use std::time::Duration;

pub(crate) use from::{of_capture, of_kernel, of_trim};
pub(crate) use usage::explain as of_usage;

/// An error for a person: what happened, the remedy, the exit code.
#[derive(Debug)]
pub(crate) enum CliError {
    /// No such process, or it is gone.
    Gone { pid: i32 },
    /// It executed another program while it was looked at.
    Replaced { pid: i32, after: Option<Duration> },
    /// Not a CPython process.
    NotPython { pid: i32, instead: m5_cpython::Instead },
    /// A CPython that no layout fits.
    Unsupported { pid: i32, found: String },
    /// A free-threaded CPython.
    FreeThreaded { pid: i32, version: String },
    /// An interpreter that is not set up yet.
    Starting { pid: i32 },
    /// It collects without a pause.
    Busy { pid: i32 },
    /// The source of pauses that was asked for cannot be had.
    Pauses { message: String },
    /// The kernel refused.
    Permission { pid: i32, what: String },
    /// The kernel's programs could not be had.
    Bpf { pid: i32, message: String, permission: bool },
    /// A running collector was not tuned.
    Tune(m5_gc::tune::TuneError),
    /// Another failure of the kernel's interface.
    Kernel { message: String },
    /// A file cannot be read.
    Unreadable { path: String, reason: String },
    /// A file that m5 did not write.
    Foreign { path: String },
    /// A file is not what it should be.
    Malformed { path: String, reason: String },
    /// A file of another schema.
    Schema { path: String, found: String, reads: &'static str },
    /// A report or recording could not be written.
    Write { path: String, reason: String },
    /// A file that is there already and would be replaced.
    Exists { path: String },
    /// A report would be written where a snapshot is looked for.
    ReportOnly { path: String },
    /// Large buffers cannot lie in that folder.
    Spool { path: String, reason: String },
    /// The settings file cannot be read.
    NoSettings { path: String, reason: String },
    /// The settings file is wrong.
    Config { path: String, reason: String },
    /// Nothing to look at.
    NoTarget,
    /// The PID in the environment is none.
    PidVariable { value: String, reason: String },
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
    /// A command of which no run could be measured.
    NotMeasured { command: String, reason: String },
    /// A file holds the runs of another search.
    OtherSearch { path: String },
    /// None of the settings that were asked for can be tried here.
    NothingToTry { asked: String, known: String },
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
    Fleet(m5_agent::fleet::FleetError),
    /// A command for a terminal has none.
    NoTerminal,
    /// The load that growth should be held against cannot be read.
    Workload(m5_agent::workload::WorkloadError),
    /// The exporter would be open to everybody; the message says what to do.
    Open { message: String },
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
    /// Nothing of its memory was given back.
    NotTrimmed { pid: i32, reason: String },
    /// Its memory is not the GNU C library's, or not of a version that m5 knows.
    OtherLibrary { pid: i32, reason: String },
    /// m5 itself would take the last room of a memory cgroup.
    NoRoom { reason: String },
    /// m5 itself may open too few files.
    NoFiles { most: u64 },
    /// m5 itself has no memory.
    NoMemory,
    /// Its memory cannot be captured safely.
    Refused { pid: i32, reason: String },
}

impl CliError {
    /// Whether it is what a target is or does that went wrong, which another program of it may explain.
    pub(crate) fn of_target(&self) -> bool {
        matches!(
            self,
            Self::Gone { .. }
                | Self::Replaced { .. }
                | Self::NotPython { .. }
                | Self::Unsupported { .. }
                | Self::FreeThreaded { .. }
                | Self::Starting { .. }
                | Self::Busy { .. }
                | Self::Pauses { .. }
                | Self::Permission { .. }
                | Self::Bpf { .. }
                | Self::Tune(_)
                | Self::Kernel { .. }
                | Self::EndedEarly
                | Self::NoTarget
                | Self::NotTrimmed { .. }
                | Self::OtherLibrary { .. }
                | Self::Refused { .. }
        )
    }
}
