//! Stopping a process, making it run a system call, copying it: everything that goes through `ptrace`.

pub(crate) mod arch;
pub(crate) mod discard;
pub(crate) mod fork;
pub(crate) mod freeze;
pub(crate) mod guard;
pub(crate) mod inject;
pub(crate) mod oom;
pub(crate) mod ptrace;
pub(crate) mod rseq;
pub(crate) mod safety;
pub(crate) mod stacks;
