//! What documents say of an interpreter, or of why there is none to read.

use m5_cpython::{GcState, Interpreter};
use m5_process::Process;
use m5_report::doc;

/// What a document says of an interpreter.
#[must_use]
pub fn describe(process: &Process, interpreter: &Interpreter, state: GcState) -> doc::Interpreter {
    doc::Interpreter {
        version: version(process, interpreter),
        file: interpreter.file().to_owned(),
        runtime_size: interpreter.runtime_size(),
        gc_begin: state,
        gc_end: state,
    }
}

/// The whole version where the build tells it, else the layout that fits.
#[must_use]
pub fn version(process: &Process, interpreter: &Interpreter) -> String {
    interpreter.build(|| process.maps().ok())
}

/// What a document says of an interpreter that is not read.
pub(crate) fn unread(error: &m5_cpython::Error) -> doc::Unread {
    doc::Unread { reason: unread_word(error).to_owned(), detail: error.to_string(), remedies: Vec::new() }
}

/// The word for programs that says why an interpreter is not read.
fn unread_word(error: &m5_cpython::Error) -> &'static str {
    match error {
        m5_cpython::Error::NotPython { .. } => "not_python",
        m5_cpython::Error::Unsupported { .. } => "unsupported",
        m5_cpython::Error::FreeThreaded { .. } => "free_threaded",
        m5_cpython::Error::Starting { .. } => "starting",
        m5_cpython::Error::Busy { .. } => "busy",
        m5_cpython::Error::Process(m5_process::Error::Permission { .. }) => "permission",
        m5_cpython::Error::Process(m5_process::Error::NoSuchProcess { .. }) => "gone",
        m5_cpython::Error::Process(_) => "kernel",
    }
}
