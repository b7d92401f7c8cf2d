//! Where a processor's C library puts a thread's descriptor, and how it is known again. One file an architecture, all
//! with the same names.

#[cfg(any(test, target_arch = "aarch64"))]
mod aarch64;
#[cfg(any(test, target_arch = "x86_64"))]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::{MARK, REACH, STEP, is_descriptor};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{MARK, REACH, STEP, is_descriptor};

#[cfg(test)]
mod tests {
    use super::{aarch64, x86_64};

    #[test]
    fn each_knows_its_own_descriptor() {
        let words = |at: u64, filled: &'static [(u64, u64)]| {
            move |offset: u64| Some(filled.iter().find(|(o, _)| *o == offset).map_or(0, |(_, w)| at + w))
        };
        let at = 0x7f00_1000;
        assert!(x86_64::is_descriptor(at, words(at, &[(0, 0), (16, 0)])));
        assert!(!x86_64::is_descriptor(at, words(at, &[(0, 0)])));
        let at = 0xffff_8000_10d8;
        assert!(aarch64::is_descriptor(at, words(at, &[(0, 8), (8, 8)])));
        assert!(!aarch64::is_descriptor(at, words(at, &[(0, 8)])), "no list goes back to itself");
    }
}
