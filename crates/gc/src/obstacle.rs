//! What stands in the way of hardware watchpoints: values that a report can translate and whose remedy it can name.

use serde::{Deserialize, Serialize};

/// Why hardware watchpoints cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Obstacle {
    /// `kernel.perf_event_paranoid` forbids performance events to this user altogether.
    Paranoid {
        /// Its value.
        level: i32,
    },
    /// A seccomp filter (a container's, usually) denies `perf_event_open`.
    Seccomp {
        /// With which error: `EPERM`, `EACCES` or `ENOSYS`.
        errno: i32,
    },
    /// A security module, or something else that is neither of the two, denies it.
    Denied {
        /// With which error.
        errno: i32,
    },
    /// The process belongs to somebody else: `CAP_PERFMON` and the right to trace it are needed.
    OtherUser,
    /// The kernel was built without performance events, or without breakpoints.
    Unsupported {
        /// With which error.
        errno: i32,
    },
    /// The interpreter claims the collector by a pair of exclusive instructions, which a watch would keep from ever
    /// succeeding (Arm processors before version 8.1, or code that was compiled for all of them).
    ExclusivePairs,
    /// A debugger or another tracer holds the processor's debug registers.
    NoRegisters,
    /// Threads × CPUs × registers are more descriptors than allowed.
    FileLimit {
        /// The limit (`ulimit -n`).
        limit: u64,
    },
    /// Not enough memory may be locked for the rings (`kernel.perf_event_mlock_kb`, `ulimit -l`).
    LockedMemory,
    /// Something else.
    Other {
        /// With which error.
        errno: i32,
    },
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Paranoid { level } => write!(
                f,
                "kernel.perf_event_paranoid is {level}: run as root, grant CAP_PERFMON, or set it to 2 or less"
            ),
            Self::Seccomp { errno } => write!(
                f,
                "a seccomp filter denies perf_event_open ({}): allow it in the container's profile, or run m5 \
                 outside",
                errno_name(*errno)
            ),
            Self::Denied { errno } => {
                write!(f, "perf_event_open is denied ({}): grant CAP_PERFMON", errno_name(*errno))
            }
            Self::OtherUser => {
                write!(
                    f,
                    "the process belongs to another user: run as that user, as root, or with CAP_PERFMON and CAP_SYS_PTRACE"
                )
            }
            Self::Unsupported { errno } => {
                write!(f, "this kernel or machine has no hardware breakpoints ({})", errno_name(*errno))
            }
            Self::ExclusivePairs => write!(
                f,
                "this processor or build swaps by exclusive pairs, which a watch would never let succeed"
            ),
            Self::NoRegisters => {
                write!(f, "a debugger or another tracer holds the debug registers: end it first")
            }
            Self::FileLimit { limit } => {
                write!(f, "too many threads for {limit} open files: raise the hard limit (ulimit -Hn)")
            }
            Self::LockedMemory => {
                write!(
                    f,
                    "no memory may be locked for the rings: raise kernel.perf_event_mlock_kb or ulimit -l"
                )
            }
            Self::Other { errno } => write!(f, "perf_event_open failed ({})", errno_name(*errno)),
        }
    }
}

/// An error of the kernel as people look it up.
#[must_use]
pub fn errno_name(errno: i32) -> String {
    match errno {
        libc::EPERM => "EPERM".to_owned(),
        libc::EACCES => "EACCES".to_owned(),
        libc::ENOSYS => "ENOSYS".to_owned(),
        _ => std::io::Error::from_raw_os_error(errno).to_string(),
    }
}
