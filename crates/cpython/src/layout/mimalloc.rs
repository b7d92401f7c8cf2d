//! Where versions of mimalloc keep their books: CPython carries 2.1.2 (3.13, 3.14.0 to 3.14.9, 3.15.0 and 3.15.1) and
//! 2.5.2 (since), Arrow 2.0.6 and 2.2.4, Debian 2.0.9. Taken with `offsetof` from their internal headers; books that the process does
//! not confirm are not read.

/// Offsets in a segment's header, and of the fields of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Segments begin at multiples of this.
    pub segment: u64,
    /// Of a segment: a random number of the process, mixed with the segment's address.
    pub cookie: u64,
    /// How many slices its memory has.
    pub segment_slices: u64,
    /// How many its header takes.
    pub info_slices: u64,
    /// Whether it holds one huge page.
    pub kind: u64,
    /// How many slices the table has entries for.
    pub slice_entries: u64,
    /// Where the table begins.
    pub slices: u64,
    /// Bytes of an entry, which describes the page that begins in this slice.
    pub page: u64,
    /// Of a page: blocks in use.
    pub used: Number,
    /// Bytes of each.
    pub block_size: Number,
    /// Where its blocks begin.
    pub start: Start,
    /// The heap that it was made for, as a number of four bits from this bit on.
    pub tag: (u64, u8),
    /// Blocks that its thread freed lately.
    pub local_free: u64,
    /// Blocks that other threads freed.
    pub thread_free: u64,
    /// The heap that it belongs to.
    pub heap: u64,
    /// Of a heap: blocks that other threads freed.
    pub delayed: u64,
}

/// Where the blocks of a page begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As the page says, at this offset.
    Told(u64),
    /// Small blocks lie as far behind the slice's beginning as one or three of them need.
    BySize,
    /// Small blocks lie so many bytes behind it.
    Fixed(u64),
}

impl Start {
    /// Bytes from the slice's beginning to the first block of this size, by the rules.
    #[must_use]
    pub fn behind(self, size: u64) -> u64 {
        match (self, size) {
            (Self::BySize, 8..=64) => 3 * size,
            (Self::BySize, 65..=512) => size,
            (Self::Fixed(bytes), 8..=1024) => bytes,
            _ => 0,
        }
    }
}

/// An unsigned number: its offset and its bytes.
pub type Number = (u64, u8);

/// Fields that never moved: of a page.
pub const SLICE_COUNT: u64 = 0;
/// Blocks that it has room for so far.
pub const CAPACITY: u64 = 10;
/// Its free blocks.
pub const FREE: u64 = 16;

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

/// 2.0.8 and 2.0.9 (Debian's).
const SECOND: Books = Books { page: 80, start: Start::Fixed(384), ..OLD };

/// Bytes of a slice.
pub const SLICE: u64 = 64 << 10;
/// Stands for a size that is not told in 32 bits.
pub const HUGE: u64 = 1 << 31;

/// Those of builds without the GIL, whose pages have three words more, then those of builds with it and of libraries.
pub const BOOKS: [Books; 7] =
    [OLD, NEW, Books { page: 80, ..OLD }, Books { page: 96, ..NEW }, MIDDLE, FIRST, SECOND];
