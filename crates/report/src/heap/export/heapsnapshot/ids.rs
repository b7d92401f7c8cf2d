//! Numbers of objects by their addresses, so that two snapshots of one process call the same object the same
//! and the panel's comparison tells old from new.
//!
//! The panel keeps 32 bits of each number, and V8's are odd: 31 bits, or 16 GiB of addresses in steps of eight.
//! Addresses of a process lie wider apart, in few regions. So memory is cut into chunks and each gets a place by
//! the low bits of its number, or the next free one where another chunk has that.

use std::collections::BTreeMap;

const CHUNK_BITS: u32 = 24;
/// Chunks that 31 bits have room for.
const PLACES: u64 = 1 << (34 - CHUNK_BITS);

/// The root's number; memlab knows it by this one.
pub(crate) const ROOT: u64 = 1;

/// Number of the `i`-th kind of roots, from one: even, as objects never are.
pub(crate) fn group(i: u64) -> u64 {
    2 * i
}

pub(crate) struct Ids {
    places: BTreeMap<u64, u64>,
}

impl Ids {
    /// Places for all chunks of these ascending addresses.
    pub(crate) fn of(addresses: &[u64]) -> Self {
        let mut places = BTreeMap::new();
        let mut taken = vec![false; PLACES as usize];
        let mut last = None;
        for chunk in addresses.iter().map(|a| a >> CHUNK_BITS) {
            if last.replace(chunk) == Some(chunk) {
                continue;
            }
            let wanted = chunk % PLACES;
            let tried = (0..PLACES).map(|i| (wanted + i) % PLACES);
            // A process of more than 16 GiB: numbers may then be shared, which blurs the comparison a little.
            let place = tried.into_iter().find(|p| !taken[*p as usize]).unwrap_or(wanted);
            taken[place as usize] = true;
            places.insert(chunk, place);
        }
        Self { places }
    }

    /// The number of the object at an address.
    pub(crate) fn id(&self, address: u64) -> u64 {
        let chunk = address >> CHUNK_BITS;
        let place = self.places.get(&chunk).copied().unwrap_or(chunk % PLACES);
        let offset = address & ((1 << CHUNK_BITS) - 1);
        (place << CHUNK_BITS | offset) >> 3 << 1 | 1
    }

    /// The number of a piece of a large object: even.
    pub(crate) fn piece(&self, address: u64, number: u64) -> u64 {
        (self.id(address) + 2 * number + 1) & u64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_small_and_never_twice() {
        // The heap, and libraries that lie exactly where the heap would be modulo 16 GiB.
        let heap = 0x5555_5600_0000_u64;
        let mut addresses: Vec<u64> = (0..1 << 17).map(|i| heap + i * 1000 / 8 * 8).collect();
        addresses.extend((0..1 << 17).map(|i| heap + (1 << 40) + i * 1000 / 8 * 8));
        let ids = Ids::of(&addresses);
        let mut all: Vec<u64> = addresses.iter().map(|a| ids.id(*a)).collect();
        assert!(all.iter().all(|id| id % 2 == 1 && *id <= u64::from(u32::MAX)));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), addresses.len());
    }

    #[test]
    fn an_object_keeps_its_number_while_others_come() {
        let before: Vec<u64> = (0..1000).map(|i| 0x7f00_0000_0000 + i * 4096).collect();
        let after: Vec<u64> = (0..100_000).map(|i| 0x7eff_0000_0000 + i * 65536).collect();
        let (old, new) = (Ids::of(&before), Ids::of(&after));
        assert!(before.iter().all(|a| old.id(*a) == new.id(*a)));
    }

    #[test]
    fn more_memory_than_there_are_numbers_is_no_error() {
        let addresses: Vec<u64> = (0..4 * PLACES).map(|i| i << CHUNK_BITS).collect();
        let ids = Ids::of(&addresses[..2000]);
        assert!(addresses.iter().all(|a| ids.id(*a) <= u64::from(u32::MAX)));
    }
}
