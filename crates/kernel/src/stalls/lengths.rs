//! How long turns are: counted by the programs, thread by thread, so that no turn costs more than its count.

use crate::bpf::{Assembler, Helper, If, Reg};

/// Upper bounds of the turns' histogram, seconds; turns above all of them are counted behind.
pub const TURN_BOUNDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Words of a thread's value: its process, turns, their sum and the longest, then the histogram by [`TURN_BOUNDS`], then
/// [`FINE`] counts for quantiles.
const PROCESS: i16 = 0;
const TURNS: i16 = 8;
const SUM: i16 = 16;
const LONGEST: i16 = 24;
const BUCKETS: i16 = 32;
const HEAD_WORDS: usize = 4;
const BUCKET_WORDS: usize = TURN_BOUNDS.len() + 1;
/// Counts of lengths in steps of 1/16 to 1/32 of themselves, from 128 ns up; the last holds all from 17 s up.
const FINE: usize = 384;
/// A step of the shortest ones, as a power of two of nanoseconds; bits of the longest in such steps; bits of a mantissa.
const STEP: u32 = 7;
const BITS: u32 = 27;
const MANTISSA: u32 = 4;

/// Bytes of a thread's value, with counts for quantiles or without.
pub(super) fn bytes(fine: bool) -> usize {
    8 * (HEAD_WORDS + BUCKET_WORDS + if fine { FINE } else { 0 })
}

/// Where the programs count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counting {
    /// The table of threads, and the value of a new one.
    pub(super) table: i32,
    pub(super) zeroes: i32,
    pub(super) fine: bool,
}

/// Counts a turn whose length is at `length` on the stack, of the thread whose number is at `key` there; a word at `scratch`
/// is overwritten. Goes to `none` where there is no room. R9 is lost.
pub(super) fn count(
    a: &mut Assembler,
    w: Counting,
    [key, length, scratch]: [i16; 3],
    none: crate::bpf::Label,
) {
    let (new, known) = (a.label(), a.label());
    find(a, w.table, key, Reg::R9, new);
    a.jump(known).place(new).store_value(Reg::R10, scratch, 0);
    find(a, w.zeroes, scratch, Reg::R9, none);
    a.set_map(Reg::R1, w.table).copy(Reg::R2, Reg::R10).add(Reg::R2, key.into());
    a.copy(Reg::R3, Reg::R9).set(Reg::R4, 0).call(Helper::MapUpdate);
    find(a, w.table, key, Reg::R9, none);
    a.load(Reg::R1, Reg::R10, key).shift_right(Reg::R1, 32).store(Reg::R9, PROCESS, Reg::R1);
    a.place(known);
    one_more(a, Reg::R9, TURNS);
    a.load(Reg::R1, Reg::R10, length);
    a.load(Reg::R2, Reg::R9, SUM).add_register(Reg::R2, Reg::R1).store(Reg::R9, SUM, Reg::R2);
    let shorter = a.label();
    a.load(Reg::R2, Reg::R9, LONGEST).jump_if_registers(Reg::R2, If::Above, Reg::R1, shorter);
    a.store(Reg::R9, LONGEST, Reg::R1).place(shorter);
    let counted = a.label();
    for (bucket, bound) in TURN_BOUNDS.iter().enumerate() {
        let longer = a.label();
        a.set_wide(Reg::R2, (bound * 1e9) as u64).jump_if_registers(Reg::R1, If::Above, Reg::R2, longer);
        one_more(a, Reg::R9, BUCKETS + 8 * bucket as i16);
        a.jump(counted).place(longer);
    }
    one_more(a, Reg::R9, BUCKETS + 8 * TURN_BOUNDS.len() as i16);
    a.place(counted);
    if w.fine {
        fine(a, length);
    }
}

/// Counts the length by its place among the [`FINE`] ones, in the value at R9.
fn fine(a: &mut Assembler, length: i16) {
    let (fits, none) = (a.label(), a.label());
    let most = (1 << BITS) - 1;
    a.load(Reg::R1, Reg::R10, length).shift_right(Reg::R1, STEP as i32).set(Reg::R2, most);
    a.jump_if_registers(Reg::R2, If::Above, Reg::R1, fits).set(Reg::R1, most);
    a.place(fits).set(Reg::R2, 0);
    for shift in [16u32, 8, 4, 2, 1] {
        let (long, short) = (a.label(), a.label());
        a.jump_if(Reg::R1, If::Above, (1 << (shift + MANTISSA)) - 1, long).jump(short);
        a.place(long).shift_right(Reg::R1, shift as i32).add(Reg::R2, (shift << MANTISSA) as i32);
        a.place(short);
    }
    a.add_register(Reg::R2, Reg::R1).jump_if(Reg::R2, If::Above, FINE as i32 - 1, none);
    a.shift_left(Reg::R2, 3).copy(Reg::R1, Reg::R9).add_register(Reg::R1, Reg::R2);
    one_more_with(a, Reg::R1, BUCKETS + 8 * BUCKET_WORDS as i16, Reg::R3);
    a.place(none);
}

fn one_more(a: &mut Assembler, base: Reg, at: i16) {
    one_more_with(a, base, at, Reg::R2);
}

fn one_more_with(a: &mut Assembler, base: Reg, at: i16, with: Reg) {
    a.load(with, base, at).add(with, 1).store(base, at, with);
}

/// Puts the value of a table at the number that stands on the stack into a register.
pub(super) fn find(a: &mut Assembler, table: i32, key: i16, to: Reg, none: crate::bpf::Label) {
    a.set_map(Reg::R1, table).copy(Reg::R2, Reg::R10).add(Reg::R2, key.into()).call(Helper::MapLookup);
    a.jump_if(Reg::R0, If::Equal, 0, none).copy(to, Reg::R0);
}

/// How long turns were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lengths {
    /// Turns.
    pub turns: u64,
    /// Their length in all, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub longest_ns: u64,
    /// Turns up to each of [`TURN_BOUNDS`] and above the one before; the last are above all of them.
    pub buckets: Vec<u64>,
    fine: Vec<u64>,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { turns: 0, sum_ns: 0, longest_ns: 0, buckets: vec![0; BUCKET_WORDS], fine: Vec::new() }
    }
}

impl Lengths {
    /// A thread's value; and whose thread it is.
    pub(super) fn decode(words: &[u64]) -> Option<(i32, Self)> {
        let buckets = words.get(HEAD_WORDS..HEAD_WORDS + BUCKET_WORDS)?.to_vec();
        let fine = words.get(HEAD_WORDS + BUCKET_WORDS..)?.to_vec();
        let process = (words[0] as u32).cast_signed();
        Some((process, Self { turns: words[1], sum_ns: words[2], longest_ns: words[3], buckets, fine }))
    }

    /// A turn, as the programs count it.
    pub fn add(&mut self, ns: u64) {
        self.turns += 1;
        self.sum_ns += ns;
        self.longest_ns = self.longest_ns.max(ns);
        self.buckets[TURN_BOUNDS.partition_point(|bound| ((*bound * 1e9) as u64) < ns)] += 1;
        self.fine.resize(FINE, 0);
        self.fine[place(ns)] += 1;
    }

    /// Adds what another counted since it was `earlier`; all of it where that is not a part of it.
    pub(super) fn add_since(&mut self, now: &Self, earlier: Option<&Self>) {
        let earlier = earlier.filter(|e| e.turns <= now.turns);
        let since = |now: u64, earlier: Option<u64>| now.saturating_sub(earlier.unwrap_or(0));
        self.turns += since(now.turns, earlier.map(|e| e.turns));
        self.sum_ns += since(now.sum_ns, earlier.map(|e| e.sum_ns));
        self.longest_ns = self.longest_ns.max(now.longest_ns);
        for (i, (sum, count)) in self.buckets.iter_mut().zip(&now.buckets).enumerate() {
            *sum += since(*count, earlier.and_then(|e| e.buckets.get(i).copied()));
        }
    }

    /// The length that so many of the turns (0 to 1) do not exceed, nanoseconds: within 3 %, and never more than the longest.
    /// `None` without turns.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let all: u64 = self.fine.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let mut below = 0;
        let at = self.fine.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(middle(at).min(self.longest_ns))
    }
}

/// Where a length is counted among the [`FINE`] ones.
fn place(ns: u64) -> usize {
    let steps = (ns >> STEP).min((1 << BITS) - 1);
    let exponent = (u64::BITS - steps.leading_zeros()).saturating_sub(MANTISSA + 1);
    ((u64::from(exponent) << MANTISSA) + (steps >> exponent)) as usize
}

/// The middle of the lengths that are counted at a place, nanoseconds.
fn middle(place: usize) -> u64 {
    let exponent = (place >> MANTISSA).saturating_sub(1) as u32;
    let mantissa = place as u64 - (u64::from(exponent) << MANTISSA);
    ((2 * mantissa + 1) << exponent << STEP) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_is_near_what_is_counted_there(ns in 4_000u64..17_000_000_000) {
            let off = middle(place(ns)).abs_diff(ns) as f64 / ns as f64;
            prop_assert!(off <= 0.032 && place(ns) < FINE, "{ns}: {off}");
        }

        #[test]
        fn places_ascend(ns in 0u64..60_000_000_000, more in 0u64..1_000_000_000) {
            prop_assert!(place(ns) <= place(ns + more) && place(ns + more) < FINE);
        }

        #[test]
        fn quantiles_are_those_of_the_turns(mut lengths in prop::collection::vec(5_000u64..3_000_000_000, 1..300)) {
            let mut counted = Lengths::default();
            lengths.iter().for_each(|ns| counted.add(*ns));
            lengths.sort_unstable();
            for share in [0.5, 0.95, 0.999] {
                let rank = ((lengths.len() as f64 * share).ceil() as usize).clamp(1, lengths.len());
                let truth = lengths[rank - 1] as f64;
                let told = counted.quantile(share).unwrap_or(0) as f64;
                prop_assert!((told / truth - 1.0).abs() <= 0.035, "{share}: {told} {truth}");
            }
            prop_assert_eq!(counted.buckets.iter().sum::<u64>(), lengths.len() as u64);
        }
    }

    #[test]
    fn what_a_table_lost_is_counted_from_its_new_begin() {
        let words = |turns: u64| {
            let mut words = vec![0; bytes(false) / 8];
            (words[0], words[1], words[2], words[HEAD_WORDS]) = (7, turns, turns * 10, turns);
            Lengths::decode(&words).map(|(_, lengths)| lengths)
        };
        let mut sum = Lengths::default();
        let (five, eight, two) = (words(5).unwrap_or_default(), words(8).unwrap_or_default(), words(2));
        sum.add_since(&five, None);
        sum.add_since(&eight, Some(&five));
        sum.add_since(&two.unwrap_or_default(), Some(&eight));
        assert_eq!((sum.turns, sum.sum_ns, sum.buckets[0]), (10, 100, 10));
        assert_eq!(sum.quantile(0.5), None);
    }
}
