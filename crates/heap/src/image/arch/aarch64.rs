//! 64-bit Arm: the descriptor lies below what the thread register points to, and the libraries' variables above that. It
//! holds no address of its own but in the list of robust mutexes, which goes back to itself while none is held.
#![cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]

/// Descriptors lie at multiples of this.
pub(crate) const STEP: u64 = 16;
/// Offset in a descriptor of what it is known by: behind 24 words, a list of two, and two thread numbers.
pub(crate) const MARK: u64 = 216;
/// Bytes below the top of a stack in which its descriptor lies.
pub(crate) const REACH: u64 = 16 << 10;

/// Whether the list of robust mutexes of a descriptor is there: the link back, then the link on, both to the latter.
pub(crate) fn is_descriptor(at: u64, word: impl Fn(u64) -> Option<u64>) -> bool {
    let list = at.checked_add(8);
    word(0) == list && word(8) == list
}
