//! What only caches with a size or an age need: how large each entry is, until when it is good, and the order in
//! which entries were stored.

use super::index::NONE;

/// What an entry costs and until when it is good.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) size: u64,
    pub(crate) expires: f64,
}

#[derive(Clone, Copy)]
struct Age {
    terms: Terms,
    older: u32,
    newer: u32,
}

/// Ages by number of the entry, linked from the oldest to the youngest.
pub(super) struct Ages {
    list: Vec<Age>,
    oldest: u32,
    youngest: u32,
    /// Sum of the sizes.
    pub(super) size: u64,
}

impl Ages {
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), oldest: NONE, youngest: NONE, size: 0 }
    }

    #[inline]
    pub(super) fn expires(&self, entry: u32) -> f64 {
        self.list[entry as usize].terms.expires
    }

    pub(super) fn size_of(&self, entry: u32) -> u64 {
        self.list[entry as usize].terms.size
    }

    /// The oldest where it is good no longer.
    pub(super) fn expired(&self, now: f64) -> Option<u32> {
        let oldest = self.list.get(self.oldest as usize)?;
        (oldest.terms.expires <= now).then_some(self.oldest)
    }

    /// An entry is stored now: it is the youngest.
    pub(super) fn note(&mut self, entry: u32, terms: Terms) {
        let made = Age { terms, older: self.youngest, newer: NONE };
        if entry as usize == self.list.len() {
            self.list.push(made);
        } else {
            self.list[entry as usize] = made;
        }
        match self.youngest {
            NONE => self.oldest = entry,
            other => self.list[other as usize].newer = entry,
        }
        self.youngest = entry;
        self.size += terms.size;
    }

    /// An entry leaves, or is stored anew.
    pub(super) fn forget(&mut self, entry: u32) {
        let Age { terms, older, newer } = self.list[entry as usize];
        match older {
            NONE => self.oldest = newer,
            other => self.list[other as usize].newer = newer,
        }
        match newer {
            NONE => self.youngest = older,
            other => self.list[other as usize].older = older,
        }
        self.size -= terms.size;
    }

    pub(super) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Age>()
    }
}
