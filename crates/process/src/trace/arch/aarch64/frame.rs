//! The signal frames of an injected call (`struct rt_sigframe`, arch/arm64/include/uapi/asm/sigcontext.h).

use super::{Registers, calling};
use crate::trace::arch::{Frames, Gadgets};

/// Below the stack pointer nothing is kept by the ABI; some is left alone all the same.
const RED_ZONE: u64 = 128;
/// A set of vectors of 128 bits with its control words (`struct user_fpsimd_state`), and its record in a frame.
const FPSIMD: usize = 528;
const VECTORS: usize = 512;
/// The head of the register set of scalable vectors, and of their record in a frame.
const HEAD: usize = 16;

/// Length of a frame for a copy.
pub(crate) const FRAME: u64 = 128 + 176 + 288 + 4096;

const FPSIMD_MAGIC: u32 = 0x4650_8001;
/// Magic and size of the record that comes first, as one word.
pub(super) const FIRST_RECORD: u64 = FPSIMD_MAGIC as u64 | (FPSIMD as u64) << 32;
const SVE_MAGIC: u32 = 0x5356_4501;
const EXTRA_MAGIC: u32 = 0x4558_5401;

/// The frames below the stack of a thread with these registers, this signal mask and this extended state (a register
/// set of scalable or of plain vectors); the copy ends with `exit_code`.
pub(crate) fn frames(saved: &Registers, gadgets: Gadgets, mask: u64, state: &[u8], exit_code: u64) -> Frames {
    let top = saved.sp.wrapping_sub(RED_ZONE) & !15;
    let vectors = Vectors::of(state);
    let end = calling(saved, gadgets, 0, libc::SYS_exit_group, [exit_code, 0, 0, 0]);
    let for_child = |at: u64| frame(&Registers { sp: at, ..end }, mask, &vectors.plain, None, at);
    let child = top.wrapping_sub(for_child(0).len() as u64) & !15;
    let for_own = |at: u64| frame(saved, mask, &vectors.plain, vectors.scalable.as_ref(), at);
    // The thread's own frame lies lowest: a handler that runs on it overwrites nothing.
    let own = child.wrapping_sub(for_own(0).len() as u64) & !15;
    Frames { own, child, top, pieces: vec![(own, for_own(own)), (child, for_child(child))] }
}

/// Extended state, taken apart.
struct Vectors<'a> {
    /// The record of vectors of 128 bits, which every frame must have.
    plain: Vec<u8>,
    /// Length of a scalable vector in bytes, and all that scales, where it is in use.
    scalable: Option<(u16, &'a [u8])>,
}

impl<'a> Vectors<'a> {
    fn of(state: &'a [u8]) -> Self {
        const SCALABLE: u16 = 1;
        let half = |at: usize| state.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
        let part = |at: usize, length: usize| state.get(at..at + length).unwrap_or_default();
        let from =
            |at: usize| Self { plain: plain(part(at, VECTORS), part(at + VECTORS, 8)), scalable: None };
        if state.len() == FPSIMD {
            return from(0);
        }
        let (length, flags) = (half(8), half(12));
        if flags & SCALABLE == 0 {
            return from(HEAD);
        }
        // Thirty-two vectors, sixteen predicates and one more of an eighth of their length.
        let size = usize::from(length);
        let scaling = 32 * size + 17 * (size / 8);
        let low: Vec<u8> = (0..32).flat_map(|i| part(HEAD + i * size, 16).iter().copied()).collect();
        let control = part((HEAD + scaling).next_multiple_of(16), 8);
        Self { plain: plain(&low, control), scalable: Some((length, part(HEAD, scaling))) }
    }
}

/// `struct fpsimd_context`.
fn plain(vectors: &[u8], control: &[u8]) -> Vec<u8> {
    let mut out = head(FPSIMD_MAGIC, FPSIMD);
    out.extend(control);
    out.extend(vectors);
    out.resize(FPSIMD, 0);
    out
}

fn head(magic: u32, size: usize) -> Vec<u8> {
    [magic, size as u32].iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// `struct rt_sigframe` for the address `at`.
fn frame(regs: &Registers, mask: u64, plain: &[u8], scalable: Option<&(u16, &[u8])>, at: u64) -> Vec<u8> {
    const INFO: usize = 128;
    const STACK_FLAGS: usize = INFO + 24;
    const MASK: usize = INFO + 40;
    const CONTEXT: usize = INFO + 176;
    const RECORDS: usize = CONTEXT + 288;
    const ROOM: usize = 4096;
    const TERMINATOR: usize = 16;
    const EXTRA: usize = 32;
    /// No mode of an alternate stack, so that the kernel leaves the one it has alone.
    const INVALID_STACK_MODE: u32 = 7;
    let mut out = vec![0; RECORDS];
    out[STACK_FLAGS..STACK_FLAGS + 4].copy_from_slice(&INVALID_STACK_MODE.to_le_bytes());
    out[MASK..MASK + 8].copy_from_slice(&mask.to_le_bytes());
    // Behind the address of a fault.
    for (i, word) in regs.x.iter().chain([&regs.sp, &regs.pc, &regs.pstate]).enumerate() {
        let from = CONTEXT + 8 + 8 * i;
        out[from..from + 8].copy_from_slice(&word.to_le_bytes());
    }
    out.extend(plain);
    if let Some((length, vectors)) = scalable {
        let size = (HEAD + vectors.len()).next_multiple_of(16);
        let mut record = head(SVE_MAGIC, size);
        record.extend(length.to_le_bytes());
        record.resize(HEAD, 0);
        record.extend(*vectors);
        record.resize(size, 0);
        if FPSIMD + size + TERMINATOR > ROOM {
            // It goes behind the frame's own room, where a record says so: right behind the terminator.
            let data = at + (out.len() + EXTRA + TERMINATOR) as u64;
            out.extend(head(EXTRA_MAGIC, EXTRA));
            out.extend(data.to_le_bytes());
            out.extend(((size + TERMINATOR) as u32).to_le_bytes());
            out.extend([0; 12]);
            out.extend([0; TERMINATOR]);
        }
        out.extend(record);
    }
    out.extend([0; TERMINATOR]);
    out.resize(out.len().max(RECORDS + ROOM), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::arch::aarch64::interrupted;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// Walks the records as the kernel does: magic, offset in the frame, size.
    fn records(frame: &[u8], at: u64) -> Vec<(u32, usize, usize)> {
        let (mut found, mut offset) = (Vec::new(), 128 + 176 + 288);
        loop {
            let (magic, size) = (word(frame, offset), word(frame, offset + 4) as usize);
            if magic == 0 {
                assert_eq!(size, 0);
                return found;
            }
            found.push((magic, offset, size));
            if magic == EXTRA_MAGIC {
                assert_eq!(u64::from(word(frame, offset + size)), 0, "a terminator follows");
                let data = u64::from_le_bytes(frame[offset + 8..offset + 16].try_into().unwrap());
                assert_eq!((data - at) as usize, offset + size + 16, "the data lies right behind it");
                assert_eq!(data % 16, 0);
                offset += 16;
            }
            offset += size;
        }
    }

    /// The register set of scalable vectors of this length, each byte telling of its vector.
    fn sve(length: usize) -> Vec<u8> {
        let scaling = 32 * length + 17 * (length / 8);
        let control = (HEAD + scaling).next_multiple_of(16);
        let mut state = vec![0; control + 16];
        state[8..10].copy_from_slice(&(length as u16).to_le_bytes());
        state[12] = 1;
        for i in 0..32 {
            state[HEAD + i * length..HEAD + (i + 1) * length].fill(i as u8 + 1);
        }
        state[control..control + 8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        state
    }

    const SAVED: Registers = Registers { x: [5; 31], sp: 0xffff_0000, pc: 0x4004, pstate: 0x8000_0c00 };
    const GADGETS: Gadgets = Gadgets { call: 0x1000, sigreturn: 0x2000 };

    #[test]
    fn the_way_back_holds_all_registers_for_every_length_of_vectors() {
        for length in [16, 32, 64, 128, 256] {
            let frames = frames(&SAVED, GADGETS, 0x42, &sve(length), 213);
            assert!(
                frames.own < frames.child && frames.own.is_multiple_of(16) && frames.child.is_multiple_of(16)
            );
            for (at, bytes) in &frames.pieces {
                assert!(*at >= frames.own && at + bytes.len() as u64 <= frames.top);
            }
            let (at, own) = &frames.pieces[0];
            assert_eq!(u64::from_le_bytes(own[168..176].try_into().unwrap()), 0x42, "the mask");
            assert_eq!(word(own, 304 + 8 + 8 * 32), 0x4004, "the program counter");
            assert_eq!(interrupted(&[&[9; 64], &own[..]].concat(), 0x2000), [Some(0x4004)]);
            let found = records(own, *at);
            let magics: Vec<u32> = found.iter().map(|r| r.0).collect();
            let extra = magics.contains(&EXTRA_MAGIC);
            assert_eq!(extra, length > 64, "{length}");
            assert_eq!((magics[0], magics[magics.len() - 1]), (FPSIMD_MAGIC, SVE_MAGIC));
            let (_, plain, _) = found[0];
            assert_eq!(own[plain + 8..plain + 16], [1, 2, 3, 4, 5, 6, 7, 8]);
            assert_eq!(own[plain + 16 + 16 * 31..plain + 528], [32; 16]);
            let (_, vectors, size) = found[found.len() - 1];
            assert_eq!(own[vectors + HEAD + 31 * length..vectors + HEAD + 32 * length], vec![32; length]);
            assert!(size >= HEAD + 32 * length + 17 * (length / 8));
        }
    }

    #[test]
    fn a_copy_let_loose_ends_with_its_code() {
        let frames = frames(&SAVED, GADGETS, 0, &[7; FPSIMD], 213);
        let (at, child) = &frames.pieces[1];
        assert_eq!(*at, frames.child);
        assert_eq!(word(child, 304 + 8), 213);
        assert_eq!(word(child, 304 + 8 + 8 * 8) as i64, libc::SYS_exit_group);
        assert_eq!(word(child, 304 + 8 + 8 * 32), 0x1000);
        assert_eq!(records(child, *at).len(), 1);
    }
}
