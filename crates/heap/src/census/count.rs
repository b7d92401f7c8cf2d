//! How many references an object says it has.

use crate::image::Image;

/// What an object's header says of the references to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// It lives forever.
    Forever,
    /// So many.
    Of(u64),
}

/// Offsets in the header of an object of a free-threaded build, from its beginning.
const BITS: u64 = 11;
const LOCAL: u64 = 12;
const SHARED: u64 = 16;
/// Bits of the collector: looked after, and counted by nobody for the references that stacks hold.
const TRACKED: u8 = 1;
const DEFERRED: u8 = 0x40;
/// Flags of the shared count, and their value while the owner's queue holds a reference, and where no thread owns it.
const FLAGS: u32 = 2;
const QUEUED: u64 = 2;
const MERGED: u64 = 3;
/// What the count of an object with deferred references has on top, so that it never falls to zero: this much of 3.14 on, one
/// of 3.13, which marks each of them as queued too.
const ON_TOP: i64 = (1 << 60) - 1;

/// The count of an object; `None` where it is not in memory. Of a build with a GIL it is the lower half of the word,
/// whatever that means in its version.
pub(crate) fn of(image: &Image, object: u64) -> Option<Count> {
    if image.shift() == 0 {
        return image.half(object).map(|count| Count::Of(count.into()));
    }
    let local = image.half_in(object, LOCAL)?;
    if local == u32::MAX {
        return Some(Count::Forever);
    }
    let shared = image.word_in(object, SHARED)?;
    let (shared, queued) = (shared.cast_signed() >> FLAGS, shared & ((1 << FLAGS) - 1) == QUEUED);
    let on_top = match deferred(image, object) {
        true if shared > ON_TOP / 2 => ON_TOP,
        true => i64::from(queued),
        false => 0,
    };
    let listed = i64::from(found_garbage(image, object));
    Some(Count::Of(u64::try_from(i64::from(local) + shared - on_top - listed).unwrap_or(0)))
}

/// Whether nobody counts the references that stacks hold.
fn deferred(image: &Image, object: u64) -> bool {
    image.byte_in(object, BITS).is_some_and(|bits| bits & DEFERRED != 0)
}

/// Whether a collection that runs has found it to be garbage: its list of those holds a reference to each, and leads on in
/// the place of the owner, which an object of no owner else leaves empty.
fn found_garbage(image: &Image, object: u64) -> bool {
    let flags = image.word_in(object, SHARED).map(|shared| shared & ((1 << FLAGS) - 1));
    flags == Some(MERGED) && image.word(object).is_some_and(|next| next != 0)
}

/// The thread that has to take an object back, by the number that Python knows it by, where another thread dropped the
/// last reference and the owner has not looked at its queue since: the queue holds one reference. An object with deferred
/// references never waits there.
pub(crate) fn queued_for(image: &Image, object: u64) -> Option<u64> {
    let marked = image.word_in(object, SHARED)? & ((1 << FLAGS) - 1) == QUEUED;
    let queued = marked && !deferred(image, object);
    image.word(object).filter(|owner| queued && *owner != 0)
}

/// Whether the collector of a free-threaded build looks after an object.
pub(crate) fn tracked(image: &Image, object: u64) -> bool {
    image.byte_in(object, BITS).is_some_and(|bits| bits & TRACKED != 0)
}

/// Whether an object of a free-threaded build lives; what is kept for reuse has no references. Of one whose references
/// stacks hold without counting them, a count of zero says nothing.
pub(crate) fn living(image: &Image, object: u64) -> bool {
    of(image, object).is_some_and(|count| count != Count::Of(0) || deferred(image, object))
}

/// Whether it lives forever.
pub(crate) fn immortal(image: &Image, object: u64) -> bool {
    image.half_in(object, LOCAL) == Some(u32::MAX)
}
