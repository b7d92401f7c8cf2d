//! A program that is ended right before a chosen one of its steps: of its system calls that change something outside of
//! itself. It is followed by ptrace, so that nothing depends on the moment.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Calls that change files, or another process.
const CHANGES: &[i64] = &[
    libc::SYS_process_vm_writev,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchownat,
];
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] =
    &[libc::SYS_rename, libc::SYS_link, libc::SYS_unlink, libc::SYS_rmdir, libc::SYS_mkdir, libc::SYS_chown];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What `PTRACE_GET_SYSCALL_INFO` writes at the entry of a call.
#[repr(C)]
#[derive(Default)]
struct CallInfo {
    op: u8,
    _padding: [u8; 3],
    _arch: u32,
    _pointers: [u64; 2],
    number: u64,
    args: [u64; 6],
    _more: [u64; 4],
}
const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
const ENTRY: u8 = 1;

fn ptrace(request: libc::c_uint, tid: i32, at: usize, data: usize) -> i64 {
    // SAFETY: requests that write through `data` get the address of a live value of the size that `at` says.
    unsafe { libc::ptrace(request, tid, at, data) }
}

/// The change that a thread is about to make, if it is at the entry of one.
fn change(tid: i32) -> Option<i64> {
    let mut info = CallInfo::default();
    let read = ptrace(GET_SYSCALL_INFO, tid, size_of::<CallInfo>(), (&raw mut info) as usize);
    let number = info.number as i64;
    let creates = number == libc::SYS_openat && info.args[2] & libc::O_CREAT as u64 != 0;
    let changes = creates || CHANGES.contains(&number) || OLDER.contains(&number);
    (read > 0 && info.op == ENTRY && changes).then_some(number)
}

/// The next of our tracees that stopped or ended; `None` where there is none.
fn next() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is a live local.
    let got = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    (got > 0).then_some((got, status))
}

fn has_ended(status: i32) -> bool {
    libc::WIFEXITED(status) || libc::WIFSIGNALED(status)
}

/// Runs a command and ends it with SIGKILL right before it makes change number `step` (from 0): that call. `None` where
/// it came to its end before. Of this thread no other child may end meanwhile.
pub(crate) fn ended_before(command: &mut Command, step: usize) -> Option<i64> {
    // SAFETY: one system call, which allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let leader = command.spawn().unwrap().id() as i32;
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_EXITKILL;
    let (mut known, mut made, mut last) = (BTreeSet::new(), 0, None);
    while let Some((tid, status)) = next() {
        if has_ended(status) {
            if tid == leader {
                return last;
            }
            continue;
        }
        let fresh = known.insert(tid);
        if fresh && tid == leader {
            assert_eq!(ptrace(libc::PTRACE_SETOPTIONS, tid, 0, options as usize), 0);
        }
        let mut deliver = 0;
        match libc::WSTOPSIG(status) {
            signal if signal == libc::SIGTRAP | 0x80 => {
                if let (Some(number), None) = (change(tid), last) {
                    if made == step {
                        last = Some(number);
                        // SAFETY: plain numbers, of a child that is not waited for yet.
                        unsafe { libc::kill(leader, libc::SIGKILL) };
                        continue;
                    }
                    made += 1;
                }
            }
            // A thread begins with one; a stop for an event has none.
            libc::SIGSTOP if fresh => {}
            libc::SIGTRAP => {}
            signal => deliver = signal as usize,
        }
        ptrace(libc::PTRACE_SYSCALL, tid, 0, deliver);
    }
    panic!("the end of the program was not seen");
}
