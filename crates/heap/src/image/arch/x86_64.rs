//! 64-bit x86: the descriptor is what the thread register points to, above the libraries' variables.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

/// Descriptors lie at multiples of this.
pub(crate) const STEP: u64 = 64;
/// Offset in a descriptor of what it is known by.
pub(crate) const MARK: u64 = 0;
/// Bytes below the top of a stack in which its descriptor lies.
pub(crate) const REACH: u64 = 4096;

/// Whether a descriptor is there: it begins with two words that are its own address, around the vector of its
/// libraries' variables.
pub(crate) fn is_descriptor(at: u64, word: impl Fn(u64) -> Option<u64>) -> bool {
    word(0) == Some(at) && word(16) == Some(at)
}
