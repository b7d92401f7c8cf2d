//! What a sample costs whom it is taken of: measured by the program on m5 itself.

use super::record::{Allocation, decode};
use crate::Result;
use crate::bpf::{Ring, sys};
use crate::frames::FrameImage;
use m5_process::perf::{Attr, Event, Target};
use m5_process::thread_cpu_ns;
use m5_stats::Random;
use rustc_hash::FxHashMap;
use std::hint::black_box;
use std::os::fd::OwnedFd;

/// Executions of each batch, and batches: the cheapest was disturbed least.
const TIMES: u32 = 64;
const BATCHES: usize = 5;
/// The measured loop finds all that it needs in the processor's caches. A service fetches its own again after a trap; and where the
/// trap before is longer ago than this, nanoseconds, what the trap itself needs is no longer there, from the second on not at all.
const WARM: f64 = 1.3;
const COLD: f64 = 2.7;
const WARM_NS: f64 = 300_000.0;
const COLD_NS: f64 = 2_500_000.0;
/// The most that a trap in the target may take of what it takes in m5.
const DEARER: f64 = 1.5;
/// Where it cannot be measured, nanoseconds: a debugger has the registers of m5 itself.
const USUAL_NS: f64 = 12_000.0;
/// A thread that is put on a processor has its breakpoint put in and taken out again, which is so much of what a trap takes; and
/// that the breakpoint is only looked at, as no window is open.
const SWITCH: [f64; 2] = [0.5, 0.04];
/// Opening and closing a window interrupts a thread twice, nanoseconds.
const WINDOW_NS: f64 = 10_000.0;

/// Gaps that are kept, and that say something; of them the shortest one in so many is the trap, with so much of the target's own.
const GAPS: usize = 4096;
const LEAST_GAPS: usize = 200;
const SHORTEST: usize = 20;
const OWN_NS: f64 = 50.0;

/// Words of a thread's state, and of what its frames would be.
const WORDS: usize = 256;

/// Nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// A trap with the program that finds hardly a frame.
    trap_ns: f64,
    /// What the program takes of that.
    program_ns: f64,
}

impl Cost {
    /// A trap that takes so long, of which its program takes so long.
    #[cfg(test)]
    pub(super) fn new(trap_ns: f64, program_ns: f64) -> Self {
        Self { trap_ns, program_ns }
    }

    /// That of this program on this machine. Records of it are taken out of the ring.
    pub(super) fn measured(program: &OwnedFd, ring: &Ring, image: &FrameImage) -> Self {
        Self::measure(program, ring, image).unwrap_or(Self { trap_ns: USUAL_NS, program_ns: 2_000.0 })
    }

    fn measure(program: &OwnedFd, ring: &Ring, image: &FrameImage) -> Option<Self> {
        let nothing = [0u64; WORDS];
        let state = [nothing.as_ptr() as u64; WORDS];
        let own = watch(program, state.as_ptr() as u64).ok()?;
        let mut took = Vec::new();
        // Twice as many are allowed, so that the event is never used up.
        let mut allowed = 2 * TIMES;
        let mut batch = |watched: bool| {
            if watched {
                own.0.switch_on_for(std::mem::replace(&mut allowed, TIMES)).ok()?;
            }
            let begin = thread_cpu_ns();
            (0..TIMES).for_each(|_| watched_place(0));
            let ns = (thread_cpu_ns() - begin) as f64 / f64::from(TIMES);
            own.0.switch(false).ok()?;
            let mut seen: Vec<Allocation> = Vec::new();
            ring.drain(|bytes| seen.extend(decode(bytes, image)));
            took.extend(seen.iter().map(|a| a.took_ns));
            (seen.len() == if watched { TIMES as usize } else { 0 }).then_some(ns)
        };
        let (mut alone, mut watched) = (f64::MAX, f64::MAX);
        for _ in 0..BATCHES {
            alone = alone.min(batch(false)?);
            watched = watched.min(batch(true)?);
        }
        took.sort_unstable();
        let program_ns = *took.get(took.len() / 2)? as f64;
        Some(Self { trap_ns: (watched - alone).max(program_ns), program_ns })
    }

    /// The same, but of a trap that takes so long outside of its program.
    pub(super) fn with_outside(self, outside_ns: f64) -> Self {
        Self { trap_ns: self.program_ns + outside_ns, ..self }
    }

    /// What a trap takes outside of its program.
    pub(super) fn outside_ns(self) -> f64 {
        self.trap_ns - self.program_ns
    }

    /// What a sample takes, beside what is fetched again, whose program ran for so long.
    pub(super) fn of(self, took_ns: u64) -> f64 {
        self.trap_ns + (took_ns as f64 - self.program_ns).max(0.0)
    }

    /// What the samples of a window took of the process's time with what is fetched again, by the time since the one before: the
    /// first of each thread is cold.
    pub(super) fn of_samples(self, seen: &[Allocation]) -> f64 {
        let mut ends: FxHashMap<u64, u64> = FxHashMap::default();
        let mut sum = 0.0;
        for sample in seen {
            let before = ends.insert(sample.thread, sample.time_ns + sample.took_ns);
            let idle = before.map_or(COLD_NS, |end| sample.time_ns.saturating_sub(end) as f64);
            sum += factor(idle) * self.of(sample.took_ns);
        }
        sum
    }

    /// What so many of them take that nothing is known of.
    pub(super) fn of_others(self, samples: u64) -> f64 {
        samples as f64 * WARM * self.trap_ns
    }

    /// What it takes that the windows of so many threads begin and end.
    pub(super) fn of_windows(threads: usize) -> f64 {
        threads as f64 * WINDOW_NS
    }

    /// What it takes that threads were put on a processor so often while a window was open, and while none was.
    pub(super) fn of_switches(self, open: u64, closed: u64) -> f64 {
        self.outside_ns() * (SWITCH[0] * open as f64 + SWITCH[1] * closed as f64)
    }
}

/// How much dearer a trap is than the measured ones, whose predecessor is so long ago.
fn factor(idle_ns: f64) -> f64 {
    let idle = idle_ns.clamp(WARM_NS, COLD_NS) / WARM_NS;
    WARM + (COLD - WARM) * idle.ln() / (COLD_NS / WARM_NS).ln()
}

/// Times from the end of one program to the begin of the next in a thread: the shortest are the trap itself and next to nothing
/// of the target's own. So its cost in the very target becomes known.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    kept: Vec<u32>,
    /// How many there were.
    all: u64,
}

impl Gaps {
    /// Of the allocations of a window, in order.
    pub(super) fn add(&mut self, seen: &[Allocation], random: &mut Random) {
        for pair in seen.windows(2).filter(|pair| pair[0].thread == pair[1].thread) {
            let gap = pair[1].time_ns.saturating_sub(pair[0].time_ns + pair[0].took_ns);
            let gap = u32::try_from(gap).unwrap_or(u32::MAX);
            self.all += 1;
            if self.kept.len() < GAPS {
                self.kept.push(gap);
            } else if let Some(slot) = self.kept.get_mut((random.unit() * self.all as f64) as usize) {
                *slot = gap;
            }
        }
    }

    /// The cost in the target, by what was measured on m5 itself: a target that allocates rarely shows no gap that is so short.
    pub(super) fn cost(&mut self, measured: Cost) -> Cost {
        let rank = self.kept.len() / SHORTEST;
        if self.kept.len() < LEAST_GAPS {
            return measured;
        }
        let (_, gap, _) = self.kept.select_nth_unstable(rank);
        let outside = f64::from(*gap) - OWN_NS;
        measured.with_outside(outside.clamp(0.5 * measured.outside_ns(), DEARER * measured.outside_ns()))
    }
}

/// What is executed for the measure.
#[inline(never)]
extern "C" fn watched_place(bytes: u64) {
    black_box(bytes);
}

/// The program at that place in this thread, switched off.
fn watch(program: &OwnedFd, state: u64) -> Result<(Event, OwnedFd)> {
    let attr = Attr::execution_watch(watched_place as *const () as u64).disabled();
    let event = Event::open(&attr, Target { tid: 0, cpu: -1 }, None).map_err(super::threads::refused)?;
    let link = sys::attach(program, event.fd(), state)?;
    Ok((event, link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::program;
    use crate::alloc::supply::Supply;
    use m5_cpython::layout::objects::OBJECTS;
    use std::os::fd::AsRawFd;

    /// The program with where it writes; nothing where the kernel does not allow it.
    fn loaded() -> Option<(Ring, OwnedFd, OwnedFd, FrameImage)> {
        let image = OBJECTS.iter().find_map(FrameImage::of)?;
        let (ring, lost) = (Ring::new(4 << 20).ok()?, sys::counter().ok()?);
        let place = program::Place::Entry { size: crate::arch::ARGUMENTS[0], supply: Supply::Unknown };
        let maps = program::Maps { ring: ring.fd(), lost: lost.as_raw_fd(), later: None };
        let code = program::program(&maps, place, &image)?;
        let program = sys::load(sys::Kind::PerfEvent, &code).ok()?;
        Some((ring, lost, program, image))
    }

    #[test]
    fn the_kernel_itself_ends_what_m5_does_not() {
        let Some((ring, _lost, program, image)) = loaded().filter(|_| crate::arch::programs_may_break())
        else {
            return eprintln!("skipped: programs are not allowed here");
        };
        let nothing = [0u64; WORDS];
        let state = [nothing.as_ptr() as u64; WORDS];
        let open = || watch(&program, state.as_ptr() as u64).ok();
        if open().is_none() {
            return eprintln!("skipped: breakpoints are not allowed here");
        }
        let seen = || {
            let mut count = 0;
            ring.drain(|bytes| count += u32::from(decode(bytes, &image).is_some()));
            count
        };
        // As if m5 were stopped while a window is open: the place is executed again and again.
        for allowed in [5, 7] {
            let (event, _link) = open().unwrap();
            event.switch_on_for(allowed).unwrap();
            (0..100).for_each(|_| watched_place(0));
            assert_eq!(seen(), allowed);
        }
        // What was allowed and did not happen counts for the next time.
        let (event, _link) = open().unwrap();
        for (allowed, times) in [(10, 4), (4, 100)] {
            event.switch_on_for(allowed).unwrap();
            (0..times).for_each(|_| watched_place(0));
            event.switch(false).unwrap();
        }
        assert_eq!(seen(), 14);
        let cost = Cost::measure(&program, &ring, &image).unwrap();
        assert!(cost.trap_ns >= cost.program_ns && cost.of(u64::MAX) > cost.of(0), "{cost:?}");
    }
}
