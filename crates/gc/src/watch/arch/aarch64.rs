//! 64-bit Arm. The trap comes before the store. A store of the zero register ends a collection; one of another register,
//! a swap and a compare-and-swap begin one.
//!
//! Processors before version 8.1 swap by pairs of an exclusive load and an exclusive store, which succeed only while
//! nothing comes between. A trap does: the pair fails, is tried again, traps again, and the thread never gets on. Code
//! may have such pairs on newer processors too, if it was compiled for all of them.
#![cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]

use super::Code;

/// Watchpoints that most processors have; where there are fewer, that shows when they are opened.
pub(crate) const REGISTERS: usize = 4;
/// Bytes of code that are looked at.
pub(crate) const LENGTH: usize = 4;
/// The bit of `AT_HWCAP` that tells of single instructions for swaps.
const ATOMICS: u64 = 1 << 8;
const RETURN: u32 = 0xd65f_03c0;

/// Where the code of the store lies that a trap tells of.
pub(crate) fn code_at(ip: u64) -> u64 {
    ip
}

/// `Some(true)` where the instruction begins a collection, `Some(false)` where it ends one.
pub(crate) fn begins(code: &[u8; LENGTH]) -> Option<bool> {
    let word = u32::from_le_bytes(*code);
    if swaps(word) || stores_exclusively(word) {
        return Some(true);
    }
    let plain = word & 0xffc0_0000 == 0xb900_0000; // STR W, unsigned offset
    let near = word & 0xffe0_0000 == 0xb800_0000; // STUR W, and STR W before or behind its address is changed
    let indexed = word & 0xffe0_0c00 == 0xb820_0800; // STR W, register offset
    let release = word & 0xffff_fc00 == 0x889f_fc00; // STLR W
    let zero = word & 31 == 31;
    (plain || near || indexed || release).then_some(!zero)
}

/// CAS and SWP of 32 bits, in all their orders.
fn swaps(word: u32) -> bool {
    word & 0xffa0_7c00 == 0x88a0_7c00 || word & 0xff20_fc00 == 0xb820_8000
}

/// STXR and STLXR of 32 bits.
fn stores_exclusively(word: u32) -> bool {
    word & 0xffe0_7c00 == 0x8800_7c00
}

/// Any single instruction that changes memory atomically.
fn is_atomic(word: u32) -> bool {
    word & 0x3fa0_7c00 == 0x08a0_7c00 || word & 0x3f20_0c00 == 0x3820_0000
}

/// Whether a trap keeps this from ever succeeding.
pub(crate) fn never_ends(code: &[u8; LENGTH]) -> bool {
    stores_exclusively(u32::from_le_bytes(*code))
}

/// The same before anything is watched: what the machine can do (`AT_HWCAP` of the process), and all of a program's
/// code. What cannot be read may be anything.
pub(crate) fn is_endless(hardware: Option<u64>, mut code: impl Iterator<Item = Code>) -> bool {
    let capable = hardware.is_some_and(|bits| bits & ATOMICS != 0);
    !capable || code.any(|code| code.is_none_or(|code| has_pairs(&code)))
}

/// Whether code has exclusive pairs that a capable processor would execute. The helpers that compilers call
/// (`__aarch64_cas4_acq_rel` and its like) have one too, behind the single instruction and a return.
fn has_pairs(code: &[u8]) -> bool {
    /// Instructions of a helper from its return to the exclusive store.
    const NEAR: usize = 12;
    let words: Vec<u32> = code.as_chunks::<LENGTH>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let is_helper = |at: usize| {
        let before = words.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
        before.windows(2).any(|pair| matches!(pair, [atomic, RETURN] if is_atomic(*atomic)))
    };
    words.iter().enumerate().any(|(at, word)| stores_exclusively(*word) && !is_helper(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn says(word: u32) -> Option<bool> {
        begins(&word.to_le_bytes())
    }

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    const STLXR: u32 = 0x8811_fc41; // stlxr w17, w1, [x2]
    const LDAXR: u32 = 0x885f_fc40; // ldaxr w0, [x2]
    const CASAL: u32 = 0x88e0_fc41; // casal w0, w1, [x2]

    /// `__aarch64_cas4_acq_rel` of libgcc.
    const HELPER: [u32; 12] = [
        0xd503_245f, // bti c
        0xb000_0010, // adrp x16
        0x3940_0210, // ldrb w16, [x16]
        0x3400_0070, // cbz w16
        CASAL,
        RETURN,
        0x2a00_03f0, // mov w16, w0
        LDAXR,
        0x6b10_001f, // cmp w0, w16
        0x5400_0061, // b.ne
        STLXR,
        RETURN,
    ];

    #[test]
    fn stores_and_swaps() {
        assert_eq!(says(0xb902_6801), Some(true), "str w1, [x0, #616]");
        assert_eq!(says(0xb902_681f), Some(false), "str wzr, [x0, #616]");
        assert_eq!(says(0xb801_001f), Some(false), "stur wzr, [x0, #16]");
        assert_eq!(says(0xb822_681f), Some(false), "str wzr, [x0, x2]");
        assert_eq!(says(0x889f_fc1f), Some(false), "stlr wzr, [x0]");
        assert_eq!(says(0x889f_fc01), Some(true), "stlr w1, [x0]");
        assert_eq!(says(CASAL), Some(true));
        assert_eq!(says(0xb8e1_8020), Some(true), "swpal w1, w0, [x1]");
        assert_eq!(says(STLXR), Some(true));
        assert_eq!(says(0xb942_6801), None, "ldr w1, [x0, #616]");
        assert_eq!(says(LDAXR), None);
        assert_eq!(says(0xf902_6801), None, "str x1, [x0]: 64 bits");
    }

    #[test]
    fn a_pair_never_ends_under_a_trap() {
        assert!(never_ends(&STLXR.to_le_bytes()) && never_ends(&0x8811_7c41u32.to_le_bytes()));
        assert!(!never_ends(&CASAL.to_le_bytes()) && !never_ends(&0xb902_681fu32.to_le_bytes()));
    }

    #[test]
    fn pairs_are_harmless_where_a_single_instruction_is_taken_instead() {
        let of = |hardware, words: &[u32]| is_endless(hardware, std::iter::once(Some(code(words))));
        assert!(!of(Some(ATOMICS), &HELPER));
        assert!(of(Some(0xff), &HELPER), "a processor without single instructions");
        assert!(of(None, &HELPER), "nobody knows the processor");
        assert!(of(Some(ATOMICS), &[LDAXR, 0x6b10_001f, STLXR]), "compiled for all processors");
        assert!(of(Some(ATOMICS), &[&HELPER[..], &[0; 9], &[LDAXR, STLXR]].concat()));
        assert!(is_endless(Some(ATOMICS), std::iter::once(None)), "unread");
        assert!(!of(Some(ATOMICS), &[0xb902_681f, RETURN]));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(code in any::<Vec<u8>>()) {
            let _ = has_pairs(&code);
            if let Some(first) = code.first_chunk() {
                let _ = (begins(first), never_ends(first));
            }
        }
    }
}
