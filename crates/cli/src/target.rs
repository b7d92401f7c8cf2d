//! From what was typed to a process: a PID, a command to start, or the only Python process there is.

use crate::args::TargetArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::launch::Launched;
use m5_agent::record::redact;
use m5_agent::service_name;
use m5_cpython::Interpreter;
use m5_process::Process;
use m5_report::texts::{List, Say};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long an interpreter that is just starting is waited for.
const STARTING: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(5);
/// What another m5 stops a process for is over by then.
const MOMENT: Duration = Duration::from_millis(50);
/// Processes that are offered by name.
const NAMED: usize = 12;

/// The processes to look at. A command that m5 started ends with this value.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// At least one.
    pub(crate) processes: Vec<Process>,
    /// The command that m5 started, if it did.
    pub(crate) launched: Option<Launched>,
}

impl Chosen {
    /// Says of each process what m5 will not read in it; the worst of that is how m5 ends then.
    pub(crate) fn doubts(&self, ctx: &Ctx) -> Result<Option<Exit>, CliError> {
        let mut worst = None;
        for process in &self.processes {
            worst = worst.max(doubt(process, ctx)?);
        }
        Ok(worst)
    }
}

/// A process whose interpreter may not be read, or that has none, is an error. One whose interpreter m5 does
/// not know still has figures: a word about it, and the exit code for later.
pub(crate) fn doubt(process: &Process, ctx: &Ctx) -> Result<Option<Exit>, CliError> {
    let deadline = Instant::now() + STARTING;
    let error = loop {
        match Interpreter::attach(process) {
            Ok(_) => return Ok(None),
            Err(m5_cpython::Error::Starting { .. }) if Instant::now() < deadline => sleep(STEP),
            Err(error) => break CliError::from(error),
        }
    };
    match error {
        CliError::Unsupported { .. } | CliError::FreeThreaded { .. } | CliError::Starting { .. } => {
            Ok(Some(ctx.report(&error)))
        }
        other => Err(other),
    }
}

/// Every process that was named; without a name the only Python process of this machine.
pub(crate) fn several(args: &TargetArgs, ctx: &Ctx) -> Result<Chosen, CliError> {
    if !args.command.is_empty() {
        let launched = Launched::start(&args.command, ctx)?;
        let process = launched.python()?;
        ctx.looked.at(&process);
        return Ok(Chosen { processes: vec![process], launched: Some(launched) });
    }
    let pids = args.pids()?;
    let processes: Vec<Process> = match pids.is_empty() {
        true => vec![only_one(ctx)?],
        false => pids.into_iter().map(|pid| named(pid, ctx)).collect::<Result<_, _>>()?,
    };
    for process in &processes {
        ctx.looked.at(process);
        if stands_still(process) {
            ctx.note(List::StoppedRemedy, &[&process.pid(), &process.pid()]);
        }
    }
    Ok(Chosen { processes, launched: None })
}

/// Whether somebody stopped it, and not only for the moment of a look.
pub(crate) fn stands_still(process: &Process) -> bool {
    let stopped = || process.stat().is_ok_and(|stat| matches!(stat.state, 'T' | 't'));
    stopped() && {
        sleep(MOMENT);
        stopped()
    }
}

/// The process with this PID, or a thread of it that goes on where the first one has ended.
fn named(pid: i32, ctx: &Ctx) -> Result<Process, CliError> {
    let process = Process::open_by_living_thread(pid)?;
    if process.pid() != pid {
        ctx.note(Say::FirstThreadEnded, &[&pid, &process.pid()]);
    }
    Ok(process)
}

/// The same for a command that looks at one process.
pub(crate) fn one(args: &TargetArgs, ctx: &Ctx) -> Result<(Process, Option<Launched>), CliError> {
    let mut chosen = several(args, ctx)?;
    match (chosen.processes.len(), chosen.processes.pop()) {
        (1, Some(process)) => Ok((process, chosen.launched)),
        (count, _) => Err(CliError::OneTarget { count }),
    }
}

fn only_one(ctx: &Ctx) -> Result<Process, CliError> {
    let mut found = m5_agent::discover()?;
    match (found.len(), found.pop()) {
        (1, Some(only)) => {
            let command = m5_report::text::command(&redact(&only.process.command().unwrap_or_default()));
            ctx.note(Say::OnlyProcess, &[&only.process.pid(), &command]);
            Ok(only.process)
        }
        (0, _) | (_, None) => Err(CliError::NoTarget),
        (_, Some(last)) => {
            found.push(last);
            let named =
                |d: &m5_agent::Discovered| format!("{} ({})", d.process.pid(), service_name(&d.process));
            let mut told: Vec<String> = found.iter().take(NAMED).map(named).collect();
            if found.len() > NAMED {
                told.push("…".to_owned());
            }
            Err(CliError::ManyTargets { found: told.join(", ") })
        }
    }
}
