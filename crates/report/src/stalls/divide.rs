//! The time of a turn, divided.

use super::doc::Division;
use m5_gc::Pause;
use m5_kernel::Turn;

/// Divides a turn. What a collection took is taken from what the thread itself ran, or, where another thread collected,
/// from its waiting for the interpreter's lock. Without that lock threads are stopped for a collection, and wait for each other by
/// other locks.
pub(super) fn divide<'a>(
    turn: &Turn,
    pauses: impl Iterator<Item = &'a Pause>,
    without_gil: bool,
) -> Division {
    let (all, spent) = (turn.duration_ns, turn.spent);
    let waited = [
        spent.gil_ns,
        spent.locks_ns,
        spent.calls_ns,
        spent.processor_ns.unwrap_or(0),
        spent.faults_ns.unwrap_or(0),
    ];
    let mut running = all.saturating_sub(waited.iter().sum());
    let (mut gil, mut locks, mut none) = (spent.gil_ns, spent.locks_ns, 0);
    let mut collector = [0u64; 4];
    for pause in pauses {
        let mut left = overlap(turn, pause);
        let own = if pause.tid.is_none_or(|tid| tid == turn.tid) { &mut running } else { &mut gil };
        for from in [own, if without_gil { &mut locks } else { &mut none }] {
            let took = left.min(*from);
            *from -= took;
            left -= took;
            collector[usize::from(pause.generation.unwrap_or(3).min(3))] += took;
        }
    }
    let seconds = |ns: u64| ns as f64 / 1e9;
    let [young, middle, old, unknown] = collector.map(seconds);
    Division {
        seconds: seconds(all),
        collector_s: [young, middle, old],
        collector_unknown_s: unknown,
        gil_s: seconds(gil),
        locks_s: seconds(locks),
        calls_s: seconds(spent.calls_ns),
        processor_s: spent.processor_ns.map(seconds),
        faults_s: spent.faults_ns.map(seconds),
        running_s: seconds(running),
    }
}

/// How long a collection ran within a turn, nanoseconds.
pub(super) fn overlap(turn: &Turn, pause: &Pause) -> u64 {
    let end = (turn.start_ns + turn.duration_ns).min(pause.start_ns.saturating_add(pause.duration_ns));
    end.saturating_sub(turn.start_ns.max(pause.start_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_kernel::Spent;
    use proptest::prelude::*;

    fn whole_turn(tid: i32, start_ns: u64, duration_ns: u64, spent: Spent) -> Turn {
        Turn { tid, start_ns, duration_ns, spent, began_before: false, lasts: false }
    }

    fn pause(start_ns: u64, duration_ns: u64, generation: Option<u8>, tid: Option<i32>) -> Pause {
        Pause { start_ns, duration_ns, generation, pid: 1, tid, ..Pause::default() }
    }

    #[test]
    fn a_collection_of_another_thread_is_what_the_lock_was_waited_for() {
        let spent = Spent { gil_ns: 600, processor_ns: Some(100), ..Spent::default() };
        let turn = whole_turn(7, 1000, 1000, spent);
        let pauses = [pause(900, 500, Some(2), Some(8)), pause(1500, 200, Some(0), Some(7))];
        let d = divide(&turn, pauses.iter(), false);
        assert_eq!(d.collector_s.map(|s| (s * 1e9).round()), [200.0, 0.0, 400.0]);
        assert_eq!([d.gil_s, d.running_s].map(|s| (s * 1e9).round()), [200.0, 100.0]);
    }

    #[test]
    fn without_the_gil_threads_wait_for_collections_by_other_locks() {
        let spent = Spent { locks_ns: 500, ..Spent::default() };
        let turn = whole_turn(7, 1000, 1000, spent);
        let pauses = [pause(900, 500, Some(0), Some(8)), pause(1500, 400, Some(2), Some(7))];
        let [told, with] = [true, false].map(|without_gil| divide(&turn, pauses.iter(), without_gil));
        assert_eq!(told.collector_s.map(|s| (s * 1e9).round()), [400.0, 0.0, 400.0]);
        assert_eq!([told.locks_s, told.running_s].map(|s| (s * 1e9).round()), [100.0, 100.0]);
        assert_eq!(with.collector_s.map(|s| (s * 1e9).round()), [0.0, 0.0, 400.0]);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(
            whole in 0u64..1_000_000,
            parts in prop::array::uniform4(0u64..200_000),
            pauses in prop::collection::vec(
                (0u64..2_000_000, 0u64..1_000_000, prop::option::of(0u8..3), prop::option::of(0i32..3)), 0..8),
            without_gil: bool,
        ) {
            let [gil_ns, locks_ns, calls_ns, processor] = parts;
            let spent = Spent { gil_ns, locks_ns, calls_ns, processor_ns: Some(processor), ..Spent::default() };
            let turn = whole_turn(1, 500_000, parts.iter().sum::<u64>() + whole, spent);
            let pauses: Vec<Pause> = pauses.into_iter().map(|(s, d, g, t)| pause(s, d, g, t)).collect();
            let d = divide(&turn, pauses.iter(), without_gil);
            let sum = d.collector_s.iter().sum::<f64>() + d.collector_unknown_s + d.gil_s + d.locks_s + d.calls_s
                + d.processor_s.unwrap_or(0.0) + d.running_s;
            prop_assert!((sum - d.seconds).abs() < 1e-9, "{d:?}");
        }
    }
}
