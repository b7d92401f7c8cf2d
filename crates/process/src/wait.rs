//! Sleeping until something happens, or time is up.

use crate::{Identity, Process, monotonic_ns, nap};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Whoever waits for more descriptors than this looks from time to time instead: to ask for each costs more.
const MOST: usize = 1024;

/// The end of a process, to be waited for.
#[derive(Debug)]
pub struct EndOf(OwnedFd);

impl EndOf {
    /// Of the very process that `identity` names; `None` where it has ended, or the kernel (before 5.3) cannot tell.
    #[must_use]
    pub fn of(identity: Identity) -> Option<Self> {
        let held = pidfd_open(Pid::from_raw(identity.pid)?, PidfdFlags::empty()).ok()?;
        // The descriptor is bound to whoever has the pid now; only then is it told whether that is still the process.
        Process::open(identity.pid).is_ok_and(|process| process.identity() == identity).then_some(Self(held))
    }
}

impl AsFd for EndOf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sleeps until one of these has something to tell, at most so long, or until a signal comes: who waits for long must see
/// what its handler noted.
pub fn nap_on(fds: &[BorrowedFd<'_>], most: Duration) {
    if fds.is_empty() || fds.len() > MOST {
        return nap(most);
    }
    let end = monotonic_ns() + most.as_nanos() as u64;
    let mut fds: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let Ok(timeout) = Timespec::try_from(most) else { return nap(most) };
    let Ok(woken) = poll(&mut fds, Some(&timeout)) else { return };
    // One that has nothing to tell any more, and says so for ever, keeps nobody from sleeping.
    if woken > 0 && !fds.iter().any(|fd| fd.revents().contains(PollFlags::IN)) {
        nap(Duration::from_nanos(end.saturating_sub(monotonic_ns())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn an_end_wakes_whoever_waits_for_it() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::open(child.id() as i32).unwrap();
        let end = EndOf::of(process.identity()).unwrap();
        child.kill().unwrap();
        nap_on(&[end.as_fd()], LONG);
        assert!(!process.alive());
        child.wait().unwrap();
        assert!(EndOf::of(process.identity()).is_none());
    }

    #[test]
    fn what_has_nothing_to_tell_any_more_keeps_nobody_awake() {
        let (mut read, write) = std::io::pipe().unwrap();
        drop(write);
        // Its other end is closed: the kernel says so at once, each time.
        let (begin, time) = (Instant::now(), Duration::from_millis(20));
        nap_on(&[read.as_fd()], time);
        assert!(begin.elapsed() >= time);
        assert_eq!(std::io::Read::read(&mut read, &mut [0]).unwrap(), 0);
    }
}
