//! The store behind the caches: a hash table of Python objects in order of use, and where wanted of age.
//!
//! 40 bytes an entry: four for its place in the index (twice over for room), 32 for the entry. Comparing keys may
//! run Python code that comes back to the same cache, so the table itself never compares: it hands out candidates
//! ([`Map::probe`]), and the caller compares them outside and starts again when the table has changed.

use pyo3::prelude::*;

const NONE: u32 = u32::MAX;
type Object = Py<PyAny>;

/// One entry; a free one has no key, and `next` is the next free one.
struct Entry {
    hash: isize,
    key: Option<Object>,
    value: Option<Object>,
    prev: u32,
    next: u32,
}

/// What only caches with a size or an age need.
#[derive(Clone, Copy)]
struct Extra {
    size: u64,
    expires: f64,
    older: u32,
    newer: u32,
}

/// What an entry costs and until when it is good.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) size: u64,
    pub(crate) expires: f64,
}

/// Where to go on looking for a key.
pub(crate) enum Probe {
    /// There is none.
    Missing,
    /// This entry has the same hash; `next` goes on behind it.
    Candidate { entry: u32, next: usize },
}

/// Entries in order of use.
pub(crate) struct Map {
    index: Vec<u32>,
    entries: Vec<Entry>,
    extra: Option<Vec<Extra>>,
    free: u32,
    /// Least and most recently used.
    pub(crate) first: u32,
    last: u32,
    /// Oldest and youngest, where ages are kept.
    oldest: u32,
    youngest: u32,
    pub(crate) len: usize,
    pub(crate) size: u64,
    /// Grows whenever an entry comes, goes or moves in the index.
    pub(crate) changes: u64,
}

/// An entry that left; its references are dropped by whoever gets it, outside of the cell.
pub(crate) type Gone = (Object, Object);

impl Map {
    pub(crate) fn new(extra: bool) -> Self {
        Self {
            index: vec![NONE; 8],
            entries: Vec::new(),
            extra: extra.then(Vec::new),
            free: NONE,
            first: NONE,
            last: NONE,
            oldest: NONE,
            youngest: NONE,
            len: 0,
            size: 0,
            changes: 0,
        }
    }

    pub(crate) fn start(&self, hash: isize) -> usize {
        // Fibonacci hashing: CPython's hashes of small integers are the integers.
        let mixed = hash.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) & (self.index.len() - 1)
    }

    /// The next entry with this hash, from index place `at` on.
    #[inline]
    pub(crate) fn probe(&self, hash: isize, mut at: usize) -> Probe {
        let mask = self.index.len() - 1;
        loop {
            let entry = self.index[at & mask];
            if entry == NONE {
                return Probe::Missing;
            }
            if self.entries[entry as usize].hash == hash {
                return Probe::Candidate { entry, next: (at & mask) + 1 };
            }
            at = (at & mask) + 1;
        }
    }

    pub(crate) fn key(&self, entry: u32) -> Option<&Object> {
        self.entries.get(entry as usize).and_then(|e| e.key.as_ref())
    }

    pub(crate) fn value(&self, entry: u32) -> Option<&Object> {
        self.entries.get(entry as usize).and_then(|e| e.value.as_ref())
    }

    pub(crate) fn expires(&self, entry: u32) -> f64 {
        self.extra.as_ref().map_or(f64::INFINITY, |x| x[entry as usize].expires)
    }

    /// Marks an entry as used just now.
    #[inline]
    pub(crate) fn touch(&mut self, entry: u32) {
        if self.last != entry {
            self.unlink(entry);
            self.link_last(entry);
        }
    }

    /// Puts another value into an entry and gives the old one back.
    pub(crate) fn replace(&mut self, entry: u32, value: Object, terms: Terms) -> Option<Object> {
        if self.extra.is_some() {
            self.forget_age(entry);
            self.note_age(entry, terms);
        }
        self.touch(entry);
        self.entries[entry as usize].value.replace(value)
    }

    /// Adds an entry whose key is not there yet.
    pub(crate) fn insert(&mut self, hash: isize, key: Object, value: Object, terms: Terms) {
        self.changes += 1;
        if (self.len + 1) * 2 > self.index.len() {
            self.grow();
        }
        let made = Entry { hash, key: Some(key), value: Some(value), prev: NONE, next: NONE };
        let entry = if self.free == NONE {
            self.entries.push(made);
            (self.entries.len() - 1) as u32
        } else {
            let entry = self.free;
            self.free = self.entries[entry as usize].next;
            self.entries[entry as usize] = made;
            entry
        };
        if self.extra.is_some() {
            self.note_age(entry, terms);
        }
        self.link_last(entry);
        self.place(hash, entry);
        self.len += 1;
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, entry: u32) -> Option<Gone> {
        let hash = self.entries.get(entry as usize)?.hash;
        let gone = {
            let e = &mut self.entries[entry as usize];
            (e.key.take()?, e.value.take()?)
        };
        self.changes += 1;
        self.unplace(hash, entry);
        self.unlink(entry);
        if self.extra.is_some() {
            self.forget_age(entry);
        }
        self.entries[entry as usize].next = self.free;
        self.free = entry;
        self.len -= 1;
        Some(gone)
    }

    /// The oldest entry where it is good no longer.
    pub(crate) fn expired(&self, now: f64) -> Option<u32> {
        let extra = self.extra.as_ref()?;
        (self.oldest != NONE && extra[self.oldest as usize].expires <= now).then_some(self.oldest)
    }

    /// Everything, and an empty map.
    pub(crate) fn take(&mut self) -> Self {
        let changes = self.changes + 1;
        let old = std::mem::replace(self, Self::new(self.extra.is_some()));
        self.changes = changes;
        old
    }

    /// Entries from the least to the most recently used.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Object, &Object, u32)> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            let this = at;
            at = entry.next;
            Some((entry.key.as_ref()?, entry.value.as_ref()?, this))
        })
    }

    /// Bytes of the table itself.
    pub(crate) fn bytes(&self) -> usize {
        let extra = self.extra.as_ref().map_or(0, |x| x.capacity() * size_of::<Extra>());
        self.index.capacity() * 4 + self.entries.capacity() * size_of::<Entry>() + extra
    }

    fn link_last(&mut self, entry: u32) {
        let before = self.last;
        {
            let e = &mut self.entries[entry as usize];
            (e.prev, e.next) = (before, NONE);
        }
        match before {
            NONE => self.first = entry,
            other => self.entries[other as usize].next = entry,
        }
        self.last = entry;
    }

    fn unlink(&mut self, entry: u32) {
        let (prev, next) = {
            let e = &self.entries[entry as usize];
            (e.prev, e.next)
        };
        match prev {
            NONE => self.first = next,
            other => self.entries[other as usize].next = next,
        }
        match next {
            NONE => self.last = prev,
            other => self.entries[other as usize].prev = prev,
        }
    }

    fn note_age(&mut self, entry: u32, terms: Terms) {
        let Some(extra) = &mut self.extra else { return };
        let made = Extra { size: terms.size, expires: terms.expires, older: self.youngest, newer: NONE };
        if entry as usize == extra.len() {
            extra.push(made)
        } else {
            extra[entry as usize] = made
        }
        match self.youngest {
            NONE => self.oldest = entry,
            other => extra[other as usize].newer = entry,
        }
        self.youngest = entry;
        self.size += terms.size;
    }

    fn forget_age(&mut self, entry: u32) {
        let Some(extra) = &mut self.extra else { return };
        let Extra { size, older, newer, .. } = extra[entry as usize];
        match older {
            NONE => self.oldest = newer,
            other => extra[other as usize].newer = newer,
        }
        match newer {
            NONE => self.youngest = older,
            other => extra[other as usize].older = older,
        }
        self.size -= size;
    }

    fn place(&mut self, hash: isize, entry: u32) {
        let mask = self.index.len() - 1;
        let mut at = self.start(hash);
        while self.index[at] != NONE {
            at = (at + 1) & mask;
        }
        self.index[at] = entry;
    }

    /// Takes an entry out of the index and closes the gap behind it.
    fn unplace(&mut self, hash: isize, entry: u32) {
        let mask = self.index.len() - 1;
        let mut hole = self.start(hash);
        while self.index[hole] != entry {
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let other = self.index[at];
            if other == NONE {
                break;
            }
            let home = self.start(self.entries[other as usize].hash);
            // It may move into the hole unless its home lies behind the hole.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.index[hole] = other;
                hole = at;
            }
        }
        self.index[hole] = NONE;
    }

    fn grow(&mut self) {
        self.index = vec![NONE; self.index.len() * 2];
        let mut at = self.first;
        while at != NONE {
            self.place(self.entries[at as usize].hash, at);
            at = self.entries[at as usize].next;
        }
    }
}
