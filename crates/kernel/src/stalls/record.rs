//! What the programs keep of each thread and write down of each turn.

use crate::bpf;

/// A value by thread, while it is in a turn: offsets of words of 64 bits.
pub(super) struct InTurn {
    /// When the turn began; 0 outside of one.
    pub(super) start: i16,
    /// When the call that it is in was entered; 0 outside of one.
    pub(super) entered: i16,
    /// The kind of that call: [`GIL`], [`LOCK`] or [`OTHER`].
    pub(super) kind: i16,
    /// When it left the processor; 0 while it is on one.
    pub(super) off: i16,
    /// Time in calls by their kind, less the waiting for a processor in them.
    pub(super) gil: i16,
    pub(super) locks: i16,
    pub(super) calls: i16,
    /// Time off the processor outside of calls.
    pub(super) off_outside: i16,
    /// The thread's waiting for a processor: all of it as the turn began, and as the call was entered.
    pub(super) delay_start: i16,
    pub(super) delay_entered: i16,
    /// Waiting for a processor in calls.
    pub(super) delay_calls: i16,
    /// The thread's major faults as the turn began.
    pub(super) faults_start: i16,
    /// The longest call of the kind [`OTHER`], and its number.
    pub(super) longest: i16,
    pub(super) longest_call: i16,
    /// The descriptor that the thread's loop waits at and one, where that is one of epoll: other waits are then calls like any
    /// other. [`SOME_EPOLL`] where it is not known which.
    pub(super) epoll: i16,
    /// Another descriptor of epoll, and one, that was waited at within the turn, and how often in a row.
    pub(super) other: i16,
    pub(super) others: i16,
    /// 1 where the turn had begun before it was watched.
    pub(super) before: i16,
}

pub(super) const IN_TURN: InTurn = InTurn {
    start: 0,
    entered: 8,
    kind: 16,
    off: 24,
    gil: 32,
    locks: 40,
    calls: 48,
    off_outside: 56,
    delay_start: 64,
    delay_entered: 72,
    delay_calls: 80,
    faults_start: 88,
    longest: 96,
    longest_call: 104,
    epoll: 112,
    other: 120,
    others: 128,
    before: 136,
};
/// Bytes of that value.
pub(super) const IN_TURN_BYTES: i16 = 144;
/// Stands for a descriptor of epoll that is not known.
pub(super) const SOME_EPOLL: i32 = i32::MAX;

/// What is said of a watched process: offsets of words of 64 bits.
pub(super) struct Watched {
    /// [`OPEN`], or [`CLOSING`]: no turn begins any more.
    pub(super) open: i16,
    /// Its calls of the kernel.
    pub(super) calls: i16,
    /// Its turns that ended.
    pub(super) turns: i16,
}

pub(super) const WATCHED: Watched = Watched { open: 0, calls: 8, turns: 16 };
/// Bytes of that value.
pub(super) const WATCHED_BYTES: usize = 24;
pub(super) const OPEN: i32 = 1;
pub(super) const CLOSING: i32 = 2;

/// Kinds of calls: waiting for the interpreter's lock, for another lock, all else.
pub(super) const GIL: i32 = 1;
pub(super) const LOCK: i32 = 2;
pub(super) const OTHER: i32 = 3;

/// A record of a turn that ended: its end and task, then the value by thread as it was, then what was added to the
/// thread's waiting for a processor, and to its major faults.
pub(super) const END_VALUE: i16 = 16;
pub(super) const END_DELAY: i16 = END_VALUE + IN_TURN_BYTES;
pub(super) const END_FAULTS: i16 = END_DELAY + 8;
pub(super) const END_BYTES: usize = END_FAULTS as usize + 8;

/// Where a turn's time went, nanoseconds. What is left of it the thread ran: Python, C, the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Waiting for the interpreter's lock. With the C library musl that counts as other locks.
    pub gil_ns: u64,
    /// Waiting for other locks.
    pub locks_ns: u64,
    /// In other calls of the kernel.
    pub calls_ns: u64,
    /// Waiting for a processor; `None` where the kernel does not say where it keeps it.
    pub processor_ns: Option<u64>,
    /// Off the processor for a page that had to be fetched (from disk, from swap, under a lock of the memory's map).
    pub faults_ns: Option<u64>,
    /// Faults that had to fetch a page.
    pub major_faults: Option<u64>,
    /// The longest of the other calls: its number and length.
    pub longest_call: Option<(i64, u64)>,
}

/// A turn as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) start_ns: u64,
    /// It had begun before it was watched: the start is that of the watching.
    pub(super) began_before: bool,
    pub(super) spent: Spent,
}

/// Decodes the record of a turn that ended: the turn's start, and what became of its time.
pub(super) fn decode(bytes: &[u8], described: bool) -> Option<Known> {
    let word = |at: i16| bpf::word(bytes, usize::try_from(at).ok()?);
    known(|at| word(END_VALUE + at), word(END_DELAY)?, word(END_FAULTS)?, described)
}

/// The turn with this value, and what was added to its thread's waiting for a processor and to its major faults.
fn known(word: impl Fn(i16) -> Option<u64>, delay: u64, faults: u64, described: bool) -> Option<Known> {
    // Two clocks that differ by a little may make a length less than nothing.
    let positive = |n: u64| u64::try_from(n.cast_signed()).unwrap_or(0);
    let of = |at: i16| word(at).map(positive);
    let v = &IN_TURN;
    let delay = positive(delay);
    let outside = delay.saturating_sub(of(v.delay_calls)?);
    let longest = of(v.longest)?;
    let spent = Spent {
        gil_ns: of(v.gil)?,
        locks_ns: of(v.locks)?,
        calls_ns: of(v.calls)?,
        processor_ns: described.then_some(delay),
        faults_ns: described.then_some(of(v.off_outside)?.saturating_sub(outside)),
        major_faults: described.then_some(positive(faults)),
        longest_call: (longest > 0).then_some((of(v.longest_call)?.cast_signed(), longest)),
    };
    Some(Known { start_ns: of(v.start)?, began_before: of(v.before)? != 0, spent })
}

/// A turn that still lasts, by its value: as if it ended now, with what the kernel has counted of its thread so far.
pub(super) fn unfinished(
    value: &[u64],
    now_ns: u64,
    delay_ns: u64,
    faults: u64,
    described: bool,
) -> Option<Known> {
    let at = |field: i16| usize::try_from(field).ok().map(|at| at / 8);
    let word = |field: i16| value.get(at(field)?).copied();
    let v = &IN_TURN;
    let mut value = value.to_vec();
    let mut add = |field: i16, ns: u64| {
        if let Some(word) = at(field).and_then(|at| value.get_mut(at)) {
            *word = word.wrapping_add(ns);
        }
    };
    let (entered, off) = (word(v.entered)?, word(v.off)?);
    if entered > 0 {
        let lasted = now_ns.saturating_sub(entered);
        let waited = if described { delay_ns.saturating_sub(word(v.delay_entered)?).min(lasted) } else { 0 };
        add(v.delay_calls, waited);
        let field = match i32::try_from(word(v.kind)?).ok()? {
            GIL => v.gil,
            LOCK => v.locks,
            _ => v.calls,
        };
        add(field, lasted - waited);
    } else if off > 0 {
        add(v.off_outside, now_ns.saturating_sub(off));
    }
    let delay = delay_ns.wrapping_sub(word(v.delay_start)?);
    let faults = faults.wrapping_sub(word(v.faults_start)?);
    known(|field| value.get(at(field)?).copied(), delay, faults, described)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_divided() {
        let mut bytes = vec![0; END_BYTES];
        let mut put = |at: i16, n: i64| bytes[at as usize..at as usize + 8].copy_from_slice(&n.to_le_bytes());
        let v = &IN_TURN;
        for (at, n) in [(v.start, 5), (v.gil, 10), (v.locks, -3), (v.calls, 7), (v.off_outside, 50)] {
            put(END_VALUE + at, n);
        }
        put(END_VALUE + v.delay_calls, 4);
        put(END_DELAY, 24);
        let Some(Known { start_ns, began_before, spent }) = decode(&bytes, true) else { panic!("no record") };
        assert_eq!((start_ns, began_before), (5, false));
        assert_eq!((spent.gil_ns, spent.locks_ns, spent.calls_ns), (10, 0, 7));
        assert_eq!((spent.processor_ns, spent.faults_ns, spent.longest_call), (Some(24), Some(30), None));
        assert!(decode(&bytes[..END_BYTES - 1], true).is_none());
        assert!(decode(&bytes, false).is_some_and(|known| known.spent.processor_ns.is_none()));
    }
}
