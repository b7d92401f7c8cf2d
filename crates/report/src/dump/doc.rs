//! `m5.dump/1`: threads and tasks at one moment.

use m5_cpython::{Awaited, PyFrame, TaskState};
use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const DUMP_SCHEMA: &str = "m5.dump/1";

/// Threads and tasks of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dump {
    /// [`DUMP_SCHEMA`].
    pub schema: String,
    /// When, seconds since 1970.
    pub taken_unix_seconds: f64,
    /// How long it took to read, seconds; the process ran on meanwhile.
    pub took_seconds: f64,
    /// The process.
    pub pid: i32,
    /// Version of its interpreter.
    pub python: String,
    /// Command line; values that look like secrets are replaced.
    pub command: Vec<String>,
    /// The service that it belongs to, as `m5 list` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Somebody stopped the process (`SIGSTOP`, a debugger): its threads stand still until it is let go on.
    pub stopped: bool,
    /// Who held the interpreter's lock: one of each interpreter that has one (free-threaded builds have none).
    pub gil: Vec<GilSeen>,
    /// Threads that run Python, the main one first; then those that run none, by number.
    pub threads: Vec<DumpedThread>,
    /// asyncio tasks that are not done, by name; absent where the process does not use asyncio.
    pub tasks: Option<Vec<DumpedTask>>,
    /// Lists of tasks that could not be read: tasks may be missing.
    pub task_lists_unread: u64,
    /// Threads and tasks that changed while they were read, however often m5 looked.
    pub torn: u64,
}

/// Who held the lock of an interpreter at the moment of the look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilSeen {
    /// Number of the interpreter: 0 is the main one.
    pub interpreter: i64,
    /// The thread; `None` where nobody held it, or where that is not known.
    pub holder: Option<i32>,
    /// Whether the lock could be read.
    pub known: bool,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedThread {
    /// Its number, as the kernel has it.
    pub tid: i32,
    /// The name that Python gave it.
    pub name: Option<String>,
    /// The name that the kernel has, at most 15 bytes.
    pub kernel_name: String,
    /// State letter of the kernel: `R`, `S`, `D`, `T`.
    pub state: char,
    /// The system call that it waits in.
    pub call: Option<String>,
    /// The interpreter that it belongs to; absent where it runs no Python.
    pub interpreter: Option<i64>,
    /// It held the interpreter's lock.
    pub holds_gil: bool,
    /// Innermost first.
    pub stack: Vec<PyFrame>,
    /// The stack is deeper than what was read.
    pub deeper: bool,
    /// It changed while it was read: inner frames that differed from look to look are missing.
    pub torn: bool,
}

/// An asyncio task that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedTask {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: TaskState,
    /// The thread that it runs on, while it runs.
    pub tid: Option<i32>,
    /// Innermost first: each frame is awaited by the next one. Of a running task the outermost alone.
    pub stack: Vec<PyFrame>,
    /// What it waits for.
    pub awaits: Option<Awaited>,
    /// It changed while it was read.
    pub torn: bool,
}
