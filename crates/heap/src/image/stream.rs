//! Reads memory piece by piece, in order, so that what is left out of the image is never held.

use crate::image::Segment;
use crate::image::fill::{Second, read_chunk};
use crate::image::leads::Leads;
use crate::image::lean::Lean;
use crate::image::wanted::Wanted;
use m5_process::{TraceResult, run_when_idle};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is read at once: less than a cache holds.
const PIECE: u64 = 1 << 20;
/// Pieces that the second reader is ahead.
const AHEAD: usize = 4;
/// How long a piece that the second reader has begun is waited for before it is read once more.
const PATIENCE: Duration = Duration::from_millis(2);

/// Reads what is wanted and leaves out what refers to nothing.
pub(crate) fn read(
    second: Second,
    read: &(impl Fn(u64, &mut [u8]) -> bool + Sync),
    wanted: &[Wanted],
    check: &impl Fn() -> TraceResult<()>,
) -> TraceResult<Vec<Segment>> {
    let runs = || wanted.iter().flat_map(|w| &w.stretches).flat_map(|(_, runs)| runs);
    let cut = |run: &Range<u64>| {
        let end = run.end;
        (run.start..end).step_by(PIECE as usize).map(move |at| (at, PIECE.min(end - at) as usize))
    };
    let pieces: Vec<(u64, usize)> = runs().flat_map(cut).collect();
    let leads = leads(wanted);
    let readers = Readers { pieces: &pieces, read, state: Mutex::default(), changed: Condvar::new() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if second == Second::Yields {
                run_when_idle();
            }
            readers.run_ahead();
        });
        let _stop = Stop(&readers);
        assemble(&readers, wanted, &leads, check)
    })
}

/// Ends the second reader, whatever becomes of the first.
struct Stop<'a, 'r, R: Fn(u64, &mut [u8]) -> bool>(&'a Readers<'r, R>);

impl<R: Fn(u64, &mut [u8]) -> bool> Drop for Stop<'_, '_, R> {
    fn drop(&mut self) {
        self.0.state().stop = true;
        self.0.changed.notify_all();
    }
}

/// What is wanted, as what words may lead to.
pub(crate) fn leads(wanted: &[Wanted]) -> Leads {
    let stretches = wanted.iter().flat_map(|w| &w.stretches);
    let mut all: Vec<Range<u64>> = stretches.map(|(stretch, _)| stretch.clone()).collect();
    all.sort_by_key(|r| r.start);
    Leads::to(all)
}

fn assemble(
    readers: &Readers<'_, impl Fn(u64, &mut [u8]) -> bool + Sync>,
    wanted: &[Wanted],
    leads: &Leads,
    check: &impl Fn() -> TraceResult<()>,
) -> TraceResult<Vec<Segment>> {
    let mut segments = Vec::new();
    let (mut number, mut medium) = (0, 0);
    let mut buf = Vec::new();
    for part in wanted {
        check()?;
        let again = |at: u64, bytes: &mut [u8]| read_chunk(readers.read, at, bytes);
        let mut lean = Lean::new(part.range.clone(), part.mapping, part.ground, leads, &mut medium, again);
        for (stretch, runs) in &part.stretches {
            lean.stretch(stretch);
            let mut at = stretch.start;
            for run in runs {
                lean.push_zeroes(run.start - at);
                for _ in (run.start..run.end).step_by(PIECE as usize) {
                    check()?;
                    readers.piece(number, &mut buf);
                    lean.push(&buf);
                    number += 1;
                }
                at = run.end;
            }
        }
        segments.append(&mut lean.end());
    }
    Ok(segments)
}

/// Two readers of the same pieces: one takes them in order, the other is ahead where it gets the time.
struct Readers<'a, R> {
    pieces: &'a [(u64, usize)],
    read: &'a R,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Pieces that were taken.
    taken: usize,
    /// The piece that the second reader is at, and those that it has read.
    reading: Option<usize>,
    done: BTreeMap<usize, Vec<u8>>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
    stop: bool,
}

impl<R: Fn(u64, &mut [u8]) -> bool> Readers<'_, R> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece.
    fn piece(&self, number: usize, buf: &mut Vec<u8>) {
        let mut state = self.state();
        if state.reading == Some(number) {
            let waiting = |state: &mut State| state.reading == Some(number);
            let waited = self.changed.wait_timeout_while(state, PATIENCE, waiting);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.taken = number + 1;
        let done = state.done.remove(&number);
        self.changed.notify_all();
        match done {
            Some(done) => {
                let used = std::mem::replace(buf, done);
                state.spare.push(used);
            }
            None => {
                drop(state);
                self.fill(number, buf);
            }
        }
    }

    fn fill(&self, number: usize, buf: &mut Vec<u8>) {
        let (at, len) = self.pieces.get(number).copied().unwrap_or_default();
        buf.resize(len, 0);
        read_chunk(self.read, at, buf);
    }

    fn run_ahead(&self) {
        let mut next = 0;
        let mut state = self.state();
        while !state.stop {
            // The one at hand is the other's.
            next = next.max(state.taken + 1);
            if next >= self.pieces.len() {
                return;
            }
            if state.done.len() >= AHEAD {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.reading = Some(next);
            let mut buf = state.spare.pop().unwrap_or_default();
            drop(state);
            self.fill(next, &mut buf);
            state = self.state();
            state.reading = None;
            if next >= state.taken {
                state.done.insert(next, buf);
            } else {
                state.spare.push(buf);
            }
            self.changed.notify_all();
            next += 1;
        }
    }
}
