//! Blocks that no pool gives: which one a call will get is known only when it returns, so that it is watched there.
//!
//! The places to which such calls return are learnt at the allocator: a few dozen in an interpreter, of which one or two (the
//! constructor of bytes, that of texts) ask for most of the bytes. They take turns with the allocator itself, in the same register.

use super::record::Allocation;
use rustc_hash::FxHashMap;

/// How long a turn is, nanoseconds: at the allocator, and at one place.
const ENTRIES_NS: u64 = 600_000_000;
const RETURNS_NS: u64 = 400_000_000;
/// Below this share of all bytes they are not worth a turn.
const WORTH: f64 = 0.02;
/// Places that are kept at most.
const MOST: usize = 1000;

/// What is watched in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Watched {
    /// Calls of the allocator.
    #[default]
    Entries,
    /// Their returns to this address.
    Returns(u64),
}

/// Where calls whose blocks are not known before return to.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// Bytes that were asked for, by place.
    by_place: FxHashMap<u64, u64>,
    /// The largest block that may be known at the call.
    largest: u64,
    /// Bytes that all calls asked for.
    all: u64,
    /// Calls for more than that which were seen at the allocator.
    pub(super) large: u64,
    /// Objects in such blocks that were followed.
    pub(super) followed: u64,
    watched: Watched,
    until_ns: u64,
    /// The kernel refused it.
    refused: bool,
}

impl Returns {
    /// None yet, where blocks up to this size may be known at the call.
    pub(super) fn above(largest: u64) -> Self {
        Self { largest, ..Self::default() }
    }

    /// What is watched now.
    pub(super) fn watched(&self) -> Watched {
        self.watched
    }

    /// A call was seen at the allocator.
    pub(super) fn saw(&mut self, call: &Allocation) {
        self.all += call.size;
        self.large += u64::from(call.size > self.largest);
        if let Some(place) = call.back
            && (self.by_place.len() < MOST || self.by_place.contains_key(&place))
        {
            *self.by_place.entry(place).or_default() += call.size;
        }
    }

    /// Whether this turn is over.
    pub(super) fn due(&mut self, now_ns: u64) -> bool {
        if self.until_ns == 0 {
            self.until_ns = now_ns + ENTRIES_NS;
        }
        now_ns >= self.until_ns
    }

    /// Begins another turn: what is watched from now on, if that is something else; `unit` is a random number from 0 to 1.
    pub(super) fn next(&mut self, now_ns: u64, unit: f64) -> Option<Watched> {
        let next = match self.watched {
            Watched::Entries => self.choose(unit).map_or(Watched::Entries, Watched::Returns),
            Watched::Returns(_) => Watched::Entries,
        };
        let lasts = if next == Watched::Entries { ENTRIES_NS } else { RETURNS_NS };
        self.until_ns = now_ns + lasts;
        (std::mem::replace(&mut self.watched, next) != next).then_some(next)
    }

    /// It cannot be: the allocator only from now on.
    pub(super) fn refuse(&mut self) {
        (self.watched, self.refused) = (Watched::Entries, true);
    }

    /// A place by chance, as often as it asks for bytes.
    fn choose(&self, unit: f64) -> Option<u64> {
        let sum: u64 = self.by_place.values().sum();
        if self.refused || sum == 0 || (sum as f64) < WORTH * self.all as f64 {
            return None;
        }
        let mut places: Vec<(u64, u64)> =
            self.by_place.iter().map(|(place, bytes)| (*place, *bytes)).collect();
        places.sort_unstable();
        let mut left = (unit * sum as f64) as u64;
        for (place, bytes) in &places {
            match left.checked_sub(*bytes) {
                Some(rest) => left = rest,
                None => return Some(*place),
            }
        }
        places.last().map(|(place, _)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(size: u64, back: Option<u64>) -> Allocation {
        Allocation { size, back, ..Allocation::default() }
    }

    #[test]
    fn places_take_turns_with_the_allocator() {
        let mut returns = Returns::default();
        let turn =
            |returns: &mut Returns, at: u64| if returns.due(at) { returns.next(at, 0.5) } else { None };
        returns.saw(&call(100_000, None));
        assert_eq!(
            (turn(&mut returns, 1), turn(&mut returns, 2 * ENTRIES_NS)),
            (None, None),
            "nothing to be seen"
        );
        returns.saw(&call(90_000, Some(7)));
        returns.saw(&call(10, Some(8)));
        assert_eq!(turn(&mut returns, 4 * ENTRIES_NS), Some(Watched::Returns(7)));
        assert_eq!(turn(&mut returns, 4 * ENTRIES_NS + 1), None);
        assert_eq!(turn(&mut returns, 6 * ENTRIES_NS), Some(Watched::Entries));
        assert_eq!(turn(&mut returns, 8 * ENTRIES_NS), Some(Watched::Returns(7)));
        returns.refuse();
        assert_eq!((returns.watched(), turn(&mut returns, 10 * ENTRIES_NS)), (Watched::Entries, None));
    }
}
