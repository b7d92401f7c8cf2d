//! Waits for a key, or for the end of the terminal.

use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Result, stdin};
use std::time::Duration;

/// What came within a step.
pub(super) enum Input {
    /// An event of the terminal.
    Event(Event),
    /// Nothing.
    Nothing,
    /// The terminal is gone: its window was closed, its connection broke.
    HungUp,
}

/// Waits for at most that long. The library reads a terminal that is gone for ever, without a pause: it is asked only
/// where something can be read.
pub(super) fn next(step: Duration) -> Result<Input> {
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let step = Timespec { tv_sec: step.as_secs() as i64, tv_nsec: i64::from(step.subsec_nanos()) };
    match poll(&mut fds, Some(&step)) {
        Ok(_) => {}
        // A signal: the caller looks which.
        Err(rustix::io::Errno::INTR) => return Ok(Input::Nothing),
        Err(error) => return Err(error.into()),
    }
    let [fd] = &fds;
    if fd.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Ok(Input::HungUp);
    }
    Ok(if event::poll(Duration::ZERO)? { Input::Event(event::read()?) } else { Input::Nothing })
}
