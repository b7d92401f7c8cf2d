//! Where versions of mimalloc keep their books: CPython carries 2.1.2 (3.13, 3.14.0 to 3.14.9, 3.15.0 and 3.15.1) and
//! 2.5.2 (since), Arrow 2.0.6 and 2.2.4. Taken with `offsetof` from their internal headers; books that the process does
//! not confirm are not read.

/// Offsets in a segment's header, and of the fields of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Books {
    /// Segments begin at multiples of this.
    pub(super) segment: u64,
    /// Of a segment: a random number of the process, mixed with the segment's address.
    pub(super) cookie: u64,
    /// How many slices its memory has; how many its header takes.
    pub(super) segment_slices: u64,
    pub(super) info_slices: u64,
    pub(super) kind: u64,
    /// How many slices the table has entries for, and where the table begins.
    pub(super) slice_entries: u64,
    pub(super) slices: u64,
    /// Bytes of an entry, which describes the page that begins in this slice.
    pub(super) page: u64,
    /// Of a page: blocks in use.
    pub(super) used: Number,
    pub(super) block_size: Number,
    /// Where its blocks begin.
    pub(super) start: Start,
    /// The heap that it was made for, as a number of four bits from this bit on.
    pub(super) tag: (u64, u8),
    pub(super) local_free: u64,
    pub(super) thread_free: u64,
    pub(super) heap: u64,
    /// Of a heap: blocks that other threads freed.
    pub(super) delayed: u64,
}

/// Where the blocks of a page begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// As the page says, at this offset.
    Told(u64),
    /// Small blocks lie as far behind the slice's beginning as one or three of them need.
    BySize,
    /// Small blocks lie so many bytes behind it.
    Fixed(u64),
}

impl Start {
    /// Bytes from the slice's beginning to the first block of this size, by the rules.
    pub(super) fn behind(self, size: u64) -> u64 {
        match (self, size) {
            (Self::BySize, 8..=64) => 3 * size,
            (Self::BySize, 65..=512) => size,
            (Self::Fixed(bytes), 8..=1024) => bytes,
            _ => 0,
        }
    }
}

/// An unsigned number: its offset and its bytes.
pub(super) type Number = (u64, u8);

/// Fields that never moved: of a page.
pub(super) const SLICE_COUNT: u64 = 0;
pub(super) const CAPACITY: u64 = 10;
pub(super) const FREE: u64 = 16;

const OLD: Books = Books {
    segment: 32 << 20,
    cookie: 216,
    segment_slices: 224,
    info_slices: 232,
    kind: 240,
    slice_entries: 248,
    slices: 264,
    page: 96,
    used: (24, 4),
    block_size: (28, 4),
    start: Start::BySize,
    tag: (8, 3),
    local_free: 32,
    thread_free: 40,
    heap: 48,
    delayed: 2840,
};
const NEW: Books = Books {
    segment: 32 << 20,
    cookie: 224,
    segment_slices: 248,
    info_slices: 256,
    kind: 264,
    slice_entries: 272,
    slices: 288,
    page: 112,
    used: (32, 2),
    block_size: (40, 8),
    start: Start::Told(48),
    tag: (35, 0),
    local_free: 24,
    thread_free: 56,
    heap: 64,
    delayed: 8,
};

/// 2.1.6 and 2.1.7.
const MIDDLE: Books = Books {
    cookie: 216,
    segment_slices: 224,
    info_slices: 232,
    kind: 240,
    slice_entries: 248,
    slices: 264,
    page: 96,
    ..NEW
};
/// 2.0.6 and 2.0.7.
const FIRST: Books = Books {
    segment: 64 << 20,
    cookie: 320,
    segment_slices: 328,
    info_slices: 336,
    kind: 344,
    slice_entries: 360,
    slices: 368,
    page: 80,
    start: Start::Fixed(128),
    ..OLD
};

/// Those of builds without the GIL, whose pages have three words more, then those of builds with it and of libraries.
pub(super) const BOOKS: [Books; 6] =
    [OLD, NEW, Books { page: 80, ..OLD }, Books { page: 96, ..NEW }, MIDDLE, FIRST];
