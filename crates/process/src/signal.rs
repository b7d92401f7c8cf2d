//! Sending a signal to a process, and to nobody who has its number after it.

use crate::{Identity, Process};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;

/// Sends signal number `signal` to the very process that `to` names.
///
/// # Errors
/// `ESRCH` where that process has ended, also where another has its pid now; `EINVAL` for a number that names no
/// ordinary signal; `EPERM` as kill(2).
pub fn send_signal(to: Identity, signal: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
    let pid = Pid::from_raw(to.pid).ok_or(Errno::SRCH)?;
    // The descriptor is bound to whoever has the pid now; only then is it told whether that is still the process.
    let held = pidfd_open(pid, PidfdFlags::empty())?;
    if !Process::open(to.pid).is_ok_and(|process| process.identity() == to) {
        return Err(Errno::SRCH.into());
    }
    Ok(pidfd_send_signal(held, signal)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn only_the_process_that_was_meant_gets_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let is = Process::open(child.id() as i32).unwrap().identity();
        let other = Identity { start_ticks: is.start_ticks + 1, ..is };
        assert_eq!(send_signal(other, libc::SIGTERM).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        assert_eq!(send_signal(is, 0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert!(child.try_wait().unwrap().is_none(), "nothing was sent yet");
        send_signal(is, libc::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert_eq!(send_signal(is, libc::SIGTERM).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
