//! Reads memory piece by piece, in order, so that what is left out of the image is never held.

use crate::image::Segment;
use crate::image::fill::read_chunk;
use crate::image::leads::Leads;
use crate::image::lean::Lean;
use crate::image::packed::Packer;
use crate::image::wanted::Wanted;
use m5_process::{TraceResult, run_when_idle};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is read at once: less than a cache holds.
const PIECE: u64 = 1 << 20;
/// Pieces that the second reader is ahead.
const AHEAD: usize = 4;
/// How long a piece that the second reader has begun is waited for before it is read once more.
const PATIENCE: Duration = Duration::from_millis(2);
/// Time between two looks at it.
const LOOK: Duration = Duration::from_micros(50);

/// How the second of the two readers behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    /// As the first: somebody stands still until the copy is there.
    Hurries,
    /// It takes only time that nobody wants, so that a thread of the target always finds a processor.
    Yields,
}

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
    let stretches = || wanted.iter().flat_map(|w| &w.stretches).map(|(stretch, _)| stretch);
    let mut packer = Packer::new(stretches().map(|s| s.end - s.start).sum(), stretches().count());
    let readers = Readers {
        pieces: &pieces,
        read,
        state: Mutex::default(),
        changed: Condvar::new(),
        taken: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let ahead = scope.spawn(|| {
            if second == Second::Yields {
                run_when_idle();
            }
            readers.run_ahead();
        });
        let stop = Stop(&readers);
        let read = assemble(&readers, wanted, &leads, packer.as_mut(), check);
        drop(stop);
        if let Some(packer) = &packer {
            tracing::debug!(held = packer.held(), "the image is compressed");
        }
        // It ends when a processor is idle, and until then we say that we are here.
        while !ahead.is_finished() && check().is_ok() {
            std::thread::sleep(LOOK);
        }
        read
    })
}

/// Ends the second reader, whatever becomes of the first.
struct Stop<'a, 'r, R: Fn(u64, &mut [u8]) -> bool>(&'a Readers<'r, R>);

impl<R: Fn(u64, &mut [u8]) -> bool> Drop for Stop<'_, '_, R> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
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
    mut packer: Option<&mut Packer>,
    check: &impl Fn() -> TraceResult<()>,
) -> TraceResult<Vec<Segment>> {
    let mut segments = Vec::new();
    let (mut number, mut medium) = (0, 0);
    let mut buf = Vec::new();
    for part in wanted {
        check()?;
        let again = |at: u64, bytes: &mut [u8]| read_chunk(readers.read, at, bytes);
        let packer = packer.as_deref_mut();
        let mut lean =
            Lean::new(part.range.clone(), part.mapping, part.ground, leads, &mut medium, packer, again);
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
///
/// The second may run only where a processor has nothing else to do: the first never waits for a lock that it holds,
/// or the guard would take us for stopped on a busy machine.
struct Readers<'a, R> {
    pieces: &'a [(u64, usize)],
    read: &'a R,
    state: Mutex<State>,
    /// Wakes the second reader.
    changed: Condvar,
    /// Pieces that were taken.
    taken: AtomicUsize,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The piece that the second reader is at, and those that it has read.
    reading: Option<usize>,
    done: BTreeMap<usize, Vec<u8>>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
}

impl<R: Fn(u64, &mut [u8]) -> bool> Readers<'_, R> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece.
    fn piece(&self, number: usize, buf: &mut Vec<u8>) {
        self.taken.store(number + 1, Ordering::Relaxed);
        match self.read_ahead(number) {
            Some(done) => {
                let used = std::mem::replace(buf, done);
                if let Ok(mut state) = self.state.try_lock() {
                    state.spare.push(used);
                }
            }
            None => self.fill(number, buf),
        }
        self.changed.notify_all();
    }

    /// The piece as the second reader has it, where it has it soon.
    fn read_ahead(&self, number: usize) -> Option<Vec<u8>> {
        let began = Instant::now();
        loop {
            let late = began.elapsed() >= PATIENCE;
            match self.state.try_lock() {
                Ok(mut state) if late || state.reading != Some(number) => {
                    // Those before it were read here meanwhile.
                    state.done = state.done.split_off(&number);
                    return state.done.remove(&number);
                }
                Ok(_) => {}
                Err(_) if late => return None,
                Err(_) => {}
            }
            std::thread::sleep(LOOK);
        }
    }

    fn fill(&self, number: usize, buf: &mut Vec<u8>) {
        let (at, len) = self.pieces.get(number).copied().unwrap_or_default();
        buf.resize(len, 0);
        read_chunk(self.read, at, buf);
    }

    fn run_ahead(&self) {
        let mut next = 0;
        while !self.stop.load(Ordering::Relaxed) {
            // The one at hand is the other's.
            next = next.max(self.taken.load(Ordering::Relaxed) + 1);
            if next >= self.pieces.len() {
                return;
            }
            let mut state = self.state();
            if state.done.len() >= AHEAD {
                // Bounded: the other wakes it without the lock, perhaps before it waits.
                drop(self.changed.wait_timeout(state, PATIENCE));
                continue;
            }
            state.reading = Some(next);
            let mut buf = state.spare.pop().unwrap_or_default();
            drop(state);
            self.fill(next, &mut buf);
            let mut state = self.state();
            state.reading = None;
            if next >= self.taken.load(Ordering::Relaxed) {
                state.done.insert(next, buf);
            } else {
                state.spare.push(buf);
            }
            next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_second_reader_without_a_processor_is_waited_for_with_signs_of_life() {
        const SIGNS: u64 = 1000;
        let (signs, first) = (AtomicU64::new(0), std::thread::current().id());
        let begun = AtomicBool::new(false);
        let all = 0..3 * PIECE;
        let wanted = [Wanted {
            range: all.clone(),
            mapping: 0,
            ground: crate::image::lean::Ground::Other,
            stretches: vec![(all.clone(), vec![all])],
        }];
        // The first waits until the second has begun, which goes on only when there were more signs than reading gives.
        let fill = |_: u64, bytes: &mut [u8]| {
            let is_first = std::thread::current().id() == first;
            begun.fetch_or(!is_first, Ordering::Relaxed);
            let goes_on = || match is_first {
                true => begun.load(Ordering::Relaxed),
                false => signs.load(Ordering::Relaxed) >= SIGNS,
            };
            while !goes_on() {
                std::thread::sleep(LOOK);
            }
            bytes.fill(1);
            true
        };
        let sign = || {
            signs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        read(Second::Yields, &fill, &wanted, &sign).unwrap();
        assert!(signs.load(Ordering::Relaxed) >= SIGNS);
    }
}
