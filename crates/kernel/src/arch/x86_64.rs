//! 64-bit x86.

use super::{Behind, ReturnsTo};
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use m5_process::Memory;
use rustc_hash::FxHashMap;

/// Offsets of the first two arguments' registers in the kernel's `struct pt_regs`, as programs at breakpoints see it.
pub(crate) const ARGUMENTS: [i16; 2] = [112, 104];
/// Offset of the register with a function's result, likewise.
pub(crate) const RESULT: i16 = 80;
/// Where a function finds, at its first instruction, the place to which it returns.
pub(crate) const RETURNS_TO: ReturnsTo = ReturnsTo::Stack(152);
/// Offset of the call's number (32 bits) in the kernel's `struct pt_regs`.
pub(crate) const CALL: i32 = 120;
/// Offset of the call's first argument in it, at its entry and its exit.
pub(crate) const CALL_FIRST: i32 = 112;
/// Those of its second and third arguments, and of the stack pointer, likewise.
pub(crate) const CALL_SECOND: i32 = 104;
pub(crate) const CALL_THIRD: i32 = 96;
pub(crate) const STACK_POINTER: i32 = 152;
/// The poll whose timeout is a number of milliseconds; that of the others is a pointer, or null.
pub(crate) const POLL_WITH_MILLISECONDS: Option<i64> = Some(libc::SYS_poll);
/// The calls in which loops wait: a loop that uses those of the first kind waits in no other.
pub(crate) const EPOLLS: &[i64] = &[libc::SYS_epoll_wait, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2];
pub(crate) const POLLS: &[i64] = &[libc::SYS_poll, libc::SYS_ppoll];
/// Those whose first argument is a number of descriptors: without any they are a sleep.
pub(crate) const SELECTS: &[i64] = &[libc::SYS_select, libc::SYS_pselect6];
/// The first kernel (major, minor) on which a program at a breakpoint lets the thread go on: every one.
pub(crate) const BREAKPOINT_PROGRAMS: (u32, u32) = (0, 0);

/// Whether an instruction whose write is watched always ends.
pub(crate) const WATCHES_END: bool = true;

/// Bytes of a function that are read, and instructions that are followed.
const CODE: usize = 256;
const STEPS: usize = 64;

/// Where the code at `start` calls through memory, followed with the values that the process holds now.
pub(crate) fn behind(memory: &dyn Memory, start: u64) -> Behind {
    let mut follow = Follow { memory, left: STEPS, inlined: false };
    let found = follow.from(start, &FxHashMap::default());
    if follow.inlined { Behind::Inlined } else { found.map_or(Behind::Unknown, Behind::Function) }
}

struct Follow<'a> {
    memory: &'a dyn Memory,
    left: usize,
    /// The table's function was compared with a known one, whose code then follows.
    inlined: bool,
}

impl Follow<'_> {
    /// Where the code at `start` calls through memory, trying the straight way first.
    fn from(&mut self, start: u64, known: &FxHashMap<Register, u64>) -> Option<u64> {
        let mut code = [0; CODE];
        self.memory.read(start, &mut code).ok()?;
        let mut known = known.clone();
        let mut decoder = Decoder::with_ip(64, &code, start, DecoderOptions::NONE);
        while decoder.can_decode() && self.left > 0 {
            self.left -= 1;
            let i = decoder.decode();
            match i.flow_control() {
                FlowControl::IndirectCall | FlowControl::IndirectBranch => return self.value(&i, 0, &known),
                FlowControl::UnconditionalBranch => return self.from(i.near_branch_target(), &known),
                FlowControl::ConditionalBranch => {
                    let rest = decoder.ip();
                    return self.from(rest, &known).or_else(|| self.from(i.near_branch_target(), &known));
                }
                FlowControl::Next => self.learn(&i, &mut known),
                _ => return None,
            }
        }
        None
    }

    fn learn(&mut self, i: &Instruction, known: &mut FxHashMap<Register, u64>) {
        if i.op0_kind() != OpKind::Register || i.code() == Code::INVALID {
            return;
        }
        let value = match i.mnemonic() {
            Mnemonic::Mov => self.value(i, 1, known),
            Mnemonic::Lea => Self::place(i, known),
            Mnemonic::Cmp => {
                let known_function = match i.op1_kind() {
                    OpKind::Register => known.get(&i.op1_register()).copied(),
                    kind if is_immediate(kind) => Some(i.immediate(1)),
                    _ => None,
                };
                let table = known.get(&i.op0_register()).copied();
                self.inlined |= table.is_some() && table == known_function;
                return;
            }
            Mnemonic::Test => return,
            _ => None,
        };
        let register = i.op0_register().full_register();
        match value {
            Some(value) => known.insert(register, value),
            None => known.remove(&register),
        };
    }

    /// The value of an operand, if it is known.
    fn value(&self, i: &Instruction, operand: u32, known: &FxHashMap<Register, u64>) -> Option<u64> {
        match i.op_kind(operand) {
            OpKind::Register => known.get(&i.op_register(operand)).copied(),
            OpKind::Memory => self.memory.u64(Self::place(i, known)?).ok(),
            _ => None,
        }
    }

    /// The address of its operand in memory, if that is known.
    fn place(i: &Instruction, known: &FxHashMap<Register, u64>) -> Option<u64> {
        if i.is_ip_rel_memory_operand() {
            return Some(i.ip_rel_memory_address());
        }
        let base = known.get(&i.memory_base()).copied()?;
        (i.memory_index() == Register::None).then(|| base.wrapping_add(i.memory_displacement64()))
    }
}

fn is_immediate(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Immediate8
            | OpKind::Immediate32
            | OpKind::Immediate64
            | OpKind::Immediate8to64
            | OpKind::Immediate32to64
    )
}
