//! The interpreter's own records (3.15+): read the block before it wraps, and count what wrapped.

use crate::counts::{Counts, by_interpreter, now_ns};
use crate::descendants::Descendants;
use crate::stacks::{CaughtStack, Stacks};
use crate::{Coverage, Detail, InterpreterCollections, Pause, PauseSource, Result, SourceKind};
use m5_cpython::{Interpreter, RingItem};
use m5_process::{Process, clock_ahead_ns};
use std::time::Duration;

/// Records that the interpreter keeps for each generation.
const CAPACITY: [u64; 3] = [11, 3, 3];
/// The block is read at least, and at most, this often.
const SLOWEST: Duration = Duration::from_millis(10);
const FASTEST: Duration = Duration::from_millis(1);
/// How often interpreters and processes are listed again.
const RESCAN_NS: u64 = 1_000_000_000;

/// Reads the rings of a process's interpreters and, if wanted, of its descendants'.
pub(crate) struct RingSource {
    process: Process,
    lanes: Vec<Lane>,
    descendants: Option<Descendants>,
    retired: Coverage,
    /// Of those, what further interpreters of the process itself collected.
    ended: [u64; 3],
    details: Vec<Detail>,
    interval: Duration,
    start_ns: u64,
    scanned_ns: u64,
    /// The newest interpreter of the process when they were last listed.
    newest: Option<u64>,
    stacks: Option<Stacks>,
}

/// The rings of one interpreter.
struct Lane {
    pid: i32,
    interpreter: Interpreter,
    counts: Counts,
    /// The last record of each generation that was seen.
    last: [RingItem; 3],
    /// What the clock that the records are made by is ahead of the machine's, nanoseconds.
    ahead_ns: i64,
    lost: u64,
    /// The first reading since which one runs, and the last.
    busy: Option<(u64, u64)>,
    gone: bool,
}

impl Lane {
    /// One that came while its process was watched: all that it has collected so far counts.
    fn born(pid: i32, interpreter: Interpreter) -> m5_cpython::Result<Self> {
        let lane = Self::new(pid, interpreter)?;
        let last = [RingItem::default(); 3];
        Ok(Self { counts: Counts::from([0; 3]), last, ..lane })
    }

    fn new(pid: i32, interpreter: Interpreter) -> m5_cpython::Result<Self> {
        let rings = interpreter.rings()?.unwrap_or_default();
        let newest = |ring: &Vec<RingItem>| {
            let whole = ring.iter().filter(|r| r.stop_ns >= r.start_ns);
            whole.max_by_key(|r| r.collections).copied().unwrap_or_default()
        };
        let last = [newest(&rings[0]), newest(&rings[1]), newest(&rings[2])];
        Ok(Self {
            counts: Counts::from(last.map(|r| r.collections)),
            pid,
            interpreter,
            last,
            ahead_ns: clock_ahead_ns(pid),
            lost: 0,
            busy: None,
            gone: false,
        })
    }

    /// Takes the new records of one generation; returns how much of the ring they filled.
    fn take(&mut self, generation: usize, ring: Vec<RingItem>, out: &mut Taken) -> f64 {
        let last = &mut self.last[generation];
        let new = newer(last, ring);
        let before = last.collections;
        for item in new {
            let gap = item.collections - last.collections - 1;
            self.lost += gap;
            let start_ns = item.start_ns.saturating_add_signed(-self.ahead_ns);
            let since = |now: u64, then: u64| (gap == 0).then(|| now.checked_sub(then)).flatten();
            self.counts.seen[generation] += 1;
            out.pauses.push(Pause {
                start_ns,
                duration_ns: item.stop_ns - item.start_ns,
                generation: Some(generation as u8),
                pid: self.pid,
                interpreter: self.interpreter.id(),
                tid: None,
                collected: since(item.collected, last.collected),
                ..Pause::default()
            });
            out.details.push(Detail {
                pid: self.pid,
                start_ns,
                candidates: since(item.candidates, last.candidates),
                live_objects: Some(item.heap_size),
                ..Detail::default()
            });
            *last = item;
        }
        (last.collections - before) as f64 / CAPACITY[generation] as f64
    }

    fn drain(&mut self, out: &mut Taken) -> m5_cpython::Result<f64> {
        let rings = self.interpreter.rings()?.unwrap_or_default();
        let filled = rings.into_iter().enumerate().map(|(g, ring)| self.take(g, ring, out));
        let filled = filled.fold(0.0, f64::max);
        let last = self.last.map(|r| r.collections);
        if last != self.counts.now() {
            self.busy = None;
        }
        self.counts.set(last);
        match self.interpreter.read()?.collecting {
            true => {
                let now = now_ns();
                self.busy = Some((self.busy.map_or(now, |(first, _)| first), now));
            }
            false => self.busy = None,
        }
        Ok(filled)
    }
}

/// The records after the last one, in order. A record is written field by field from a copy of the one before it, so one
/// that is read meanwhile ends before it begins, or begins before the one before it ended; it is left for the next reading.
fn newer(last: &RingItem, ring: Vec<RingItem>) -> Vec<RingItem> {
    let mut new: Vec<RingItem> =
        ring.into_iter().filter(|r| r.collections > last.collections && r.stop_ns >= r.start_ns).collect();
    new.sort_unstable_by_key(|r| (r.collections, std::cmp::Reverse(r.start_ns)));
    new.dedup_by_key(|r| r.collections);
    let mut ended = last.stop_ns;
    let whole = new.iter().take_while(|r| r.start_ns >= std::mem::replace(&mut ended, r.stop_ns)).count();
    new.truncate(whole);
    new
}

/// What one reading gave.
#[derive(Default)]
struct Taken {
    pauses: Vec<Pause>,
    details: Vec<Detail>,
}

impl RingSource {
    pub(crate) fn new(process: &Process, main: &Interpreter, children: bool) -> Result<Self> {
        let pid = process.pid();
        let lanes: m5_cpython::Result<Vec<Lane>> =
            main.all()?.into_iter().map(|i| Lane::new(pid, i)).collect();
        let now = now_ns();
        let mut source = Self {
            process: process.clone(),
            lanes: lanes?,
            descendants: children.then(|| Descendants::of(pid)),
            retired: Coverage::default(),
            ended: [0; 3],
            details: Vec::new(),
            interval: SLOWEST,
            start_ns: now,
            scanned_ns: now,
            newest: main.newest().ok(),
            stacks: None,
        };
        source.adopt();
        Ok(source)
    }

    fn adopt(&mut self) {
        let Some(descendants) = &mut self.descendants else { return };
        for (process, interpreters) in descendants.new_programs(|pid| self.lanes.iter().any(|l| l.pid == pid))
        {
            self.lanes.extend(interpreters.into_iter().filter_map(|i| Lane::new(process.pid(), i).ok()));
        }
    }

    /// Interpreters and processes that came and went.
    fn rescan(&mut self, now: u64) {
        let newest = self.lanes.first().and_then(|main| main.interpreter.newest().ok());
        if now - self.scanned_ns < RESCAN_NS && newest == self.newest {
            return;
        }
        (self.scanned_ns, self.newest) = (now, newest);
        let same = |a: &Interpreter, b: &Interpreter| a.address() == b.address() && a.id() == b.id();
        let mains: Vec<(i32, Interpreter)> = self
            .lanes
            .iter()
            .filter(|l| l.interpreter.id() == 0)
            .map(|l| (l.pid, l.interpreter.clone()))
            .collect();
        for (pid, main) in mains {
            let Ok(listed) = main.all() else { continue };
            for lane in self.lanes.iter_mut().filter(|l| l.pid == pid && l.interpreter.id() != 0) {
                lane.gone |= !listed.iter().any(|i| same(i, &lane.interpreter));
            }
            for new in listed {
                if !self.lanes.iter().any(|l| l.pid == pid && same(&l.interpreter, &new)) {
                    self.lanes.extend(Lane::born(pid, new));
                }
            }
        }
        self.adopt();
    }

    /// Reads the stack of a collection that runs, once; how long it takes is only known when it has ended.
    fn look(&mut self) {
        let Some(stacks) = &mut self.stacks else { return };
        for lane in self.lanes.iter().filter(|l| !l.gone) {
            let ended = lane.last.iter().map(|r| r.stop_ns).max().unwrap_or(0);
            if !stacks.has_since(lane.pid, ended) {
                let read = || lane.interpreter.collecting_stack().unwrap_or_default();
                let caught = CaughtStack::during(lane.pid, &lane.interpreter, read);
                caught.into_iter().for_each(|stack| stacks.keep(stack));
            }
        }
    }

    fn retire(&mut self) {
        let (main, retired, ended) = (self.process.pid(), &mut self.retired, &mut self.ended);
        self.lanes.retain(|lane| {
            let keep = !lane.gone || (lane.pid == main && lane.interpreter.id() == 0);
            if !keep {
                lane.counts.add_to(retired);
                retired.lost += lane.lost;
                if lane.pid == main {
                    (0..3).for_each(|g| ended[g] += lane.counts.happened()[g]);
                }
            }
            keep
        });
    }
}

impl PauseSource for RingSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Ring
    }

    /// Fast enough that a ring is half full at most, by what the last reading found.
    fn interval(&self) -> Duration {
        self.stacks.as_ref().map_or(self.interval, |s| s.interval().min(self.interval))
    }

    fn drain(&mut self, pauses: &mut Vec<Pause>) -> Result<()> {
        self.rescan(now_ns());
        let (mut taken, mut result, mut filled) = (Taken::default(), Ok(()), 0.0f64);
        for lane in self.lanes.iter_mut().filter(|l| !l.gone) {
            match lane.drain(&mut taken) {
                Ok(share) => filled = filled.max(share),
                Err(error) => {
                    lane.gone = true;
                    if lane.pid == self.process.pid() && lane.interpreter.id() == 0 {
                        result = Err(error.into());
                    }
                }
            }
        }
        let wanted = if filled > 0.0 { self.interval.mul_f64(0.5 / filled) } else { SLOWEST };
        // Quick to speed up, slow to slow down.
        self.interval = wanted.min(self.interval.mul_f64(1.2)).clamp(FASTEST, SLOWEST);
        taken.pauses.sort_unstable_by_key(|p| p.start_ns);
        for looked in self.stacks.iter_mut().flat_map(|s| s.details(&taken.pauses, 0)) {
            let same = |d: &&mut Detail| d.pid == looked.pid && d.start_ns == looked.start_ns;
            if let Some(detail) = taken.details.iter_mut().find(same) {
                detail.stack = looked.stack;
            }
        }
        self.look();
        pauses.append(&mut taken.pauses);
        self.details.append(&mut taken.details);
        self.retire();
        result
    }

    fn stacks_above(&mut self, limit: Duration) {
        self.stacks = Some(Stacks::above(limit));
    }

    fn details(&mut self, details: &mut Vec<Detail>) {
        details.append(&mut self.details);
    }

    fn coverage(&self) -> Coverage {
        let mut coverage = self.retired;
        for lane in &self.lanes {
            lane.counts.add_to(&mut coverage);
            coverage.lost += lane.lost;
            let running = lane.busy.map_or(0, |(first, last)| last - first);
            coverage.unfinished_ns = coverage.unfinished_ns.max(running);
        }
        coverage.wall_ns = now_ns() - self.start_ns;
        coverage.open_ns = coverage.wall_ns;
        coverage
    }

    fn interpreters(&self) -> Vec<InterpreterCollections> {
        let there = self
            .lanes
            .iter()
            .filter(|l| l.pid == self.process.pid())
            .map(|l| (l.interpreter.id(), l.counts.happened()));
        by_interpreter(there, self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::newer;
    use m5_cpython::RingItem;

    fn item(collections: u64, start_ns: u64, stop_ns: u64) -> RingItem {
        RingItem { collections, start_ns, stop_ns, ..RingItem::default() }
    }

    fn counts(last: &RingItem, ring: &[RingItem]) -> Vec<u64> {
        newer(last, ring.to_vec()).iter().map(|r| r.collections).collect()
    }

    #[test]
    fn records_come_once_and_in_order() {
        let ring = [item(12, 120, 121), item(10, 100, 101), item(11, 110, 111)];
        assert_eq!(counts(&item(10, 100, 101), &ring), [11, 12]);
        assert_eq!(counts(&item(0, 0, 0), &ring), [10, 11, 12]);
    }

    #[test]
    fn one_that_is_being_written_waits() {
        let last = item(10, 100, 101);
        assert_eq!(counts(&last, &[last, item(11, 110, 101)]), [0; 0], "its end is still the last one's");
        assert_eq!(counts(&last, &[last, item(11, 100, 101)]), [0; 0], "both times are");
        assert_eq!(counts(&last, &[item(11, 110, 111), item(12, 110, 111)]), [11], "of two new ones");
        assert_eq!(counts(&last, &[item(11, 70, 71), item(11, 110, 111)]), [11], "times of one long ago");
        assert_eq!(counts(&last, &[item(11, 110, 111), item(12, 112, 113)]), [11, 12]);
    }
}
