//! Being woken when a thread writes to a place.
#![allow(unsafe_code)]

use super::{Attr, Event, Mapping, OpenError, Target};
use std::time::Duration;

/// Bytes of a ring: what happened is not read from it, only that something did.
const RING: usize = 4096;

/// Wakes m5 each time that a thread writes to a place.
#[derive(Debug)]
pub struct Alarm {
    event: Event,
    ring: Mapping,
}

impl Alarm {
    /// Sets one, switched off, upon a write to these bytes by this thread.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn new(tid: i32, addr: u64, len: u64) -> Result<Self, OpenError> {
        let attr = Attr::write_watch(addr, len).waking().disabled();
        let event = Event::open(&attr, Target { tid, cpu: -1 }, None)?;
        let ring = Mapping::new(&event, RING)?;
        Ok(Self { event, ring })
    }

    /// Switches it on or off.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn switch(&self, on: bool) -> Result<(), OpenError> {
        self.event.switch(on)
    }

    /// Waits until one of them goes off, at most so long.
    pub fn wait(alarms: &[&Self], most: Duration) {
        let of = |alarm: &&Self| libc::pollfd { fd: alarm.event.fd(), events: libc::POLLIN, revents: 0 };
        let mut fds: Vec<libc::pollfd> = alarms.iter().map(of).collect();
        let most = libc::c_int::try_from(most.as_millis().max(1)).unwrap_or(libc::c_int::MAX);
        // SAFETY: `fds` are so many valid entries; their descriptors are open while `alarms` are borrowed.
        let woken = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, most) };
        if woken > 0 {
            let mut nothing = Vec::new();
            alarms.iter().for_each(|alarm| _ = alarm.ring.drain(&mut nothing));
        }
    }
}
