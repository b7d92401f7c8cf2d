//! Puts the watchpoints on every thread and CPU, and keeps the rings they write to.
#![allow(unsafe_code)]

use crate::perf::{Attr, Event, Mapping, OpenError, Record, Target, parse};
use m5_target::Process;
use std::collections::HashSet;
use std::time::Duration;

/// One watched range of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) addr: u64,
    pub(crate) len: u64,
}

/// Bytes of each CPU's ring; smaller where locked memory is short.
const RING: usize = 256 << 10;
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

/// Every watchpoint of one process.
pub(crate) struct Watches {
    children: bool,
    watched: Vec<Watched>,
    rings: Vec<Ring>,
    /// Group leaders: switching one switches its group.
    leaders: Vec<Event>,
    members: Vec<Event>,
    covered: HashSet<i32>,
    bytes: Vec<u8>,
}

impl Watches {
    /// Watches `watched` (the first leads its group) on every thread of the process, with all rings open.
    pub(crate) fn open(process: &Process, watched: &[Watched], children: bool) -> Result<Self, OpenError> {
        raise_file_limit();
        let mut rings = Vec::new();
        for cpu in cpus(process) {
            let owner = Event::open(&Attr::dummy(), Target { tid: 0, cpu }, None)?;
            let mapping = Mapping::new(&owner, RING)?;
            rings.push(Ring { cpu, owner, mapping, last: 0 });
        }
        Ok(Self {
            children,
            watched: watched.to_vec(),
            rings,
            leaders: Vec::new(),
            members: Vec::new(),
            covered: HashSet::new(),
            bytes: Vec::new(),
        })
    }

    /// Watches the threads that are not yet watched, until there is none; appends the records that came in.
    pub(crate) fn cover(&mut self, process: &Process, records: &mut Vec<Record>) -> Result<(), OpenError> {
        for _ in 0..ROUNDS {
            let listed = process.threads().unwrap_or_default();
            if listed.iter().all(|t| self.covered.contains(t)) {
                return Ok(());
            }
            if !self.covered.is_empty() {
                std::thread::sleep(BIRTH);
            }
            self.drain(records);
            for tid in listed {
                if !self.covered.contains(&tid) {
                    self.watch(tid)?;
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, tid: i32) -> Result<(), OpenError> {
        self.covered.insert(tid);
        for i in 0..self.rings.len() {
            match self.watch_on(tid, i) {
                // The thread has ended.
                Err(OpenError(libc::ESRCH)) => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    fn watch_on(&mut self, tid: i32, ring: usize) -> Result<(), OpenError> {
        let ring = &self.rings[ring];
        let target = Target { tid, cpu: ring.cpu };
        let mut leader: Option<Event> = None;
        let mut members = Vec::new();
        for watched in &self.watched {
            let mut attr = Attr::write_watch(watched.addr, watched.len).inherited(self.children);
            if leader.is_none() {
                attr = attr.telling_tasks().disabled();
            }
            let event = Event::open(&attr, target, leader.as_ref())?;
            event.redirect(&ring.owner)?;
            match leader {
                None => leader = Some(event),
                Some(_) => members.push(event),
            }
        }
        if let Some(leader) = leader {
            leader.switch(true)?;
            self.leaders.push(leader);
        }
        self.members.append(&mut members);
        Ok(())
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
                Record::Fork { tid, .. } => _ = self.covered.insert(tid),
                Record::Exit { tid, .. } => _ = self.covered.remove(&tid),
                _ => {}
            }
        }
    }
}

/// The CPUs that a process may run on.
fn cpus(process: &Process) -> Vec<i32> {
    let path = format!("/proc/{}/status", process.pid());
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let allowed = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).map(list);
    let online = list(&std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default());
    match allowed {
        Some(allowed) if !online.is_empty() => allowed.into_iter().filter(|c| online.contains(c)).collect(),
        Some(allowed) => allowed,
        None => online,
    }
}

/// `0-3,8` in full.
fn list(text: &str) -> Vec<i32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u16>().ok()?..=last.trim().parse::<u16>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().map(i32::from).collect()
}

/// The most descriptors that m5 may hold.
pub(crate) fn file_limit() -> u64 {
    limit().map_or(0, |l| l.rlim_cur)
}

fn limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, exclusively borrowed rlimit.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (done == 0).then_some(limit)
}

/// Threads times CPUs times registers descriptors are needed: more than the usual soft limit.
fn raise_file_limit() {
    let Some(mut limit) = limit() else { return };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid rlimit; where the kernel refuses, the old one stays.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(list(""), []);
        assert_eq!(list("x-2,7"), [7]);
    }
}
