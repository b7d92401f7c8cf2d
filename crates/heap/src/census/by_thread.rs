//! What the threads of a free-threaded build count by themselves: references to classes, code and namespaces, which all
//! threads use, so that one count for all would be what they wait for.

use crate::census::anchor::Anchor;
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::image::Image;
use m5_cpython::layout::objects::{CountedByThreads, ObjectLayout, type_fields as tf};
use rustc_hash::FxHashSet;

/// More threads than any process has.
const MOST_THREADS: usize = 1 << 16;
/// Bytes of a thread's state, at the most.
const STATE: u64 = 32 << 10;
/// Of the list of threads that may own a queue: the links to the next and the one before, then the thread's number.
const BEFORE: u64 = 8;
const OWNER: u64 = 16;
/// Of the same: the thread's table, and its length.
const TABLE: u64 = 40;
const LENGTH: u64 = 48;
/// Entries of a table, at the most.
const MOST_ENTRIES: u64 = 1 << 24;

/// References that threads count, over all threads.
#[derive(Debug, Default)]
pub(crate) struct ByThread {
    ids: Option<CountedByThreads>,
    sums: Vec<i64>,
}

impl ByThread {
    /// Adds up the tables of all threads; nothing where this build has none.
    pub(crate) fn read(image: &Image, anchor: &Anchor) -> Self {
        let mut own = Self { ids: anchor.layout.counted_by_threads, sums: Vec::new() };
        if own.ids.is_some() {
            for interpreter in &anchor.interpreters {
                let threads = threads(image, anchor.layout, *interpreter);
                threads
                    .iter()
                    .filter_map(|state| table(image, anchor.layout, *state))
                    .for_each(|t| own.add(t));
            }
        }
        own
    }

    fn add(&mut self, table: &[u8]) {
        let values = table.as_chunks::<8>().0;
        self.sums.resize(self.sums.len().max(values.len()), 0);
        for (sum, value) in self.sums.iter_mut().zip(values) {
            *sum = sum.saturating_add(i64::from_le_bytes(*value));
        }
    }

    /// References to an object that its own header does not count.
    pub(crate) fn to(&self, image: &Image, object: u64, desc: &TypeDesc) -> i64 {
        let Some(ids) = &self.ids else { return 0 };
        let id = match desc.kind {
            Kind::Type if heap_type(image, object) => image.word_at(object, ids.class.into()),
            Kind::Code => image.word_at(object, ids.code.into()),
            Kind::Dict => image.half_at(object, ids.dict.into()).map(u64::from),
            _ => None,
        };
        let entry =
            id.and_then(|id| id.checked_sub(1)).and_then(|at| self.sums.get(usize::try_from(at).ok()?));
        entry.copied().unwrap_or(0)
    }
}

fn heap_type(image: &Image, class: u64) -> bool {
    image.word_at(class, tf::FLAGS).is_some_and(|flags| flags & tf::HEAP != 0)
}

/// States of an interpreter's threads, the newest first.
pub(crate) fn threads(image: &Image, layout: &ObjectLayout, interpreter: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut seen = FxHashSet::default();
    let mut state = image.word_in(interpreter, u64::from(layout.threads)).unwrap_or(0);
    while state != 0 && found.len() < MOST_THREADS && seen.insert(state) {
        found.push(state);
        state = image.word_in(state, u64::from(layout.thread_next)).unwrap_or(0);
    }
    found
}

/// The table of a thread. Its place is not published and moves between releases, but stands right behind a link in a
/// list that holds the thread's own number, and nothing else looks so.
fn table<'a>(image: &'a Image, layout: &ObjectLayout, state: u64) -> Option<&'a [u8]> {
    let number = number(image, layout, state)?;
    let word = |at: u64| image.word(at).unwrap_or(0);
    let linked = |at: &u64| {
        let next = word(*at);
        word(at + OWNER) == number && next != 0 && word(next.wrapping_add(BEFORE)) == *at
    };
    let links = (0..STATE).step_by(8).map(|offset| state + offset).find(linked)?;
    let (values, length) = (word(links + TABLE), word(links + LENGTH));
    image.slice(values, usize::try_from(length.min(MOST_ENTRIES) * 8).ok()?)
}

/// The number that Python knows a thread by, which stands right before the kernel's.
pub(crate) fn number(image: &Image, layout: &ObjectLayout, state: u64) -> Option<u64> {
    let at = u64::from(layout.native_thread?).checked_sub(8)?;
    image.word_in(state, at).filter(|number| *number != 0)
}
