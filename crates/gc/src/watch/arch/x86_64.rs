//! 64-bit x86. The trap comes after the store. Of the code before it a plain 1 or a compare-and-swap begins a
//! collection, a plain 0 ends it; other stores say nothing.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

use super::Code;

/// Debug registers.
pub(crate) const REGISTERS: usize = 4;
/// Bytes of code that are looked at.
pub(crate) const LENGTH: usize = 16;

/// Where the code of the store lies that a trap tells of.
pub(crate) fn code_at(ip: u64) -> u64 {
    ip.wrapping_sub(LENGTH as u64)
}

/// Whether a trap can keep a compare-and-swap from ever succeeding: it cannot.
pub(crate) fn never_ends(_code: &[u8; LENGTH]) -> bool {
    false
}

/// The same before anything is watched, from all of a program's code.
pub(crate) fn is_endless(_hardware: Option<u64>, _code: impl Iterator<Item = Code>) -> bool {
    false
}

/// `Some(true)` where the instruction that ends the code begins a collection, `Some(false)` where it ends one.
pub(crate) fn begins(code: &[u8; LENGTH]) -> Option<bool> {
    // The longest reading wins: a shorter one may be the tail of it.
    (3..=14).rev().find_map(|length| store(&code[LENGTH - length..]))
}

/// One whole instruction: a store of a constant, or `lock cmpxchg`.
fn store(code: &[u8]) -> Option<bool> {
    match code {
        [0xf0, 0x40..=0x4f, 0x0f, 0xb1, rest @ ..] | [0xf0, 0x0f, 0xb1, rest @ ..] => {
            (operand(rest)? == rest.len()).then_some(true)
        }
        [0x40..=0x4f, 0xc7, rest @ ..] | [0xc7, rest @ ..] => {
            let at = operand(rest)?;
            let value: [u8; 4] = rest.get(at..)?.try_into().ok()?;
            let register_is_zero = rest.first()? & 0b0011_1000 == 0;
            match u32::from_le_bytes(value) {
                0 if register_is_zero => Some(false),
                1 if register_is_zero => Some(true),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Length of a ModRM operand that names memory.
fn operand(rest: &[u8]) -> Option<usize> {
    let modrm = *rest.first()?;
    let (mode, base) = (modrm >> 6, modrm & 7);
    let index = usize::from(base == 4 && mode != 3);
    let absolute = mode == 0 && (base == 5 || (index == 1 && rest.get(1)? & 7 == 5));
    Some(match mode {
        0 if absolute => 1 + index + 4,
        0 => 1 + index,
        1 => 1 + index + 1,
        2 => 1 + index + 4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(tail: &[u8]) -> [u8; LENGTH] {
        let mut code = [0x90; LENGTH];
        code[LENGTH - tail.len()..].copy_from_slice(tail);
        code
    }

    #[test]
    fn stores_of_constants_and_swaps() {
        let start = code(&[0xc7, 0x83, 0x50, 3, 0, 0, 1, 0, 0, 0]);
        let stop = code(&[0x41, 0xc7, 0x84, 0x24, 0xc8, 0, 0, 0, 0, 0, 0, 0]);
        let relative = code(&[0xc7, 0x05, 0x10, 0x20, 0x30, 0, 1, 0, 0, 0]);
        let swap = code(&[0xf0, 0x0f, 0xb1, 0x93, 0xc8, 0, 0, 0]);
        let swap_rex = code(&[0xf0, 0x41, 0x0f, 0xb1, 0x4e, 0x20]);
        assert_eq!(begins(&start), Some(true));
        assert_eq!(begins(&stop), Some(false));
        assert_eq!(begins(&relative), Some(true));
        assert_eq!(begins(&swap), Some(true));
        assert_eq!(begins(&swap_rex), Some(true));
    }

    #[test]
    fn a_store_of_a_register_says_nothing() {
        assert_eq!(begins(&code(&[0x44, 0x89, 0x8b, 0x50, 3, 0, 0])), None);
        assert_eq!(begins(&code(&[0x87, 0x83, 0xc8, 0, 0, 0])), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(code in any::<[u8; LENGTH]>()) {
            let _ = begins(&code);
        }
    }
}
