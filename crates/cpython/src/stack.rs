//! The Python stack of a thread, read while the thread stands still in C: in the collector, for instance.
//!
//! Nothing is stopped for it. Of a thread that runs on, the answer may be torn: every pointer is checked by
//! the kernel, every length is bounded, and a frame that makes no sense ends the stack.

use crate::layout::lines::{Instruction, LineFields, lines};
use crate::layout::objects::{Frames, ObjectLayout};
use crate::lines::line;
use crate::{Interpreter, Result};
use m5_process::{LiveMemory, Memory, inner_tid};
use serde::{Deserialize, Serialize};

/// Frames that are read at most.
const DEEPEST: usize = 256;
/// Longest name, in characters, and longest table, in bytes.
const LONGEST_NAME: u64 = 1024;
const LONGEST_TABLE: u64 = 1 << 20;
/// Offset of the kernel's thread number in glibc's thread descriptor.
const GLIBC_TID: u64 = 720;

/// One Python frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PyFrame {
    /// Name of the function, qualified from 3.11 on.
    pub function: String,
    /// File, as the code object has it.
    pub file: String,
    /// Line that runs; `None` where the code has none.
    pub line: Option<u32>,
}

impl Interpreter {
    /// The Python stack of one of its threads (numbered as the kernel does in m5's own namespace), innermost
    /// first; empty where the thread is not found or runs no Python.
    ///
    /// # Errors
    /// As the kernel says of the list of threads.
    pub fn stack(&self, pid: i32, tid: i32) -> Result<Vec<PyFrame>> {
        let Some(objects) = self.objects() else { return Ok(Vec::new()) };
        let Some(lines) = lines(objects) else { return Ok(Vec::new()) };
        let Some(thread) = self.thread(inner_tid(pid, tid).unwrap_or(tid))? else { return Ok(Vec::new()) };
        Ok(Walk { memory: self.memory(), objects, lines }.frames(thread))
    }

    /// The Python stack that the running collection interrupted, innermost first; empty where none runs, or
    /// where the collector does not keep it (up to 3.14).
    ///
    /// # Errors
    /// As the kernel says of the collector's state.
    pub fn collecting_stack(&self) -> Result<Vec<PyFrame>> {
        let Some(objects) = self.objects() else { return Ok(Vec::new()) };
        let Some(lines) = lines(objects) else { return Ok(Vec::new()) };
        let Some(offset) = self.layout().frame else { return Ok(Vec::new()) };
        let memory = self.memory();
        let frame = memory.u64(self.gc_address().wrapping_add(offset))?;
        Ok(Walk { memory, objects, lines }.frames_from(Some(frame)))
    }

    /// The frame that runs a code object at an instruction as frames keep it (an index up to 3.10, a pointer
    /// from 3.11 on): for stacks whose raw frames were taken elsewhere. `None` where it does not read.
    #[must_use]
    pub fn frame_of(&self, code: u64, instruction: u64) -> Option<PyFrame> {
        let objects = self.objects()?;
        let walk = Walk { memory: self.memory(), objects, lines: lines(objects)? };
        let line = line_of(&walk.memory, walk.objects, code, instruction);
        walk.named(code, line)
    }

    /// The state of each of its threads: the thread's number as the target sees it, and the address.
    ///
    /// # Errors
    /// As the kernel says of the list of threads.
    pub fn thread_states(&self) -> Result<Vec<(i32, u64)>> {
        let memory = self.memory();
        let with_number = |thread: crate::Thread| {
            let tid = thread.tid.or_else(|| {
                // Up to 3.10 only the address of the C library's descriptor is kept.
                let descriptor = memory.u64(thread.address + self.layout().thread_id).ok()?;
                memory.i32(descriptor.checked_add(GLIBC_TID)?).ok()
            });
            Some((tid?, thread.address))
        };
        Ok(self.threads()?.into_iter().filter_map(with_number).collect())
    }

    /// Address of the thread's state.
    fn thread(&self, tid: i32) -> Result<Option<u64>> {
        Ok(self.thread_states()?.into_iter().find(|(its, _)| *its == tid).map(|(_, address)| address))
    }
}

struct Walk {
    memory: LiveMemory,
    objects: &'static ObjectLayout,
    lines: &'static LineFields,
}

impl Walk {
    fn frames(&self, thread: u64) -> Vec<PyFrame> {
        self.frames_from(self.innermost(thread))
    }

    fn frames_from(&self, innermost: Option<u64>) -> Vec<PyFrame> {
        let (mut frames, mut next) = (Vec::new(), innermost);
        for _ in 0..DEEPEST {
            let Some(at) = next.filter(|a| *a != 0) else { break };
            let (code, back) = match self.objects.frames {
                Frames::Objects { .. } => (self.field(at, 32), self.field(at, 24)),
                Frames::Interpreter(f) => {
                    (self.field(at, f.code.into()).map(|c| c & !7), self.field(at, f.previous.into()))
                }
            };
            if !self.is_shim(at) {
                let Some(frame) = code.and_then(|code| self.frame(at, code)) else { break };
                frames.push(frame);
            }
            next = back;
        }
        frames
    }

    fn innermost(&self, thread: u64) -> Option<u64> {
        match self.objects.frames {
            Frames::Objects { current, .. } => self.field(thread, current.into()),
            Frames::Interpreter(f) => match f.through {
                Some(inner) => self.field(self.field(thread, f.current.into())?, inner.into()),
                None => self.field(thread, f.current.into()),
            },
        }
    }

    fn is_shim(&self, frame: u64) -> bool {
        let owner = |at| self.memory.bytes::<1>(frame.wrapping_add(at)).ok();
        self.lines.shim.is_some_and(|(at, value)| owner(at) == Some([value]))
    }

    fn frame(&self, at: u64, code: u64) -> Option<PyFrame> {
        self.named(code, current_line(&self.memory, self.objects, at, code))
    }

    fn named(&self, code: u64, line: Option<u32>) -> Option<PyFrame> {
        let text = |offset: u16| self.text(self.member(code, offset.into())?);
        Some(PyFrame { function: text(self.objects.code_name)?, file: text(self.objects.code_file)?, line })
    }

    fn text(&self, string: u64) -> Option<String> {
        let length = self.member(string, 16).filter(|l| *l <= LONGEST_NAME)?;
        let string = string.wrapping_add(self.objects.shift());
        let state = self.memory.i32(string.wrapping_add(32)).ok()?.cast_unsigned();
        let (width, compact, ascii) = (state >> 2 & 7, state >> 5 & 1, state >> 6 & 1);
        if compact == 0 || !matches!(width, 1 | 2 | 4) {
            return None;
        }
        let start = if ascii == 1 { self.objects.str_ascii } else { self.objects.str_compact };
        let mut bytes = vec![0; length as usize * width as usize];
        self.memory.read(string.wrapping_add(start.into()), &mut bytes).ok()?;
        match width {
            1 => Some(bytes.iter().map(|b| char::from(*b)).collect()),
            2 => Some(bytes.as_chunks().0.iter().map(|c| wide(u16::from_le_bytes(*c).into())).collect()),
            _ => Some(bytes.as_chunks().0.iter().map(|c| wide(u32::from_le_bytes(*c))).collect()),
        }
    }

    /// A field of an object.
    fn member(&self, at: u64, offset: u64) -> Option<u64> {
        self.field(at, offset + self.objects.shift())
    }

    fn field(&self, at: u64, offset: u64) -> Option<u64> {
        self.memory.u64(at.wrapping_add(offset)).ok()
    }
}

/// The line that a frame is at, given its code object; `None` where the code has none or does not read.
pub fn current_line(memory: &impl Memory, objects: &ObjectLayout, frame: u64, code: u64) -> Option<u32> {
    let instruction = match lines(objects)?.instruction {
        Instruction::Index { at, .. } => i64::from(memory.i32(frame.wrapping_add(at)).ok()?).cast_unsigned(),
        Instruction::Pointer { at, .. } => memory.u64(frame.wrapping_add(at)).ok()?,
    };
    line_of(memory, objects, code, instruction)
}

/// The line of an instruction as a frame keeps it (an index or a pointer), given its code object.
fn line_of(memory: &impl Memory, objects: &ObjectLayout, code: u64, instruction: u64) -> Option<u32> {
    let fields = lines(objects)?;
    let code = code.wrapping_add(objects.shift());
    let field = |at: u64, offset: u64| memory.u64(at.wrapping_add(offset)).ok();
    let offset = match fields.instruction {
        Instruction::Index { step, .. } => instruction.cast_signed().checked_mul(step)?,
        Instruction::Pointer { code: first, .. } => {
            instruction.wrapping_sub(code.wrapping_add(first)).cast_signed()
        }
    };
    let first = memory.i32(code.wrapping_add(objects.code_line.into())).ok()?;
    let table = field(code, fields.table)?.wrapping_add(objects.shift());
    let length = field(table, 16).filter(|l| *l <= LONGEST_TABLE)?;
    let mut bytes = vec![0; length as usize];
    memory.read(table.wrapping_add(32), &mut bytes).ok()?;
    line(fields.form, &bytes, first.into(), offset)
}

fn wide(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}
