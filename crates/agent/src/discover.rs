//! The Python processes of this machine.

use m5_cpython::Interpreter;
use m5_process::{Execution, Process};

/// One Python process, or one that looks like it and may not be read.
#[derive(Debug)]
pub struct Discovered {
    /// The process.
    pub process: Process,
    /// The execution in which it was found; not yet held.
    pub execution: Execution,
    /// Its interpreter, or why it is not read.
    pub interpreter: m5_cpython::Result<Interpreter>,
}

/// Looks at every process: those with an interpreter in them, and those that call themselves Python but
/// cannot be read. m5 itself is left out.
///
/// # Errors
/// Where `/proc` cannot be listed.
pub fn discover() -> m5_process::Result<Vec<Discovered>> {
    let own = std::process::id() as i32;
    let pids = Process::all_pids()?;
    Ok(pids.into_iter().filter(|pid| *pid != own).filter_map(look).collect())
}

fn look(pid: i32) -> Option<Discovered> {
    look_at(&Process::open_by_living_thread(pid).ok()?)
}

/// What a process is, if it is Python or calls itself so.
pub(crate) fn look_at(process: &Process) -> Option<Discovered> {
    use m5_cpython::Error::{Busy, FreeThreaded, NotPython, Starting, Unsupported};
    let execution = Execution::of(process);
    let interpreter = Interpreter::attach(process);
    let keep = match &interpreter {
        Ok(_) => true,
        Err(Unsupported { .. } | FreeThreaded { .. } | Starting { .. } | Busy { .. }) => true,
        Err(NotPython { .. }) => false,
        Err(_) => called_python(process),
    };
    (keep && process.alive()).then(|| Discovered { process: process.clone(), execution, interpreter })
}

/// Whether a process that may not be read goes by the name of Python.
fn called_python(process: &Process) -> bool {
    let comm = process.stat().map(|s| s.comm).unwrap_or_default();
    let program = process.command().unwrap_or_default().into_iter().next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    comm.starts_with("python") || name.starts_with("python")
}
