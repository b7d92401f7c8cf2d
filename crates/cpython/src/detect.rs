//! Whether a process is Python at all, asked cheaply of every process of a machine, and if it cannot be read,
//! why not.

use crate::{Error, Interpreter, Result, find};
use m5_target::Process;

/// What a process is.
#[derive(Debug)]
pub enum Detection {
    /// CPython that m5 reads.
    Readable(Box<Interpreter>),
    /// CPython, or by its command very likely so, that m5 does not read, and why.
    Unreadable(Error),
    /// Something else.
    Other,
}

/// Looks at one process.
///
/// # Errors
/// Where the process is gone.
pub fn detect(process: &Process) -> Result<Detection> {
    let found = match find(process) {
        Ok(found) => found,
        Err(Error::NotPython { .. }) => return Ok(Detection::Other),
        Err(error @ Error::Target(m5_target::Error::NoSuchProcess { .. })) => return Err(error),
        Err(error) if looks_like_python(process) => return Ok(Detection::Unreadable(error)),
        Err(_) => return Ok(Detection::Other),
    };
    match Interpreter::confirm(process, found) {
        Ok(interpreter) => Ok(Detection::Readable(Box::new(interpreter))),
        Err(error @ Error::Target(m5_target::Error::NoSuchProcess { .. })) => Err(error),
        Err(error) => Ok(Detection::Unreadable(error)),
    }
}

/// Only the command line of another user's process is open to all.
fn looks_like_python(process: &Process) -> bool {
    let command = process.command().unwrap_or_default();
    command.first().is_some_and(|program| is_python_name(program))
}

fn is_python_name(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    let rest = name.strip_prefix("python").or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b't'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_interpreters() {
        for name in ["python", "/usr/bin/python3", "/opt/v/bin/python3.13t"] {
            assert!(is_python_name(name), "{name}");
        }
        for name in ["", "python-config", "/usr/bin/pythonic", "cat", "py"] {
            assert!(!is_python_name(name), "{name}");
        }
    }
}
