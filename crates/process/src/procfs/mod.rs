//! What `/proc`, cgroups and the kernel's socket tables say about a process and about this machine.

pub(crate) mod cgroup;
pub(crate) mod fd_links;
pub(crate) mod fds;
mod group_files;
pub(crate) mod headroom;
pub(crate) mod held;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod maps;
pub(crate) mod memory_limits;
pub(crate) mod namespaces;
pub(crate) mod net_namespaces;
pub(crate) mod pagemap;
pub(crate) mod sampler;
pub(crate) mod smaps;
pub(crate) mod sock_diag;
pub(crate) mod sockets;
pub(crate) mod stat;
pub(crate) mod task_room;
pub(crate) mod threads;
pub(crate) mod throttling;
pub(crate) mod waits;
