//! What the kernel says about a process: `/proc`, file descriptors, sockets, cgroups, memory.
//!
//! Everything above this crate decodes bytes and text; only this crate asks the kernel for them.

mod cgroup;
mod clock;
mod error;
mod fds;
mod fork;
mod freeze;
mod identity;
mod inject;
mod machine;
mod maps;
mod memory;
mod netns;
mod process;
mod ptrace;
mod resident;
mod safety;
mod sampler;
mod smaps;
mod sockets;
mod stat;
mod threads;

pub use cgroup::Cgroup;
pub use clock::{boot_unix_seconds, monotonic_ns, ticks_per_second, unix_ns};
pub use error::{Error, Result};
pub use fds::{FdCounts, FdKind};
pub use fork::{ForkedChild, fork};
pub use freeze::{Frozen, freeze, open_live};
pub use identity::Identity;
pub use machine::Machine;
pub use maps::{Mapping, parse_maps};
pub use memory::{BufferMemory, LiveMemory, Memory};
pub use netns::SocketTables;
pub use process::Process;
pub use ptrace::{TraceError, TraceResult, with_tracer};
pub use resident::resident_runs;
pub use safety::{Safety, inspect, may_fork};
pub use sampler::{Reading, Sampler};
pub use smaps::{MappedMemory, parse_smaps};
pub use sockets::{ConnectionGroup, SocketTable, TcpSocket};
pub use stat::{Rollup, Stat, Status};
