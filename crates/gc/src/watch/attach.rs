//! Puts watchpoints on every thread and CPU, and keeps the rings that they write to.

use crate::perf::{Attr, Event, Mapping, OpenError, Record, Target, parse};
use m5_process::Process;
use std::collections::HashSet;
use std::time::Duration;

/// One watched range of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) addr: u64,
    pub(crate) len: u64,
}

/// Bytes of all rings together, and of one: at 5,000 collections a second a large one holds a quarter of a
/// second. Smaller where locked memory is short.
const RINGS: usize = 1 << 20;
const RING_LEAST: usize = 32 << 10;
const RING_MOST: usize = 128 << 10;
/// Rounds of looking for threads that were born while the others were watched.
const ROUNDS: usize = 200;
/// A thread is listed a moment before its birth is told.
const BIRTH: Duration = Duration::from_micros(300);

/// One CPU's ring, owned by an event that never fires.
struct Ring {
    cpu: i32,
    owner: Event,
    mapping: Mapping,
    /// Time of the last record read from it.
    last: u64,
}

/// A ring for each CPU, and the threads whose records they hold.
pub(crate) struct Rings {
    rings: Vec<Ring>,
    covered: HashSet<i32>,
    bytes: Vec<u8>,
    /// Whether threads born later inherit the watch. Kernels before 5.13 cannot take it away from a process that
    /// runs another program, where the address means something else; there it is not inherited at all, and
    /// threads are found by listing them.
    inherits: bool,
}

impl Rings {
    /// Opens a ring for each CPU that the process may run on.
    pub(crate) fn open(process: &Process) -> Result<Self, OpenError> {
        // Threads times CPUs times registers descriptors are needed.
        m5_process::raise_descriptor_limit();
        let cpus = cpus(process);
        let size = (RINGS / cpus.len().max(1)).next_power_of_two().clamp(RING_LEAST, RING_MOST);
        let ring = |cpu| {
            let owner = Event::open(&Attr::dummy(), Target { tid: 0, cpu }, None)?;
            let mapping = Mapping::new(&owner, size)?;
            Ok(Ring { cpu, owner, mapping, last: 0 })
        };
        let rings: Result<Vec<Ring>, OpenError> = cpus.into_iter().map(ring).collect();
        let probe = Event::open(&Attr::dummy().inherited(false), Target { tid: 0, cpu: -1 }, None);
        let inherits = !matches!(probe, Err(OpenError(libc::EINVAL | libc::E2BIG)));
        Ok(Self { rings: rings?, covered: HashSet::new(), bytes: Vec::new(), inherits })
    }

    /// Whether threads born later are watched from their birth.
    pub(crate) fn inherits(&self) -> bool {
        self.inherits
    }

    /// Forgets the threads of a process: they are no longer watched.
    pub(crate) fn forget(&mut self, process: &Process) {
        for tid in process.threads().unwrap_or_default() {
            self.covered.remove(&tid);
        }
    }

    /// Appends what the rings hold, in order of time.
    pub(crate) fn drain(&mut self, records: &mut Vec<Record>) {
        let from = records.len();
        for ring in &mut self.rings {
            let mine = records.len();
            self.bytes.clear();
            ring.mapping.drain(&mut self.bytes);
            parse(&self.bytes, records);
            for record in &mut records[mine..] {
                let previous = std::mem::replace(&mut ring.last, record.time());
                if let Record::Lost { time, .. } = record {
                    *time = previous.min(*time);
                }
            }
        }
        records[from..].sort_by_key(Record::time);
        for record in &records[from..] {
            match *record {
                Record::Fork { tid, .. } if self.inherits => _ = self.covered.insert(tid),
                Record::Exit { tid, .. } => _ = self.covered.remove(&tid),
                _ => {}
            }
        }
    }
}

/// Watchpoints on every thread that was there: those that stand as long as the group does, and those that are
/// switched on and off together.
pub(crate) struct Group {
    standing: Vec<Watched>,
    switched: Vec<Watched>,
    children: bool,
    on: bool,
    /// Switching one switches its set, on one thread and CPU and on all that inherited it.
    switches: Vec<Event>,
    others: Vec<Event>,
}

impl Group {
    pub(crate) fn new(standing: Vec<Watched>, switched: Vec<Watched>, children: bool) -> Self {
        Self { standing, switched, children, on: true, switches: Vec::new(), others: Vec::new() }
    }

    fn watches_already(&self) -> bool {
        !(self.switches.is_empty() && self.others.is_empty())
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
            if listed.iter().all(|t| rings.covered.contains(t)) {
                return Ok(());
            }
            if self.watches_already() {
                std::thread::sleep(BIRTH);
            }
            rings.drain(records);
            for tid in listed {
                if rings.covered.insert(tid) {
                    self.watch(tid, rings)?;
                }
            }
        }
        Ok(())
    }

    /// Watches these threads, covered or not.
    pub(crate) fn add(&mut self, process: &Process, rings: &Rings) -> Result<(), OpenError> {
        for tid in process.threads().unwrap_or_default() {
            self.watch(tid, rings)?;
        }
        Ok(())
    }

    fn watch(&mut self, tid: i32, rings: &Rings) -> Result<(), OpenError> {
        for ring in &rings.rings {
            match self.watch_on(tid, ring, rings.inherits) {
                // The thread has ended.
                Err(OpenError(libc::ESRCH)) => return Ok(()),
                // It is covered already: it was born in the very moment when its parent became so.
                Err(OpenError(libc::ENOSPC)) if self.watches_already() => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    fn watch_on(&mut self, tid: i32, ring: &Ring, inherits: bool) -> Result<(), OpenError> {
        let target = Target { tid, cpu: ring.cpu };
        let standing = self.open(&self.standing, target, ring, inherits)?;
        let switched = self.open(&self.switched, target, ring, inherits)?;
        if let Some(leader) = standing.first() {
            leader.switch(true)?;
        }
        let mut switched = switched.into_iter();
        if let Some(leader) = switched.next() {
            if self.on {
                leader.switch(true)?;
            }
            self.switches.push(leader);
        }
        self.others.extend(standing.into_iter().chain(switched));
        Ok(())
    }

    /// One set on one thread and CPU, its leader first, switched off.
    fn open(
        &self,
        set: &[Watched],
        target: Target,
        ring: &Ring,
        inherits: bool,
    ) -> Result<Vec<Event>, OpenError> {
        let mut events: Vec<Event> = Vec::new();
        for watched in set {
            let mut attr = Attr::write_watch(watched.addr, watched.len);
            if inherits {
                attr = attr.inherited(self.children);
            }
            if events.is_empty() {
                attr = attr.telling_tasks().disabled();
            }
            let event = Event::open(&attr, target, events.first())?;
            event.redirect(&ring.owner)?;
            events.push(event);
        }
        Ok(events)
    }

    /// Whether what can be switched is on.
    pub(crate) fn on(&self) -> bool {
        self.on
    }

    /// Opens or closes the watch; what stands stays.
    pub(crate) fn switch(&mut self, on: bool) {
        self.on = on;
        for leader in &self.switches {
            // A thread that has ended needs no switching.
            let _ = leader.switch(on);
        }
    }
}

/// The CPUs that any thread of a process may run on.
fn cpus(process: &Process) -> Vec<i32> {
    let online = list(&std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default());
    let mut cpus = Vec::new();
    for tid in process.threads().unwrap_or_default() {
        let path = format!("/proc/{}/task/{tid}/status", process.pid());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        cpus.extend(status.lines().filter_map(|l| l.strip_prefix("Cpus_allowed_list:")).flat_map(list));
    }
    cpus.sort_unstable();
    cpus.dedup();
    cpus.retain(|c| online.is_empty() || online.contains(c));
    if cpus.is_empty() { online } else { cpus }
}

/// `0-3,8` in full.
fn list(text: &str) -> Vec<i32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u16>().ok()?..=last.trim().parse::<u16>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().map(i32::from).collect()
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
        let mut group = Group::new(Vec::new(), vec![Watched { addr: word.as_ptr() as u64, len: 4 }], false);
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

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(list(""), Vec::<i32>::new());
        assert_eq!(list("x-2,7"), [7]);
    }
}
