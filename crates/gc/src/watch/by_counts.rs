//! Generations told by the collector's own counts, where no register is left for the words that tell them.
//!
//! A young collection adds one to the count of generation 1 and an older one clears it; a middle one adds one to the
//! count of generation 2 and a full one clears that. So a moment without a collection says how many of the last ones
//! were young, and what the one before them was.

use super::classify::Span;
use m5_cpython::GcState;

/// What the collector said at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    collections: [u64; 3],
    collected: [u64; 3],
    /// Young collections since the last older one, and middle ones since the last full one.
    young: u64,
    middle: u64,
    /// Whether one ran, which is not counted yet.
    running: bool,
}

impl Mark {
    /// The state as it was read at that moment.
    pub(crate) fn of(at: u64, state: &GcState) -> Self {
        let count = |g: usize| u64::try_from(state.generations[g].count).unwrap_or_default();
        Self {
            at,
            collections: state.generations.map(|g| g.collections),
            collected: state.generations.map(|g| g.collected),
            young: count(1),
            middle: count(2),
            running: state.collecting,
        }
    }

    /// Whether none ended between them.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.collections == other.collections
    }

    /// Labels the collections that ended between this mark and a `later` one without a collection, in the order of their
    /// ends, as far as the counts tell; none where they are not all that happened.
    pub(crate) fn tell(&self, later: &Self, spans: &mut [&mut Span]) {
        let rose = [0, 1, 2].map(|g| later.collections[g].saturating_sub(self.collections[g]));
        if rose.iter().sum::<u64>() != spans.len() as u64 {
            return;
        }
        let told: Vec<Option<u8>> = match rose[1] + rose[2] {
            0 => vec![Some(0); spans.len()],
            older => self.order(later, rose, older == 1, spans.len()),
        };
        let contradicts = |(span, told): (&&mut Span, &Option<u8>)| {
            span.label.is_some() && told.is_some() && span.label != *told
        };
        if spans.iter().zip(&told).any(contradicts) {
            return;
        }
        for (span, told) in spans.iter_mut().zip(told) {
            span.label = span.label.or(told);
        }
        for g in (0..3).filter(|g| rose[*g] == 1) {
            let mut mine = spans.iter_mut().filter(|s| s.label == Some(g as u8));
            if let (Some(span), None) = (mine.next(), mine.next()) {
                span.collected = later.collected[g].checked_sub(self.collected[g]);
            }
        }
    }

    /// The generations where older ones were among them: `alone` where it was one.
    fn order(&self, later: &Self, rose: [u64; 3], alone: bool, all: usize) -> Vec<Option<u8>> {
        let unknown = vec![None; all];
        let Some(last) = usize::try_from(later.young).ok().and_then(|young| all.checked_sub(young + 1))
        else {
            return unknown;
        };
        let kind = if later.middle == 0 { 2 } else { 1 };
        // `gc.freeze()` clears the counts without a collection. One that runs has counted itself in as it began.
        let counted = kind == 2 || rose[2] > 0 || self.running || later.middle == self.middle + rose[1];
        if rose[usize::from(kind)] == 0 || !counted {
            return unknown;
        }
        let of = |at: usize| match at {
            _ if at == last => Some(kind),
            _ if at > last || alone => Some(0),
            _ => None,
        };
        (0..all).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A collector that counts as CPython's does.
    fn run(generations: &[u8]) -> (GcState, Vec<Span>) {
        let mut state = GcState::default();
        let mut spans = Vec::new();
        for (i, generation) in generations.iter().enumerate() {
            let g = usize::from(*generation);
            state.generations[g].collections += 1;
            state.generations[g].collected += i as u64;
            if g < 2 {
                state.generations[g + 1].count += 1;
            }
            (0..=g).for_each(|younger| state.generations[younger].count = 0);
            let (start, stop) = (10 * i as u64 + 1, 10 * i as u64 + 5);
            spans.push(Span { start, stop, tid: 1, ..Span::default() });
        }
        (state, spans)
    }

    fn labels(before: &[u8], between: &[u8]) -> Vec<Option<u8>> {
        let (earlier, _) = run(before);
        let all: Vec<u8> = before.iter().chain(between).copied().collect();
        let (later, mut spans) = run(&all);
        let mut spans: Vec<&mut Span> = spans[before.len()..].iter_mut().collect();
        Mark::of(0, &earlier).tell(&Mark::of(1, &later), &mut spans);
        spans.iter().map(|s| s.label).collect()
    }

    proptest! {
        #[test]
        fn what_is_told_is_true(
            before in proptest::collection::vec(0u8..3, 0..20),
            between in proptest::collection::vec(prop_oneof![8 => Just(0u8), 1 => Just(1), 1 => Just(2)], 0..40),
        ) {
            let told = labels(&before, &between);
            for (told, truth) in told.iter().zip(&between) {
                prop_assert!(told.is_none_or(|t| t == *truth), "{:?} of {:?}", told, between);
            }
            let older = between.iter().filter(|g| **g > 0).count();
            prop_assert!(older > 1 || told.iter().all(Option::is_some), "one older one is told: {:?}", between);
        }
    }

    #[test]
    fn the_last_older_one_is_told_and_what_came_after_it() {
        assert_eq!(labels(&[0, 1], &[0, 2, 0, 1, 0]), [None, None, None, Some(1), Some(0)]);
        assert_eq!(labels(&[1], &[0, 0, 2, 0]), [Some(0), Some(0), Some(2), Some(0)]);
    }

    #[test]
    fn one_that_was_missed_or_counts_that_were_cleared_tell_nothing() {
        let (earlier, (later, mut spans)) = (run(&[]).0, run(&[0, 0, 2]));
        let tell = |later: &GcState, spans: &mut [Span]| {
            let mut some: Vec<&mut Span> = spans.iter_mut().collect();
            Mark::of(0, &earlier).tell(&Mark::of(1, later), &mut some);
            spans.iter().all(|s| s.label.is_none())
        };
        assert!(tell(&later, &mut spans[..2]));
        let (mut frozen, mut spans) = run(&[0, 1, 0]);
        frozen.generations.iter_mut().for_each(|g| g.count = 0);
        assert!(tell(&frozen, &mut spans));
    }
}
