//! One window: opened, read, charged to the budget, and taken for what it says.

use super::{AllocSampler, RING};
use crate::alloc::classes::{LARGE, known, unknown};
use crate::alloc::contents::{Early, Words};
use crate::alloc::cost::Cost;
use crate::alloc::follow::{Birth, Found};
use crate::alloc::later;
use crate::alloc::record::{self, Allocation, decode};
use crate::alloc::returns::Watched;
use crate::alloc::threads::{Closed, Given, Scheduled};
use crate::bpf::sys;
use m5_cpython::PyFrame;
use m5_process::monotonic_ns;
use std::thread::sleep;
use std::time::Duration;

/// How long names of code are believed.
const BELIEVED_NS: u64 = 1_000_000_000;
/// The share of a window for which a block must not have been handed out again.
const SETTLED: f64 = 0.5;
/// And so many allocations of its thread must have followed: one that stood still meanwhile proves nothing.
const FOLLOWING: usize = 4;
/// What is read later than this after a window says nothing any more: the first look at what lives comes as late, nanoseconds.
const PROMPT_NS: u64 = 20_000_000;

/// What is seen in a window.
struct Look {
    threads: usize,
    start: u64,
    end: u64,
    seen: Vec<Allocation>,
    scheduled: Vec<Scheduled>,
}

/// What each block held after the window, and a few allocations after it was given out.
type Read<'a> = (&'a [Option<Words>], &'a [Option<Early>]);

/// What is known of a block when its window is over.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// It was not handed out again.
    last: bool,
    /// And for long enough to say something.
    settled: bool,
    /// It was read late: others may own it by then.
    late: bool,
}

impl AllocSampler {
    /// Watches for the length of a window.
    pub(super) fn window(&mut self) {
        let mut look = self.look();
        let (closed, took) = self.close(&mut look);
        let entries = self.returns.watched() == Watched::Entries;
        let (early, found) = self.read(&look.seen);
        let since = monotonic_ns().saturating_sub(look.end);
        let scheduled = std::mem::take(&mut look.scheduled);
        let given: Vec<Given> = scheduled.into_iter().map(|thread| thread.since(&self.process)).collect();
        let switches = self.cost.of_switches(given.iter().map(|given| given.slices).sum(), 0);
        self.spend(closed, took, look.threads, switches);
        self.follow(&look, closed, (&found, &early), since);
        if entries {
            self.gather(&look, closed, given);
        }
    }

    /// What each block held a few allocations after it was given out, and where that is not known and says something, what it holds now.
    /// At once: what takes long to be read may be somebody else's by then.
    fn read(&self, seen: &[Allocation]) -> (Vec<Option<Early>>, Vec<Option<Words>>) {
        let Some(followers) = &self.followers else { return Default::default() };
        let early = if self.later.is_some() { later::found(seen) } else { vec![None; seen.len()] };
        if self.heaps {
            return (early, Vec::new());
        }
        let unknown = seen.iter().zip(&early).map(|(a, early)| a.block.filter(|_| early.is_none()));
        let found = followers.read(unknown);
        (early, found)
    }

    /// Opens a window, waits, closes it, and reads what was seen.
    fn look(&mut self) -> Look {
        let called = monotonic_ns();
        let room = RING / record::length(&self.image);
        let most = self.pace().most();
        let chosen = self.threads.open(most, room as u32, &mut self.random);
        // A thread is watched from the end of its call on, which the kernel makes on its processor, until the next one begins.
        let half = |ns: u64| ns / 2 - ns / (2 * chosen.len().max(1) as u64);
        let opened = monotonic_ns();
        let start = opened - half(opened - called);
        let mut scheduled = self.threads.scheduled(&self.process, &chosen);
        sleep(Duration::from_nanos(self.pace().window_ns()));
        let over = monotonic_ns();
        self.threads.close(&chosen);
        let end = over + half(monotonic_ns() - over);
        self.threads.ran(&mut scheduled);
        let (mut seen, image) = (Vec::new(), self.image);
        self.ring.drain(|bytes| seen.extend(decode(bytes, &image)));
        Look { threads: chosen.len(), start, end, seen, scheduled }
    }

    /// What it came to, and what its samples took of the target. Of one that the kernel ended only what lies before that is left.
    fn close(&mut self, look: &mut Look) -> (Closed, f64) {
        self.gaps.add(&look.seen, &mut self.random);
        self.cost = self.gaps.cost(self.measured);
        let lost = sys::count(&self.lost).unwrap_or(self.known_lost);
        let closed = self.threads.count(&look.seen, lost.saturating_sub(self.known_lost));
        if lost > self.known_lost || closed.cut_ns.is_some() {
            (self.known_lost, self.scanned_ns) = (lost, 0);
        }
        let others = closed.hits - look.seen.len() as u64;
        let took = self.cost.of_samples(&look.seen) + self.cost.of_others(others);
        if let Some(cut) = closed.cut_ns {
            // What others allocated after it says nothing of the one that is not watched any more.
            self.windows_cut += 1;
            look.seen.retain(|a| a.time_ns <= cut);
            look.end = cut.max(look.start);
        }
        self.open_ns += look.end - look.start;
        (closed, took)
    }

    /// Counts what a window took of the budget: its samples, its threads' begins and ends, and what they were put on a processor.
    fn spend(&mut self, closed: Closed, samples_ns: f64, threads: usize, switches_ns: f64) {
        // One that waits is not interrupted; one whose window the kernel ended is watched anew, which is another window's worth.
        let windows = match closed.hits {
            0 => self.pace().if_it_runs(Cost::of_windows(threads.min(1))),
            _ => Cost::of_windows(threads + usize::from(closed.cut_ns.is_some())),
        };
        if self.returns.watched() == Watched::Entries {
            self.samples_ns += samples_ns;
        }
        self.pace().window(closed.hits as usize, samples_ns + windows + switches_ns);
    }

    /// Takes what was seen, whose blocks were read `since` the end of the window. First who died: a block that was handed out
    /// twice in this window belongs to the last one.
    fn follow(&mut self, look: &Look, closed: Closed, (found, early): Read<'_>, since: u64) {
        let (seen, end) = (&look.seen, look.end);
        let settles = end - ((end - look.start) as f64 * SETTLED) as u64;
        let (prompt, late) = (since <= PROMPT_NS, closed.cut_ns.is_some() || since > end - settles);
        for (at, allocation) in seen.iter().enumerate() {
            let again = |a: &Allocation| a.block.is_some() && a.block == allocation.block;
            let last = !seen.iter().skip(at + 1).any(again);
            let early = early.get(at).copied().flatten();
            // Who is there a few allocations later is who asked for it; what m5 reads later may be another's.
            let read = || found.get(at).copied().flatten();
            let words = early.map(|early| early.words).or_else(read);
            let (settled, late) = if self.heaps {
                // It was read when so many had followed, and nobody had got its block.
                (words.is_some(), false)
            } else {
                (prompt && allocation.time_ns <= settles && follows(&seen[at..]), late && early.is_none())
            };
            self.take(allocation, Fate { last, settled, late }, words, early);
        }
    }

    /// What the window says of shares and rates, with what the schedule gave its threads.
    fn gather(&mut self, look: &Look, closed: Closed, given: Vec<Given>) {
        let (open, cut) = (look.end - look.start, closed.cut_ns.is_some());
        let busy = self.pace().is_busy() && !cut;
        let alone = !self.interpreter.layout().free_threaded || self.threads.counts()[1] == 1;
        let given: Vec<Given> = if alone {
            let together = Given::together(&given).of_window(open, busy);
            if look.seen.is_empty() && 10 * together.waited_ns > 9 * open {
                return;
            }
            vec![together]
        } else {
            // Of threads side by side nobody knows which rest.
            given.into_iter().map(|given| given.of_window(open, false)).collect()
        };
        self.own_time.rests = !self.pace().is_busy();
        let stands_ns = look.start.saturating_sub(std::mem::replace(&mut self.opened_ns, look.start)) as f64;
        let parts = self.own_time.windows(&look.seen, self.cost, [look.start, look.end], &given, cut);
        self.gathering.window(&parts, stands_ns);
    }

    /// Takes an allocation, and what was found in its block.
    fn take(&mut self, allocation: &Allocation, fate: Fate, words: Option<Words>, early: Option<Early>) {
        let Fate { last, settled, late } = fate;
        let now = allocation.time_ns;
        if now.saturating_sub(self.named_ns) > BELIEVED_NS {
            self.names.clear();
            self.named_ns = now;
        }
        let interpreter = &self.interpreter;
        let mut name = |at: &(u64, u64)| {
            self.names.entry(*at).or_insert_with(|| interpreter.frame_of(at.0, at.1)).clone()
        };
        let frames = allocation.frames.iter().map_while(&mut name);
        let frames: Vec<PyFrame> = frames.filter(PyFrame::is_of_a_program).collect();
        let entry = self.returns.watched() == Watched::Entries;
        let (line, stack) = if entry {
            self.returns.saw(allocation);
            self.gathering.without_stack += u64::from(frames.is_empty());
            self.gathering.cut_stacks += u64::from(allocation.cut);
            self.gathering.add(frames, allocation.size)
        } else {
            self.gathering.number(frames)
        };
        let (Some(followers), Some(block)) = (&mut self.followers, allocation.block) else { return };
        followers.handed_out(block);
        if self.heaps && last && words.is_none() {
            return;
        }
        let size = entry.then_some(allocation.size);
        let classes = &mut self.gathering.classes;
        let class = classes.of(line, size.unwrap_or(LARGE));
        let birth = Birth { block, size, time_ns: now, stack, settled: last && settled, late };
        let found = words.filter(|_| last);
        let found = found.map(|words| followers.follow(birth, known(class), &words, early.as_ref()));
        match found.unwrap_or(Found::Nothing) {
            Found::Small => return,
            Found::Object(kind) => {
                classes.is_object(class, kind);
                self.returns.followed += u64::from(!entry);
            }
            Found::Nothing if !last && followers.gone(birth, known(class)) => classes.is_gone(class),
            Found::Nothing if last && followers.gone(birth, unknown(class)) => classes.is_unknown(class),
            Found::Nothing => {}
        }
        if settled {
            classes.is_settled(class);
        }
    }
}

/// Whether enough allocations of the first one's thread follow it.
fn follows(seen: &[Allocation]) -> bool {
    let Some((first, rest)) = seen.split_first() else { return false };
    rest.iter().filter(|a| a.thread == first.thread).nth(FOLLOWING - 1).is_some()
}
