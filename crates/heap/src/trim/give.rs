//! Giving back in slices: stop all threads, see that nobody is inside the allocator, follow the lists, let the kernel
//! take the pages, let go.

use crate::trim::allowed::Allowed;
use crate::trim::error::TrimError;
use crate::trim::library::Library;
use crate::trim::lists::{self, Free};
use crate::trim::moment::{Inside, Moments};
use crate::trim::plan::Plan;
use crate::trim::progress::Progress;
use crate::trim::stock::{Chosen, Stock, What};
use m5_process::{
    CallCode, Execution, Frozen, Guard, Process, TraceError, freeze, spare_processor, with_tracer,
};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Moments that are tried in a row before an arena is left alone.
const TRIES: u32 = 200;
/// Shortest time between two stops.
const LEAST_GAP: Duration = Duration::from_millis(10);
/// The target runs so many times longer than it stood.
const GAP: u32 = 9;
/// The part of a pause that is used; the rest is left for what is slower than expected.
const SHARE: f64 = 0.9;
/// What the stop of one thread takes at the least.
const STOP: Duration = Duration::from_micros(5);
/// What the release of one thread takes.
const RELEASE: Duration = Duration::from_micros(8);
/// The way back, until it is known what it takes.
const ENDING: Duration = Duration::from_micros(400);
/// Ranges of one stop.
const MOST_RANGES: usize = 4096;

/// What was given, and what it cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// Bytes in memory that went.
    pub(super) bytes: u64,
    pub(super) calls: u64,
    pub(super) stops: Vec<Duration>,
    /// The longest that the calling thread stood where all others had been let go before it.
    pub(super) alone: Option<Duration>,
    /// Moments in which somebody was inside the allocator.
    pub(super) missed: u64,
    /// Stops that took too long in themselves.
    pub(super) late: u64,
    /// Bytes that the kernel would not take, and why.
    pub(super) refused_bytes: u64,
    pub(super) refusal: Option<i32>,
    /// What it took lately to let everybody go: the helper's end, its reaping, the way back.
    pub(super) ending: Duration,
    /// Why an arena was left before all was given.
    pub(super) left: Option<Left>,
}

/// Why something was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// No moment was found in which nobody was inside the allocator.
    Inside(Inside),
    /// To stop all threads took longer than was allowed.
    Late,
    /// A list is too long to be followed within the pause.
    OutOfReach,
    /// The time for all of it was over, or somebody asked to stop.
    Ended,
}

/// What all slices need.
pub(super) struct Giver<'a> {
    pub(super) process: &'a Process,
    pub(super) guard: &'a Guard,
    pub(super) code: CallCode,
    pub(super) execution: &'a Execution,
    pub(super) library: &'a Library,
    pub(super) max_pause: Duration,
    pub(super) end: Instant,
    pub(super) progress: &'a dyn Progress,
}

/// What one slice came to.
enum Slice {
    /// Bytes that were given.
    Gave,
    /// What was wanted is in use again.
    Nothing,
    /// The lists were not followed to something that is wanted.
    OutOfReach,
    /// Not now.
    Missed(Inside),
    Late,
}

impl Giver<'_> {
    /// Gives back what a plan holds.
    ///
    /// # Errors
    /// [`TrimError`]; what was given before is in `given`.
    pub(super) fn give(&self, plan: &mut Plan, given: &mut Given) -> Result<(), TrimError> {
        let maps = crate::trim::plan::stacks(self.process)?;
        let moments = Moments {
            library: self.library,
            memory: self.process.memory(),
            sigreturn: self.code.sigreturn(),
            maps: &maps,
        };
        for stock in &mut plan.stocks {
            self.arena(stock, &plan.allowed, &moments, given)?;
            if given.left == Some(Left::Ended) {
                break;
            }
        }
        Ok(())
    }

    fn arena(
        &self,
        stock: &mut Stock,
        allowed: &Allowed,
        moments: &Moments<'_>,
        given: &mut Given,
    ) -> Result<(), TrimError> {
        let mut tries = 0;
        while !stock.wanted.is_empty() || !stock.top.is_empty() {
            if Instant::now() >= self.end || !self.progress.goes_on(given.bytes) {
                given.left = Some(Left::Ended);
                return Ok(());
            }
            if self.has_too_many_threads()? {
                given.left = Some(Left::Late);
                return Ok(());
            }
            let before = (given.bytes, given.refused_bytes);
            match self.slice(stock, allowed, moments, given)? {
                Slice::Gave if (given.bytes, given.refused_bytes) != before => tries = 0,
                // There was no time left for a call.
                Slice::Gave | Slice::Late => {
                    given.late += 1;
                    // What stood too long already is not tried as often.
                    let over = given.stops.last().is_some_and(|stop| *stop > self.max_pause);
                    tries += TRIES / if over { 4 } else { 10 };
                    given.left = Some(Left::Late).filter(|_| tries >= TRIES).or(given.left);
                }
                Slice::Missed(inside) => {
                    given.missed += 1;
                    tries += 1;
                    given.left = Some(Left::Inside(inside)).filter(|_| tries >= TRIES).or(given.left);
                }
                Slice::OutOfReach => {
                    tries += TRIES / 10;
                    given.left = Some(Left::OutOfReach).filter(|_| tries >= TRIES).or(given.left);
                }
                Slice::Nothing => return Ok(()),
            }
            if tries >= TRIES {
                return Ok(());
            }
            self.rest(given);
        }
        Ok(())
    }

    /// Whether to stop all threads and let them go must take longer than is allowed: then none is stopped.
    fn has_too_many_threads(&self) -> Result<bool, TrimError> {
        let threads = u32::try_from(self.process.threads()?.len()).unwrap_or(u32::MAX);
        Ok((STOP + RELEASE) * threads + ENDING >= self.max_pause)
    }

    /// Lets the target run for longer than it stood, a different time each time: a program with a beat of its own is
    /// not always met in the same place. Where a stop came near to what is allowed, the next one waits for a moment in which
    /// a processor is free.
    fn rest(&self, given: &Given) {
        const STEPS: u64 = 7;
        const LOOK: Duration = Duration::from_millis(1);
        const LOOKS: usize = 100;
        let (stood, turn) = (given.stops.last().copied().unwrap_or_default(), given.missed);
        let gap = (stood * GAP).max(LEAST_GAP);
        std::thread::sleep(gap + gap.mul_f64((turn * 3 % STEPS) as f64 / STEPS as f64));
        let near = given.late > 0 || given.stops.iter().any(|stop| *stop > self.max_pause.mul_f64(SHARE));
        for _ in 0..LOOKS {
            self.guard.beat();
            if !near || spare_processor() {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn slice(
        &self,
        stock: &mut Stock,
        allowed: &Allowed,
        moments: &Moments<'_>,
        given: &mut Given,
    ) -> Result<Slice, TrimError> {
        // A thread of its own each time: its end lets go of what did not stop in time.
        let done = with_tracer(|| {
            // The release takes its time too.
            let mut frozen = match freeze(self.process, self.guard, self.max_pause.mul_f64(SHARE)) {
                Ok(frozen) => frozen,
                Err(TraceError::TimedOut(_)) => return Ok(Ok(Slice::Late)),
                Err(other) => return Err(other),
            };
            let done = self.frozen(&mut frozen, stock, allowed, moments, given);
            let others = frozen.others_stood();
            let stood = frozen.thaw();
            given.stops.push(others.unwrap_or(stood));
            given.alone = given.alone.max(others.map(|_| stood));
            Ok(done.map(|(slice, last_call)| {
                // What it once took it may take again; what it never takes again is forgotten. Where others are let go in
                // time, it is no reason to give nothing.
                let ending = last_call.map_or(Duration::ZERO, |at| at.elapsed());
                let ending = if others.is_some() { ending.min(self.max_pause / 4) } else { ending };
                given.ending = ending.max(given.ending * 7 / 8);
                slice
            }))
        });
        done?
    }

    /// The part for which everybody stands still.
    fn frozen(
        &self,
        frozen: &mut Frozen<'_>,
        stock: &mut Stock,
        allowed: &Allowed,
        moments: &Moments<'_>,
        given: &mut Given,
    ) -> Result<(Slice, Option<Instant>), TrimError> {
        if self.execution.replaced() {
            return Err(TraceError::Replaced.into());
        }
        if let Err(inside) = moments.check(frozen, stock.arena.at) {
            return Ok((Slice::Missed(inside), None));
        }
        let release = RELEASE * u32::try_from(frozen.threads()).unwrap_or(u32::MAX);
        let end = frozen.began() + self.max_pause.mul_f64(SHARE).saturating_sub(release);
        let ending = given.ending.max(ENDING);
        if Instant::now() + ending >= end {
            return Ok((Slice::Late, None));
        }
        // The lists may take a third of what is left, at the least as much as one chunk needs.
        let now = Instant::now();
        let until = now + end.saturating_duration_since(now) / 3;
        let (chosen, whole) = self.choose(stock, allowed, until)?;
        if chosen.is_empty() {
            return Ok((if whole { Slice::Nothing } else { Slice::OutOfReach }, None));
        }
        let ranges: Vec<Range<u64>> = chosen.iter().map(|c| c.pages.clone()).collect();
        let done = frozen.discard(self.process, &self.code, &ranges, end, ending)?;
        given.calls += done.calls;
        given.refusal = done.refusal.or(given.refusal);
        for chosen in chosen.iter().take(done.ranges) {
            stock.done(chosen);
            let bytes = chosen.pages.end - chosen.pages.start;
            match done.refused.contains(&chosen.pages) {
                true => given.refused_bytes += bytes,
                false => given.bytes += bytes,
            }
        }
        Ok((Slice::Gave, done.last_call))
    }

    /// Follows the lists to chunks that are wanted, and whether to the end.
    fn choose(
        &self,
        stock: &mut Stock,
        allowed: &Allowed,
        until: Instant,
    ) -> Result<(Vec<Chosen>, bool), TrimError> {
        let memory = self.process.memory();
        let mut found: Vec<Free> = Vec::new();
        let mut whole = true;
        for (bin, guessed) in &stock.lists {
            if found.len() >= MOST_RANGES || !whole {
                break;
            }
            whole = lists::follow(&memory, stock.arena.head(*bin), guessed, until, |chunk| {
                if found.len() < MOST_RANGES && stock.wanted.contains_key(&chunk.at) {
                    found.push(chunk);
                }
            })?;
        }
        lists::confirm(&memory, &found)?;
        let top = if stock.top.is_empty() { None } else { lists::top(&memory, stock.arena.top())? };
        let mut chosen: Vec<Chosen> = stock.still_free(What::Top, top, allowed);
        for chunk in found {
            if chosen.len() >= MOST_RANGES {
                break;
            }
            chosen.extend(stock.still_free(What::Chunk(chunk.at), Some(chunk), allowed));
        }
        Ok((chosen, whole))
    }
}
