//! The errors of the libraries as errors for a person.

use super::CliError;

impl From<m5_agent::workload::WorkloadError> for CliError {
    fn from(error: m5_agent::workload::WorkloadError) -> Self {
        Self::Workload(error)
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
            m5_cpython::Error::Process(error) => error.into(),
            m5_cpython::Error::NotPython { pid } => {
                Self::NotPython { pid, instead: m5_cpython::Instead::of(pid) }
            }
            m5_cpython::Error::Unsupported { pid, found } => Self::Unsupported { pid, found },
            m5_cpython::Error::FreeThreaded { pid, version } => {
                Self::FreeThreaded { pid, version: version.to_string() }
            }
            m5_cpython::Error::Starting { pid } => Self::Starting { pid },
            m5_cpython::Error::Busy { pid } => Self::Busy { pid },
        }
    }
}

impl From<m5_gc::Error> for CliError {
    fn from(error: m5_gc::Error) -> Self {
        match error {
            m5_gc::Error::Cpython(error) => error.into(),
            m5_gc::Error::Process(error) => error.into(),
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
            m5_gc::tune::TuneError::Process(error) => error.into(),
            m5_gc::tune::TuneError::Replaced { pid } => Self::Replaced { pid, after: None },
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
        m5_heap::HeapError::Trace(m5_process::TraceError::Process(error)) => error.into(),
        m5_heap::HeapError::Trace(m5_process::TraceError::Replaced) => {
            CliError::Replaced { pid, after: None }
        }
        m5_heap::HeapError::Trace(error) => CliError::Refused { pid, reason: error.to_string() },
    }
}

/// Errors of giving memory back.
pub(crate) fn of_trim(pid: i32, error: m5_heap::trim::TrimError) -> CliError {
    match error {
        m5_heap::trim::TrimError::Trace(error @ m5_process::TraceError::Refused(_)) => {
            CliError::NotTrimmed { pid, reason: error.to_string() }
        }
        m5_heap::trim::TrimError::Trace(error) => of_capture(pid, error.into()),
        m5_heap::trim::TrimError::Unknown(reason) => CliError::OtherLibrary { pid, reason },
        other => CliError::NotTrimmed { pid, reason: other.to_string() },
    }
}

/// Errors of the kernel's programs, which know no pid of their own.
pub(crate) fn of_kernel(pid: i32, error: m5_kernel::Error) -> CliError {
    match error {
        m5_kernel::Error::Cpython(error) => error.into(),
        m5_kernel::Error::Process(error) => error.into(),
        other => CliError::Bpf { pid, permission: other.is_permission(), message: other.to_string() },
    }
}

impl From<m5_heap::SnapfileError> for CliError {
    fn from(error: m5_heap::SnapfileError) -> Self {
        use m5_heap::SnapfileError as E;
        match error {
            E::Io { path, source } => Self::Unreadable { path, reason: source.to_string() },
            E::Foreign { path } => Self::Foreign { path },
            E::Newer { path, version } => {
                Self::Malformed { path, reason: format!("format version {version}: use a newer m5") }
            }
            E::Damaged { path, detail } => Self::Malformed { path, reason: detail },
        }
    }
}
