//! The function behind `PyObject_Malloc`: inlined callers reach it too.
//!
//! The exported function ends in a call through the allocators' table. It is followed with the values that
//! the process holds now, so no offset of the table is needed, and hooks (`PYTHONMALLOC=debug`) are seen.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use m5_cpython::Interpreter;
use m5_cpython::elf::Image;
use m5_process::{LiveMemory, Mapping, Memory};
use rustc_hash::FxHashMap;

/// Bytes of the function that are read, and instructions that are followed.
const CODE: usize = 256;
const STEPS: usize = 64;

/// Where objects are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allocator {
    /// Address of the function.
    pub(super) address: u64,
    /// It is the exported function, which has the allocator's code in itself (builds with profiles): callers
    /// into which that was copied too are not seen, and the size is the first argument.
    pub(super) exported: bool,
}

/// The function that allocates objects now; `None` where it is not found.
pub(super) fn find(interpreter: &Interpreter, maps: &[Mapping]) -> Option<Allocator> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let start = exported(interpreter, maps, "PyObject_Malloc")?;
    let memory = interpreter.memory();
    let mut follow = Follow { memory: &memory, left: STEPS, inlined: false };
    let behind = follow.from(start, &FxHashMap::default());
    if follow.inlined {
        return Some(Allocator { address: start, exported: true });
    }
    let found = behind?;
    let code = maps.iter().any(|m| m.executable && (m.start..m.end).contains(&found));
    code.then_some(Allocator { address: found, exported: false })
}

/// Address of a symbol that the interpreter's file exports.
pub(super) fn exported(interpreter: &Interpreter, maps: &[Mapping], name: &str) -> Option<u64> {
    let base = maps.iter().find(|m| m.offset == 0 && m.path == interpreter.file())?.start;
    let memory = interpreter.memory();
    Some(Image::open(&memory, base).ok()??.symbol(&memory, name).ok()??.address)
}

struct Follow<'a> {
    memory: &'a LiveMemory,
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
