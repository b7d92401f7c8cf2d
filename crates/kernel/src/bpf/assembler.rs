//! Puts eBPF programs together: instructions, labels, and the few helpers that m5 calls.
//!
//! Source of the encoding: the kernel's `Documentation/bpf/standardization/instruction-set.rst`.

/// A register; `R0` holds results, `R1`–`R5` arguments, `R6`–`R9` survive calls, `R10` is the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R6,
    R7,
    R8,
    R9,
    R10,
}

impl Reg {
    fn number(self) -> u8 {
        match self {
            Self::R0 => 0,
            Self::R1 => 1,
            Self::R2 => 2,
            Self::R3 => 3,
            Self::R4 => 4,
            Self::R6 => 6,
            Self::R7 => 7,
            Self::R8 => 8,
            Self::R9 => 9,
            Self::R10 => 10,
        }
    }
}

/// Functions of the kernel, by number.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub(crate) enum Helper {
    MapLookup = 1,
    MapUpdate = 2,
    Ktime = 5,
    PidTgid = 14,
    CurrentTask = 35,
    ReadUser = 112,
    ReadKernel = 113,
    RingReserve = 131,
    RingSubmit = 132,
    AttachCookie = 174,
}

/// A place to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// Comparisons of a jump.
#[derive(Debug, Clone, Copy)]
pub(crate) enum If {
    Equal = 0x10,
    NotEqual = 0x50,
    Above = 0x20,
}

const JUMP: u8 = 0x05;
const FROM_REGISTER: u8 = 0x08;

/// A program that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    words: Vec<u64>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    fn push(&mut self, op: u8, dst: u8, src: u8, offset: i16, value: i32) -> &mut Self {
        let registers = u64::from(dst | src << 4) << 8;
        let offset = u64::from(offset.cast_unsigned()) << 16;
        self.words.push(u64::from(op) | registers | offset | u64::from(value.cast_unsigned()) << 32);
        self
    }

    pub(crate) fn copy(&mut self, to: Reg, from: Reg) -> &mut Self {
        self.push(0xbf, to.number(), from.number(), 0, 0)
    }

    pub(crate) fn set(&mut self, to: Reg, value: i32) -> &mut Self {
        self.push(0xb7, to.number(), 0, 0, value)
    }

    /// A constant of 64 bits.
    pub(crate) fn set_wide(&mut self, to: Reg, value: u64) -> &mut Self {
        self.push(0x18, to.number(), 0, 0, (value as u32).cast_signed());
        self.push(0, 0, 0, 0, ((value >> 32) as u32).cast_signed())
    }

    /// A map, by its descriptor.
    pub(crate) fn set_map(&mut self, to: Reg, fd: i32) -> &mut Self {
        self.push(0x18, to.number(), 1, 0, fd);
        self.push(0, 0, 0, 0, 0)
    }

    pub(crate) fn add(&mut self, to: Reg, value: i32) -> &mut Self {
        self.push(0x07, to.number(), 0, 0, value)
    }

    pub(crate) fn add_register(&mut self, to: Reg, from: Reg) -> &mut Self {
        self.push(0x0f, to.number(), from.number(), 0, 0)
    }

    pub(crate) fn subtract_register(&mut self, to: Reg, from: Reg) -> &mut Self {
        self.push(0x1f, to.number(), from.number(), 0, 0)
    }

    pub(crate) fn shift_right(&mut self, to: Reg, bits: i32) -> &mut Self {
        self.push(0x77, to.number(), 0, 0, bits)
    }

    pub(crate) fn shift_left(&mut self, to: Reg, bits: i32) -> &mut Self {
        self.push(0x67, to.number(), 0, 0, bits)
    }

    /// Reads 64 bits.
    pub(crate) fn load(&mut self, to: Reg, base: Reg, offset: i16) -> &mut Self {
        self.push(0x79, to.number(), base.number(), offset, 0)
    }

    /// Writes 64 bits.
    pub(crate) fn store(&mut self, base: Reg, offset: i16, from: Reg) -> &mut Self {
        self.push(0x7b, base.number(), from.number(), offset, 0)
    }

    /// Writes 64 bits of a constant.
    pub(crate) fn store_value(&mut self, base: Reg, offset: i16, value: i32) -> &mut Self {
        self.push(0x7a, base.number(), 0, offset, value)
    }

    /// Adds to 64 bits in memory, atomically.
    pub(crate) fn add_atomically(&mut self, base: Reg, offset: i16, from: Reg) -> &mut Self {
        self.push(0xdb, base.number(), from.number(), offset, 0)
    }

    pub(crate) fn call(&mut self, helper: Helper) -> &mut Self {
        self.push(0x85, 0, 0, 0, helper as i32)
    }

    /// Hands the record in a register to m5, which looks by itself: waking it would interrupt the target.
    pub(crate) fn submit(&mut self, record: Reg) -> &mut Self {
        const NO_WAKEUP: i32 = 1;
        self.copy(Reg::R1, record).set(Reg::R2, NO_WAKEUP).call(Helper::RingSubmit)
    }

    pub(crate) fn exit(&mut self) -> &mut Self {
        self.push(0x95, 0, 0, 0, 0)
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(crate) fn place(&mut self, label: Label) -> &mut Self {
        self.labels[label.0] = Some(self.words.len());
        self
    }

    pub(crate) fn jump(&mut self, to: Label) -> &mut Self {
        self.jumps.push((self.words.len(), to));
        self.push(JUMP, 0, 0, 0, 0)
    }

    pub(crate) fn jump_if(&mut self, left: Reg, condition: If, value: i32, to: Label) -> &mut Self {
        self.jumps.push((self.words.len(), to));
        self.push(JUMP | condition as u8, left.number(), 0, 0, value)
    }

    /// Compares two registers, without signs.
    pub(crate) fn jump_if_registers(&mut self, left: Reg, condition: If, right: Reg, to: Label) -> &mut Self {
        self.jumps.push((self.words.len(), to));
        self.push(JUMP | FROM_REGISTER | condition as u8, left.number(), right.number(), 0, 0)
    }

    /// The program, with its jumps resolved; `None` where a label has no place or lies too far away.
    pub(crate) fn finish(mut self) -> Option<Vec<u64>> {
        for (at, label) in &self.jumps {
            let to = (*self.labels.get(label.0)?)?;
            let distance = i16::try_from(to as i64 - *at as i64 - 1).ok()?;
            self.words[*at] |= u64::from(distance.cast_unsigned()) << 16;
        }
        Some(self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_go_to_their_labels() {
        let mut a = Assembler::default();
        let end = a.label();
        a.set(Reg::R0, 0).jump_if(Reg::R0, If::Equal, 0, end).set(Reg::R0, 1);
        a.place(end).exit();
        let program = a.finish().unwrap_or_default();
        assert_eq!(program, [0xb7, 0x0001_0015, 0x1_0000_00b7, 0x95]);
    }

    #[test]
    fn a_label_without_a_place_is_no_program() {
        let mut a = Assembler::default();
        let nowhere = a.label();
        a.jump(nowhere);
        assert!(a.finish().is_none());
    }
}
