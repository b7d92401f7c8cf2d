//! The store behind the caches: a hash table of Python objects in order of use, and where wanted of age.
//!
//! 40 bytes an entry: four for its place in the index (twice over for room), 32 for the entry. Comparing keys may
//! run Python code that comes back to the same cache, so the table itself never compares: it hands out candidates
//! ([`Map::probe`]), and the caller compares them outside and starts again when the table has changed.

mod ages;
mod index;

use crate::own::Own;
use ages::Ages;
pub(crate) use ages::Terms;
use index::{Index, NONE};

/// One entry; a free one has no key, and `next` is the next free one.
struct Entry {
    hash: isize,
    key: Option<Own>,
    value: Option<Own>,
    prev: u32,
    next: u32,
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
    index: Index,
    entries: Vec<Entry>,
    ages: Option<Ages>,
    free: u32,
    /// Least and most recently used.
    pub(crate) first: u32,
    last: u32,
    pub(crate) len: usize,
    /// Grows whenever an entry comes or goes.
    pub(crate) changes: u64,
}

/// An entry that left; its references are dropped by whoever gets it, outside of the cell.
pub(crate) type Gone = (Own, Own);

impl Map {
    pub(crate) fn new(ages: bool) -> Self {
        Self {
            index: Index::new(),
            entries: Vec::new(),
            ages: ages.then(Ages::new),
            free: NONE,
            first: NONE,
            last: NONE,
            len: 0,
            changes: 0,
        }
    }

    /// Where looking for a key with this hash begins.
    #[inline]
    pub(crate) fn start(&self, hash: isize) -> usize {
        self.index.start(hash)
    }

    /// The next entry with this hash, from index place `at` on.
    #[inline]
    pub(crate) fn probe(&self, hash: isize, mut at: usize) -> Probe {
        loop {
            let entry = self.index.get(at);
            let Some(found) = self.entries.get(entry as usize) else { return Probe::Missing };
            at += 1;
            if found.hash == hash {
                return Probe::Candidate { entry, next: at };
            }
        }
    }

    #[inline]
    pub(crate) fn key(&self, entry: u32) -> Option<&Own> {
        self.entries.get(entry as usize).and_then(|e| e.key.as_ref())
    }

    #[inline]
    pub(crate) fn value(&self, entry: u32) -> Option<&Own> {
        self.entries.get(entry as usize).and_then(|e| e.value.as_ref())
    }

    /// Until when an entry is good.
    #[inline]
    pub(crate) fn expires(&self, entry: u32) -> f64 {
        self.ages.as_ref().map_or(f64::INFINITY, |ages| ages.expires(entry))
    }

    /// The oldest entry where it is good no longer.
    pub(crate) fn expired(&self, now: f64) -> Option<u32> {
        self.ages.as_ref().and_then(|ages| ages.expired(now))
    }

    /// The sum of the sizes, where sizes are kept.
    pub(crate) fn size(&self) -> u64 {
        self.ages.as_ref().map_or(0, |ages| ages.size)
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
    pub(crate) fn replace(&mut self, entry: u32, value: Own, terms: Terms) -> Option<Own> {
        if let Some(ages) = &mut self.ages {
            ages.forget(entry);
            ages.note(entry, terms);
        }
        self.touch(entry);
        self.entries[entry as usize].value.replace(value)
    }

    /// Adds an entry whose key is not there yet.
    pub(crate) fn insert(&mut self, hash: isize, key: Own, value: Own, terms: Terms) {
        self.changes += 1;
        if (self.len + 1) * 2 > self.index.places() {
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
        if let Some(ages) = &mut self.ages {
            ages.note(entry, terms);
        }
        self.link_last(entry);
        self.index.place(hash, entry);
        self.len += 1;
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, entry: u32) -> Option<Gone> {
        let found = self.entries.get_mut(entry as usize)?;
        let hash = found.hash;
        let gone = (found.key.take()?, found.value.take()?);
        self.changes += 1;
        self.index.unplace(hash, entry, |other| self.entries[other as usize].hash);
        self.unlink(entry);
        if let Some(ages) = &mut self.ages {
            ages.forget(entry);
        }
        self.entries[entry as usize].next = self.free;
        self.free = entry;
        self.len -= 1;
        Some(gone)
    }

    /// Everything, and an empty map.
    pub(crate) fn take(&mut self) -> Self {
        let changes = self.changes + 1;
        let old = std::mem::replace(self, Self::new(self.ages.is_some()));
        self.changes = changes;
        old
    }

    /// The numbers of the entries, from the least to the most recently used.
    pub(crate) fn order(&self) -> impl Iterator<Item = u32> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let entry = at;
            at = self.entries.get(entry as usize)?.next;
            Some(entry)
        })
    }

    /// What an entry weighs, where sizes are kept.
    pub(crate) fn size_of(&self, entry: u32) -> u64 {
        self.ages.as_ref().map_or(1, |ages| ages.size_of(entry))
    }

    /// Entries from the least to the most recently used.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Own, &Own)> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            at = entry.next;
            Some((entry.key.as_ref()?, entry.value.as_ref()?))
        })
    }

    /// The entries whose value is such a one.
    pub(crate) fn entries_where(&self, is: fn(*mut pyo3::ffi::PyObject) -> bool) -> Vec<u32> {
        let such = |e: &Entry| e.value.as_ref().is_some_and(|v| is(v.as_ptr()));
        (0..).zip(&self.entries).filter(|(_, e)| such(e)).map(|(i, _)| i).collect()
    }

    /// All entries that are good no longer.
    pub(crate) fn all_expired(&self, now: f64) -> Vec<u32> {
        let expired = |i: u32, e: &Entry| e.key.is_some() && self.expires(i) <= now;
        (0..).zip(&self.entries).filter(|&(i, e)| expired(i, e)).map(|(i, _)| i).collect()
    }

    /// Bytes of the table itself.
    pub(crate) fn bytes(&self) -> usize {
        let ages = self.ages.as_ref().map_or(0, Ages::bytes);
        self.index.places() * 4 + self.entries.capacity() * size_of::<Entry>() + ages
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

    #[cold]
    fn grow(&mut self) {
        self.index.double();
        let mut at = self.first;
        while let Some(entry) = self.entries.get(at as usize) {
            self.index.place(entry.hash, at);
            at = entry.next;
        }
    }
}
