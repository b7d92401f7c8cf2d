//! Puts watchpoints on the threads of a process.

use super::rings::{Ring, Rings};
use crate::perf::{Attr, Event, OpenError, Record, Target};
use m5_process::Process;
use std::collections::HashMap;
use std::time::Duration;

/// One watched range of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) addr: u64,
    pub(crate) len: u64,
    /// Whether it is watched as long as the group is, and not in windows only.
    pub(crate) stands: bool,
}

/// What is watched of one thread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Set {
    /// A register each.
    pub(crate) words: Vec<Watched>,
    /// What is watched in place of the one that is switched, while the group is off. Only where one alone is.
    pub(crate) instead: Option<Watched>,
}

/// Rounds of looking for threads that were born while the others were watched.
const ROUNDS: usize = 200;
/// A thread is listed a moment before its birth is told.
const BIRTH: Duration = Duration::from_micros(300);

/// Watchpoints on every thread that was there: those that stand as long as the group does, and those that are
/// switched on and off together.
pub(crate) struct Group {
    /// What is watched of any thread, and of those that have a set of their own.
    usual: Set,
    own: HashMap<i32, Set>,
    children: bool,
    on: bool,
    seats: HashMap<i32, Seat>,
}

/// The events of one thread on all CPUs, and of those that inherited them.
#[derive(Default)]
struct Seat {
    switches: Vec<Switch>,
    others: Vec<Event>,
}

/// What is on while the group is, on one CPU.
struct Switch {
    /// Switching it switches all of them.
    leader: Event,
    on: Watched,
    /// What it watches otherwise.
    off: Option<Watched>,
}

impl Group {
    pub(crate) fn new(usual: Set, children: bool) -> Self {
        Self { usual, own: HashMap::new(), children, on: true, seats: HashMap::new() }
    }

    /// Watches the threads of the process that are not yet covered, until there is none; appends the records
    /// that came in meanwhile.
    pub(crate) fn cover(
        &mut self,
        process: &Process,
        rings: &mut Rings,
        records: &mut Vec<Record>,
    ) -> Result<(), OpenError> {
        for _ in 0..ROUNDS {
            let listed = process.threads().unwrap_or_default();
            if listed.iter().all(|t| rings.covered.contains_key(t)) {
                return Ok(());
            }
            if !self.seats.is_empty() {
                std::thread::sleep(BIRTH);
            }
            rings.drain(records);
            for tid in listed {
                if rings.covered.insert(tid, tid).is_none() {
                    self.watch(tid, rings)?;
                }
            }
        }
        Ok(())
    }

    /// Watches these threads, covered or not.
    pub(crate) fn add(&mut self, tids: &[i32], rings: &Rings) -> Result<(), OpenError> {
        tids.iter().try_for_each(|tid| self.watch(*tid, rings))
    }

    /// Threads whose events would have to be opened anew if this one were to get others.
    pub(crate) fn shares(&self, tid: i32, rings: &Rings) -> usize {
        rings.source(tid).map_or(0, |source| rings.heirs(source).len())
    }

    /// Watches something else of one thread from now on. It and those whose events hang on the same ones are
    /// without a watch for the moment that it takes.
    pub(crate) fn replace(
        &mut self,
        tid: i32,
        set: Set,
        process: &Process,
        rings: &mut Rings,
    ) -> Result<(), OpenError> {
        self.own.insert(tid, set);
        let source = rings.source(tid).unwrap_or(tid);
        let alive = process.threads().unwrap_or_default();
        let mut heirs = rings.heirs(source);
        self.own.retain(|of, _| alive.contains(of));
        heirs.retain(|heir| alive.contains(heir));
        self.seats.remove(&source);
        for heir in heirs {
            rings.covered.insert(heir, heir);
            if !self.watch_soon(heir, rings)? {
                // It is tried again with those that are not watched yet.
                rings.covered.remove(&heir);
            }
        }
        Ok(())
    }

    /// Watches a thread whose registers the kernel may give back a moment late, or which swaps its events with those of
    /// a thread that starts; false where that did not end.
    fn watch_soon(&mut self, tid: i32, rings: &Rings) -> Result<bool, OpenError> {
        for _ in 0..ROUNDS {
            match self.sit(tid, rings) {
                Err(OpenError(libc::ENOSPC | libc::EINVAL)) => std::thread::sleep(BIRTH),
                other => return other.map(|()| true),
            }
        }
        Ok(false)
    }

    fn watch(&mut self, tid: i32, rings: &Rings) -> Result<(), OpenError> {
        let first = self.seats.is_empty();
        match self.sit(tid, rings) {
            // It is covered already: it was born in the very moment when its parent became so.
            Err(OpenError(libc::ENOSPC)) if !first => Ok(()),
            other => other,
        }
    }

    fn sit(&mut self, tid: i32, rings: &Rings) -> Result<(), OpenError> {
        let mut seat = Seat::default();
        for ring in &rings.rings {
            match self.watch_on(tid, ring, rings.inherits, &mut seat) {
                // The thread has ended.
                Err(OpenError(libc::ESRCH)) => return Ok(()),
                other => other?,
            }
        }
        // Those of an ended thread of the same number may have heirs.
        let known = self.seats.entry(tid).or_default();
        known.switches.append(&mut seat.switches);
        known.others.append(&mut seat.others);
        Ok(())
    }

    fn watch_on(&self, tid: i32, ring: &Ring, inherits: bool, seat: &mut Seat) -> Result<(), OpenError> {
        let target = Target { tid, cpu: ring.cpu };
        let Set { words, instead } = self.own.get(&tid).unwrap_or(&self.usual);
        let in_windows = || words.iter().filter(|w| !w.stands);
        let standing = self.open(words.iter().filter(|w| w.stands), target, ring, inherits)?;
        let switched = self.open(in_windows(), target, ring, inherits)?;
        if let Some(leader) = standing.first() {
            leader.switch(true)?;
        }
        let mut switched = switched.into_iter();
        if let (Some(leader), Some(on)) = (switched.next(), in_windows().next()) {
            match (self.on, instead) {
                (true, _) => leader.switch(true)?,
                (false, Some(other)) => {
                    let _ = leader.move_to(&self.attr(other, inherits).telling_tasks());
                }
                (false, None) => {}
            }
            seat.switches.push(Switch { leader, on: *on, off: *instead });
        }
        seat.others.extend(standing.into_iter().chain(switched));
        Ok(())
    }

    /// One set on one thread and CPU, its leader first, switched off.
    fn open<'a>(
        &self,
        set: impl Iterator<Item = &'a Watched>,
        target: Target,
        ring: &Ring,
        inherits: bool,
    ) -> Result<Vec<Event>, OpenError> {
        let mut events: Vec<Event> = Vec::new();
        for watched in set {
            let mut attr = self.attr(watched, inherits);
            if events.is_empty() {
                attr = attr.telling_tasks().disabled();
            }
            let event = Event::open(&attr, target, events.first())?;
            event.redirect(&ring.owner)?;
            events.push(event);
        }
        Ok(events)
    }

    fn attr(&self, watched: &Watched, inherits: bool) -> Attr {
        let attr = Attr::write_watch(watched.addr, watched.len);
        if inherits { attr.inherited(self.children) } else { attr }
    }

    /// Whether what can be switched is on.
    pub(crate) fn on(&self) -> bool {
        self.on
    }

    /// Opens or closes the watch; what stands stays.
    pub(crate) fn switch(&mut self, on: bool, rings: &Rings) {
        self.on = on;
        for switch in self.seats.values().flat_map(|s| &s.switches) {
            let place = switch.off.map(|off| if on { switch.on } else { off });
            // A thread that has ended needs no switching. A kernel that moves none watches in windows alone.
            let _ = match place.map(|watched| self.attr(&watched, rings.inherits).telling_tasks()) {
                Some(attr) => switch.leader.move_to(&attr).or_else(|_| switch.leader.switch(on)),
                None => switch.leader.switch(on),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    /// A thread of this test, born after the watch was set, writes; is it seen?
    fn later_thread_is_seen(inherits: bool, cover_again: bool) -> bool {
        let process = Process::open(std::process::id() as i32).unwrap();
        let word: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        let mut rings = Rings::open(&process).unwrap();
        rings.inherits = inherits;
        let watched = Watched { addr: word.as_ptr() as u64, len: 4, stands: false };
        let mut group = Group::new(Set { words: vec![watched], instead: None }, false);
        let mut records = Vec::new();
        group.cover(&process, &mut rings, &mut records).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            wait.recv().unwrap();
            word.store(7, Ordering::SeqCst);
        });
        if cover_again {
            group.cover(&process, &mut rings, &mut records).unwrap();
        }
        go.send(()).unwrap();
        thread.join().unwrap();
        rings.drain(&mut records);
        records.iter().filter(|r| matches!(r, Record::Sample(s) if s.addr == word.as_ptr() as u64)).count()
            == 1
    }

    #[test]
    fn threads_born_later_inherit_or_are_listed() {
        assert!(later_thread_is_seen(true, false));
        assert!(later_thread_is_seen(true, true), "and are not watched twice");
        assert!(later_thread_is_seen(false, true));
        assert!(!later_thread_is_seen(false, false));
    }
}
