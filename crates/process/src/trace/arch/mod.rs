//! What tracing must know of a processor: registers, code that makes a system call, the frame that leads back, what
//! the kernel restarts. One file an architecture, all with the same names; nothing of it lies elsewhere.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

/// What the kernel leaves as the result of a call that it means to restart.
pub(crate) const ERESTARTSYS: i64 = 512;
pub(crate) const ERESTARTNOINTR: i64 = 513;
pub(crate) const ERESTARTNOHAND: i64 = 514;
pub(crate) const ERESTART_RESTARTBLOCK: i64 = 516;
