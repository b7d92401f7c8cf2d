//! What the kernel says about a process: `/proc`, file descriptors, sockets, cgroups, memory.
//!
//! Everything above this crate decodes bytes and text; only this crate asks the kernel for them.

mod cgroup;
mod clock;
mod corefile;
mod error;
mod execution;
mod fd_links;
mod fds;
mod fork;
mod freeze;
mod identity;
mod inject;
mod inner;
mod limits;
mod machine;
mod maps;
mod memory;
mod netns;
mod priority;
mod process;
mod ptrace;
mod resident;
mod safety;
mod sampler;
mod smaps;
mod sock_diag;
mod sockets;
mod stat;
mod threads;
mod write;

pub use cgroup::Cgroup;
pub use clock::{boot_unix_seconds, cpu_ns, monotonic_ns, thread_cpu_ns, ticks_per_second, unix_ns};
pub use corefile::CoreFile;
pub use error::{Error, Result};
pub use execution::Execution;
pub use fds::{FdCounts, FdKind, fd_kind, socket_inode};
pub use fork::{ForkedChild, fork};
pub use freeze::{Frozen, freeze, open_live};
pub use identity::Identity;
pub use inner::inner_tid;
pub use machine::Machine;
pub use maps::{Mapping, joined_maps, parse_maps};
pub use memory::{BufferMemory, LiveMemory, Memory};
pub use netns::SocketTables;
pub use priority::{run_when_idle, spare_processor};
pub use process::Process;
pub use ptrace::{TraceError, TraceResult, with_tracer};
pub use resident::{AnonymousPages, anonymous_pages, file_bytes, resident_runs};
pub use safety::{Safety, inspect, may_fork};
pub use sampler::{Reading, Sampler};
pub use smaps::{MappedMemory, parse_smaps};
pub use sockets::{ConnectionGroup, SocketTable, TcpSocket};
pub use stat::{Rollup, Stat, Status};
pub use write::write_memory;
