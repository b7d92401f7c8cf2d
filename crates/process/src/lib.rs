//! What the kernel says about a process: `/proc`, file descriptors, sockets, cgroups, memory.
//!
//! Everything above this crate decodes bytes and text; only this crate asks the kernel for them.

mod clock;
mod error;
mod execution;
mod files;
mod identity;
mod keeper;
mod memory;
mod own_file;
mod own_heap;
mod own_limit;
pub mod perf;
mod priority;
mod process;
mod procfs;
mod signal;
mod spool;
mod trace;
mod wait;

pub use clock::{
    boot_unix_seconds, clock_ahead_ns, cpu_ns, monotonic_ns, nap, own_cpu_ns, thread_cpu_ns,
    ticks_per_second, unix_ns,
};
pub use error::{Error, Result, hidden, hides_others};
pub use execution::Execution;
pub use files::{open_program, open_regular};
pub use identity::Identity;
pub use keeper::{Keeper, ends_with_us, measured};
pub use memory::constants::Constants;
pub use memory::core::CoreFile;
pub use memory::write::write_memory;
pub use memory::{BufferMemory, LOWEST_ADDRESS, LiveMemory, Memory};
pub use own_file::{check_writable, open_to_add, write_whole};
pub use own_heap::{return_large_blocks, settle_memory};
pub use own_limit::{descriptor_limit, raise_descriptor_limit, spare_descriptors};
pub use priority::{run_when_idle, spare_processor};
pub use process::Process;
pub use procfs::cgroup::{Cgroup, Cgroups};
pub use procfs::fds::{FdCounts, FdKind, fd_kind, socket_inode};
pub use procfs::headroom::{Headroom, MemoryNeed, Shortage};
pub use procfs::machine::Machine;
pub use procfs::maps::{Mapping, joined_maps, parse_maps};
pub use procfs::namespaces::{in_pid_namespace, inner_tid, outer_pids};
pub use procfs::net_namespaces::SocketTables;
pub use procfs::pagemap::{AnonymousPages, OwnPages, anonymous_pages, file_bytes, own_pages};
pub use procfs::sampler::{Reading, Sampler};
pub use procfs::smaps::{MappedMemory, MappingFlags, parse_flags, parse_smaps};
pub use procfs::sockets::{ConnectionGroup, SocketTable, TcpSocket};
pub use procfs::stat::{Rollup, Stat, Status};
pub use procfs::threads::{
    ThreadCounted, ThreadNow, ThreadScheduled, thread_call, thread_counted, thread_now, thread_scheduled,
    thread_slices,
};
pub use procfs::throttling::Throttling;
pub use procfs::waits::name as call_name;
pub use signal::send_signal;
pub use spool::allocator::{SpoolAllocator, last_word};
pub use spool::file::{InMemory, end_spool, spool, spool_in_any, spool_lacks, spooling};
pub use spool::place::{SpoolError, spool_possible};
pub use trace::arch::{ADDRESS_BITS, OWN_WAITS, address_of, interrupted, page_size};
pub use trace::discard::{CallCode, Discarded, StoppedThread, may_call};
pub use trace::fork::{ForkedChild, fork};
pub use trace::freeze::{Frozen, freeze, open_live};
pub use trace::guard::Guard;
pub use trace::oom::FirstVictim;
pub use trace::ptrace::{TraceError, TraceResult, with_tracer};
pub use trace::safety::{Safety, inspect, may_fork};
pub use wait::{EndOf, nap_on};
