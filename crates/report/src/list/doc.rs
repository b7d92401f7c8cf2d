//! `m5.list/1`: the Python processes of a machine.

use serde::{Deserialize, Serialize};

/// Name and version of the document.
pub const LIST_SCHEMA: &str = "m5.list/1";

/// The Python processes of a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessList {
    /// [`LIST_SCHEMA`].
    pub schema: String,
    /// In the order that was asked for: of pid, unless told otherwise.
    pub processes: Vec<ListedProcess>,
    /// How many more there are, whose names were not asked for.
    #[serde(skip_serializing_if = "is_none", default)]
    pub of_other_names: usize,
    /// Whether the system hides processes of other users, so that there may be more.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub others_hidden: bool,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedProcess {
    /// Its pid.
    pub pid: i32,
    /// Its parent's.
    pub ppid: i32,
    /// What it is called: its unit, script, module or program; a worker after its parent.
    #[serde(default)]
    pub name: String,
    /// Effective user id.
    pub uid: Option<u32>,
    /// The interpreter's version, where it could be read.
    pub python: Option<String>,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Stopped by a signal or a debugger: it does nothing until it is let go on.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub stopped: bool,
    /// Its command line.
    pub command: Vec<String>,
    /// Why m5 cannot read its interpreter; absent where it can.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unread: Option<Unread>,
}

/// Why an interpreter is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// A word that programs may rely on: `permission`, `unsupported`, `free_threaded`, `starting`,
    /// `not_python`, `gone`, `kernel`.
    pub reason: String,
    /// What was found, in English.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remedies: Vec<String>,
}
