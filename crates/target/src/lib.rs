//! What the kernel says about a process: `/proc`, file descriptors, sockets, cgroups, memory.
//!
//! Everything above this crate decodes bytes and text; only this crate asks the kernel for them.

mod cgroup;
mod clock;
mod error;
mod fds;
mod identity;
mod maps;
mod memory;
mod netns;
mod process;
mod sampler;
mod sockets;
mod stat;

pub use cgroup::Cgroup;
pub use clock::{boot_unix_seconds, cpu_ns, monotonic_ns, ticks_per_second, unix_ns};
pub use error::{Error, Result};
pub use fds::{FdCounts, FdKind};
pub use identity::Identity;
pub use maps::{Mapping, parse_maps};
pub use memory::{BufferMemory, LiveMemory, Memory};
pub use netns::SocketTables;
pub use process::Process;
pub use sampler::{Reading, Sampler};
pub use sockets::{ConnectionGroup, SocketTable, TcpSocket};
pub use stat::{Rollup, Stat, Status};
