//! The rings that the watchpoints write to, one for each CPU, and which threads are watched.

use crate::perf::{Attr, Event, Mapping, OpenError, Record, Target, parse};
use m5_process::{Process, monotonic_ns};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes of all rings together, and of one: at 5,000 collections a second a large one holds a quarter of a
/// second. Smaller where locked memory is short.
const RINGS: usize = 1 << 20;
const RING_LEAST: usize = 32 << 10;
const RING_MOST: usize = 128 << 10;
/// Whoever waits is woken when this part of a ring was filled.
const WAKES: usize = 8;

/// One CPU's ring, owned by an event that never fires.
pub(super) struct Ring {
    pub(super) cpu: i32,
    pub(super) owner: Event,
    mapping: Mapping,
    /// Time of the last record read from it.
    last: u64,
    /// It was found full, and one record said to be lost, before the kernel said how many were.
    full: bool,
}

/// A ring for each CPU, and the threads whose records they hold.
pub(crate) struct Rings {
    pub(super) rings: Vec<Ring>,
    /// The threads that are watched, each with the one whose events it inherited: itself, where it has its own.
    pub(super) covered: HashMap<i32, i32>,
    bytes: Vec<u8>,
    /// Whether threads born later inherit the watch. Kernels before 5.13 cannot take it away from a process that
    /// runs another program, where the address means something else; there it is not inherited at all, and
    /// threads are found by listing them.
    pub(super) inherits: bool,
    /// Whether each tells before it is full: not where locked memory was too short for it.
    wakes: bool,
}

impl Rings {
    /// Opens a ring for each CPU that the process may run on.
    pub(crate) fn open(process: &Process) -> Result<Self, OpenError> {
        // Threads times CPUs times registers descriptors are needed.
        m5_process::raise_descriptor_limit();
        let cpus = cpus(process);
        let size = (RINGS / cpus.len().max(1)).next_power_of_two().clamp(RING_LEAST, RING_MOST);
        let ring = |cpu| {
            let attr = Attr::dummy().waking_at((size / WAKES) as u32);
            let owner = Event::open(&attr, Target { tid: 0, cpu }, None)?;
            let mapping = Mapping::new(&owner, size)?;
            Ok(Ring { cpu, owner, mapping, last: 0, full: false })
        };
        let rings: Result<Vec<Ring>, OpenError> = cpus.into_iter().map(ring).collect();
        let probe = Event::open(&Attr::dummy().inherited(false), Target { tid: 0, cpu: -1 }, None);
        let inherits = !matches!(probe, Err(OpenError(libc::EINVAL | libc::E2BIG)));
        let rings = rings?;
        let wakes = rings.iter().all(|ring| ring.mapping.size() >= size / WAKES * 2);
        Ok(Self { rings, covered: HashMap::new(), bytes: Vec::new(), inherits, wakes })
    }

    /// Whether threads born later are watched from their birth.
    pub(crate) fn inherits(&self) -> bool {
        self.inherits
    }

    /// What becomes readable long before a ring is full; `None` where one may be full before.
    pub(super) fn wakers(&self) -> Option<impl Iterator<Item = BorrowedFd<'_>>> {
        self.wakes.then(|| self.rings.iter().map(|ring| ring.owner.as_fd()))
    }

    /// Whether they hold nothing.
    pub(super) fn are_empty(&self) -> bool {
        self.rings.iter().all(|ring| ring.mapping.is_empty())
    }

    /// Forgets the threads of a process: they are no longer watched.
    pub(crate) fn forget(&mut self, process: &Process) {
        for tid in process.threads().unwrap_or_default() {
            self.covered.remove(&tid);
        }
    }

    /// The thread whose events watch this one.
    pub(super) fn source(&self, tid: i32) -> Option<i32> {
        self.covered.get(&tid).copied()
    }

    /// Threads that are watched by the events of this one, itself among them.
    pub(super) fn heirs(&self, source: i32) -> Vec<i32> {
        self.covered.iter().filter(|(_, of)| **of == source).map(|(tid, _)| *tid).collect()
    }

    /// Appends what the rings hold, in order of time.
    pub(crate) fn drain(&mut self, records: &mut Vec<Record>) {
        let from = records.len();
        for ring in &mut self.rings {
            self.bytes.clear();
            ring.drain(&mut self.bytes, records);
        }
        records[from..].sort_by_key(Record::time);
        for record in &records[from..] {
            match *record {
                Record::Fork { tid, parent_tid, .. } if self.inherits => {
                    let source = self.source(parent_tid).unwrap_or(parent_tid);
                    self.covered.insert(tid, source);
                }
                Record::Exit { tid, .. } => _ = self.covered.remove(&tid),
                _ => {}
            }
        }
    }
}

impl Ring {
    /// Appends what it holds; `bytes` is room to read it to. The kernel says how much found no room before the next record
    /// that does, so of what a target did last it would never be said: a full ring has lost one record at least.
    fn drain(&mut self, bytes: &mut Vec<u8>, records: &mut Vec<Record>) {
        let mine = records.len();
        let full = self.mapping.drain(bytes);
        let now = monotonic_ns();
        parse(bytes, records);
        for record in &mut records[mine..] {
            let previous = std::mem::replace(&mut self.last, record.time());
            if let Record::Lost { time, count, .. } = record {
                *time = previous.min(*time);
                *count -= u64::from(std::mem::take(&mut self.full)).min(*count);
            }
        }
        if full {
            self.full = true;
            records.push(Record::Lost { time: self.last, until: now, count: 1 });
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

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(list(""), Vec::<i32>::new());
        assert_eq!(list("x-2,7"), [7]);
    }
}
