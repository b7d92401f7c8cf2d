//! The system calls that threads wait in or that take long, by name.

use crate::trace::arch::OWN_WAITS;

/// Numbers are of the architecture that m5 is built for; what only some architectures have stands with each of them.
const WAITS: &[(i64, &str)] = &[
    (libc::SYS_futex, "futex"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_epoll_pwait2, "epoll_pwait2"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_pselect6, "pselect6"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_read, "read"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_write, "write"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_recvmmsg, "recvmmsg"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_brk, "brk"),
    (libc::SYS_sched_yield, "sched_yield"),
    (libc::SYS_close, "close"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
    (libc::SYS_rt_sigtimedwait, "sigtimedwait"),
    (libc::SYS_rt_sigsuspend, "sigsuspend"),
    (libc::SYS_msgrcv, "msgrcv"),
    (libc::SYS_semtimedop, "semtimedop"),
];

/// The name of a call, where it is one that threads wait in.
#[must_use]
pub fn name(number: i64) -> Option<&'static str> {
    WAITS.iter().chain(OWN_WAITS).find(|(n, _)| *n == number).map(|(_, name)| *name)
}
