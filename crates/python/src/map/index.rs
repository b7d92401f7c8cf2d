//! The index of a hash table: open addressing over numbers of entries, without tombstones.

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// Numbers of entries by hash; a power of two of places.
pub(super) struct Index {
    numbers: Vec<u32>,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { numbers: vec![NONE; 8] }
    }

    pub(super) fn places(&self) -> usize {
        self.numbers.len()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.numbers.len() - 1
    }

    /// Where a hash is at home.
    #[inline]
    pub(super) fn start(&self, hash: isize) -> usize {
        // Fibonacci hashing: CPython's hashes of small integers are the integers.
        let mixed = hash.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) & self.mask()
    }

    /// The number at a place, counted on behind the end from the front; `NONE` where it is empty.
    #[inline]
    pub(super) fn get(&self, at: usize) -> u32 {
        self.numbers[at & self.mask()]
    }

    pub(super) fn place(&mut self, hash: isize, entry: u32) {
        let mask = self.mask();
        let mut at = self.start(hash);
        while self.numbers[at] != NONE {
            at = (at + 1) & mask;
        }
        self.numbers[at] = entry;
    }

    /// Takes an entry out and closes the gap behind it; `hash_of` gives the hashes of others.
    pub(super) fn unplace(&mut self, hash: isize, entry: u32, hash_of: impl Fn(u32) -> isize) {
        let mask = self.mask();
        let mut hole = self.start(hash);
        while self.numbers[hole] != entry {
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let other = self.numbers[at];
            if other == NONE {
                break;
            }
            let home = self.start(hash_of(other));
            // It may move into the hole unless its home lies behind the hole.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.numbers[hole] = other;
                hole = at;
            }
        }
        self.numbers[hole] = NONE;
    }

    /// Twice the places, all empty.
    pub(super) fn double(&mut self) {
        self.numbers = vec![NONE; self.numbers.len() * 2];
    }
}
