//! 64-bit Arm.
#![cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]

use super::{Behind, ReturnsTo};
use m5_process::Memory;

/// Offsets of the first two arguments' registers in the kernel's `struct user_pt_regs`, as programs at breakpoints see it.
pub(crate) const ARGUMENTS: [i16; 2] = [0, 8];
/// Offset of the register with a function's result, likewise.
pub(crate) const RESULT: i16 = 0;
/// Where a function finds, at its first instruction, the place to which it returns.
pub(crate) const RETURNS_TO: ReturnsTo = ReturnsTo::Register(240);
/// Offset of the call's number (32 bits) in the kernel's `struct pt_regs`: behind the user's registers and the first
/// argument.
pub(crate) const CALL: i32 = 280;
/// Offset of the call's first argument in it, at its entry and its exit.
pub(crate) const CALL_FIRST: i32 = 272;
/// Those of its second and third arguments, and of the stack pointer, likewise.
pub(crate) const CALL_SECOND: i32 = 8;
pub(crate) const CALL_THIRD: i32 = 16;
pub(crate) const STACK_POINTER: i32 = 248;
/// The poll whose timeout is a number of milliseconds; that of the others is a pointer, or null.
pub(crate) const POLL_WITH_MILLISECONDS: Option<i64> = None;
/// The calls in which loops wait: a loop that uses those of the first kind waits in no other.
pub(crate) const EPOLLS: &[i64] = &[libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2];
pub(crate) const POLLS: &[i64] = &[libc::SYS_ppoll];
/// Those whose first argument is a number of descriptors: without any they are a sleep.
pub(crate) const SELECTS: &[i64] = &[libc::SYS_pselect6];
/// The first kernel (major, minor) on which a program at a breakpoint lets the thread go on: before, the kernel stepped
/// over a breakpoint for its own handlers only, and the thread stood at it for ever.
pub(crate) const BREAKPOINT_PROGRAMS: (u32, u32) = (6, 6);

/// Whether an instruction whose write is watched always ends: a pair of an exclusive load and store does not.
pub(crate) const WATCHES_END: bool = false;

/// Instructions that are followed.
const STEPS: usize = 128;
const LENGTH: u64 = 4;

/// Where the code at `start` calls through memory, followed with the values that the process holds now.
pub(crate) fn behind(memory: &dyn Memory, start: u64) -> Behind {
    let mut follow = Follow { memory, left: STEPS, inlined: false };
    let found = follow.from(start, [None; 32]);
    if follow.inlined { Behind::Inlined } else { found.map_or(Behind::Unknown, Behind::Function) }
}

/// What is known of the registers; the last is the zero register or the stack pointer, of which nothing is.
type Known = [Option<u64>; 32];

struct Follow<'a> {
    memory: &'a dyn Memory,
    left: usize,
    inlined: bool,
}

impl Follow<'_> {
    /// Tries the straight way first.
    fn from(&mut self, start: u64, mut known: Known) -> Option<u64> {
        let mut at = start;
        while self.left > 0 {
            self.left -= 1;
            let mut bytes = [0; LENGTH as usize];
            self.memory.read(at, &mut bytes).ok()?;
            let word = u32::from_le_bytes(bytes);
            match step(word, at) {
                Step::Indirect(register) => return known.get(register).copied().flatten(),
                Step::Jump(to) => at = to,
                Step::Branch(to) => {
                    let straight = self.from(at.wrapping_add(LENGTH), known);
                    return straight.or_else(|| self.from(to, known));
                }
                Step::End => return None,
                Step::Next => {
                    self.learn(word, at, &mut known);
                    at = at.wrapping_add(LENGTH);
                }
            }
        }
        None
    }

    fn learn(&mut self, word: u32, at: u64, known: &mut Known) {
        let (to, from) = (field(word, 0), field(word, 5));
        let of = |known: &Known, register: usize| known.get(register).copied().flatten();
        let load = |address: Option<u64>| {
            let mut bytes = [0; 8];
            self.memory.read(address?, &mut bytes).ok().map(|()| u64::from_le_bytes(bytes))
        };
        let immediate = u64::from(word >> 10 & 0xfff);
        let value = if word & 0x9f00_0000 == 0x9000_0000 {
            Some((at & !0xfff).wrapping_add(page_offset(word) << 12)) // ADRP
        } else if word & 0x9f00_0000 == 0x1000_0000 {
            Some(at.wrapping_add(page_offset(word))) // ADR
        } else if word & 0xff80_0000 == 0x9100_0000 {
            let shift = word >> 22 & 1;
            of(known, from).map(|v| v.wrapping_add(immediate << (12 * shift))) // ADD
        } else if word & 0xffe0_ffe0 == 0xaa00_03e0 {
            of(known, field(word, 16)) // MOV
        } else if word & 0xffc0_0000 == 0xf940_0000 {
            load(of(known, from).map(|v| v.wrapping_add(immediate * 8))) // LDR
        } else if word & 0xffe0_0c00 == 0xf840_0000 {
            load(of(known, from).map(|v| v.wrapping_add(signed(word >> 12, 9)))) // LDUR
        } else if word & 0xffc0_0000 == 0xa940_0000 {
            let base = of(known, from).map(|v| v.wrapping_add(signed(word >> 15, 7) << 3)); // LDP
            if let Some(second) = known.get_mut(field(word, 10)) {
                *second = load(base.map(|v| v.wrapping_add(8)));
            }
            load(base)
        } else {
            if word & 0xff20_001f == 0xeb00_001f {
                let (a, b) = (of(known, from), of(known, field(word, 16))); // CMP
                self.inlined |= a.is_some() && a == b;
            }
            None
        };
        if let Some(slot) = known.get_mut(to).filter(|_| to != 31) {
            *slot = value;
        }
    }
}

/// Where an instruction leads.
enum Step {
    Next,
    Jump(u64),
    Branch(u64),
    /// Through a register.
    Indirect(usize),
    End,
}

fn step(word: u32, at: u64) -> Step {
    let by = |offset: u64| at.wrapping_add(offset << 2);
    if word & 0xfc00_0000 == 0x1400_0000 {
        Step::Jump(by(signed(word, 26))) // B
    } else if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        Step::Branch(by(signed(word >> 5, 19))) // B.cond, CBZ, CBNZ
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        Step::Branch(by(signed(word >> 5, 14))) // TBZ, TBNZ
    } else if word & 0xffdf_fc1f == 0xd61f_0000 {
        Step::Indirect(field(word, 5)) // BR, BLR
    } else if word & 0xfc00_0000 == 0x9400_0000 || word & 0xfe00_0000 == 0xd600_0000 || word >> 16 == 0 {
        Step::End // BL, RET and other branches, UDF
    } else {
        Step::Next
    }
}

/// A register's number.
fn field(word: u32, shift: u32) -> usize {
    (word >> shift & 31) as usize
}

/// The lowest bits as a signed number.
fn signed(word: u32, bits: u32) -> u64 {
    let shift = 64 - bits;
    ((u64::from(word) << shift).cast_signed() >> shift).cast_unsigned()
}

/// The offset of ADR and ADRP.
fn page_offset(word: u32) -> u64 {
    let (low, high) = (word >> 29 & 3, word >> 5 & 0x7_ffff);
    signed(high << 2 | low, 21)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::BufferMemory;

    const START: u64 = 0x1000;
    const TABLE: u64 = 0x3048;

    /// The code at 0x1000, and a table at 0x3048: a context and a function.
    fn program(code: &[u32], function: u64) -> BufferMemory {
        let mut bytes = vec![0; 0x3000];
        for (i, word) in code.iter().enumerate() {
            bytes[i * 4..i * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
        let at = (TABLE - START) as usize;
        bytes[at..at + 8].copy_from_slice(&7u64.to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&function.to_le_bytes());
        BufferMemory::new(START, bytes)
    }

    const ADRP_X0: u32 = 0xd000_0000; // adrp x0, 0x3000
    const MOV_X1_X0: u32 = 0xaa00_03e1;
    const BR_X2: u32 = 0xd61f_0040;

    #[test]
    fn the_table_is_followed_however_it_is_loaded() {
        let by_ldr = [MOV_X1_X0, ADRP_X0, 0x9101_2000, 0xf940_0402, 0xf940_0000, BR_X2];
        let by_ldp = [MOV_X1_X0, ADRP_X0, 0x9101_2003, 0xa940_0860, BR_X2];
        let moved = [ADRP_X0, 0x9101_2000, 0xf940_0402, 0xaa02_03f0, 0xd503_245f, 0xd61f_0200];
        let jumped = [0x1400_0002, 0, ADRP_X0, 0x9101_2000, 0xf940_0402, BR_X2];
        for code in [&by_ldr[..], &by_ldp, &moved, &jumped] {
            assert_eq!(behind(&program(code, 0x4_2000), START), Behind::Function(0x4_2000), "{code:x?}");
        }
        assert_eq!(behind(&program(&[0xd65f_03c0], 0), START), Behind::Unknown);
        assert_eq!(behind(&program(&[0x1400_0000], 0), START), Behind::Unknown, "a circle");
    }

    #[test]
    fn a_known_function_may_be_inlined() {
        // adrp x0; add x0; ldr x2, [x0, #8]; adr x3, 0x1000; cmp x2, x3; b.ne +2; ret; br x2
        let code =
            [ADRP_X0, 0x9101_2000, 0xf940_0402, 0x10ff_ffa3, 0xeb03_005f, 0x5400_0041, 0xd65f_03c0, BR_X2];
        assert_eq!(behind(&program(&code, START), START), Behind::Inlined);
        assert_eq!(behind(&program(&code, 0x4_2000), START), Behind::Function(0x4_2000));
    }
}
