//! The Python stack of a thread, read while the thread stands still in C: in the collector, for instance.
//!
//! Nothing is stopped for it. The frames are read, named, and looked at again: what is the same then was one stack;
//! of a thread that changes faster than that, only the outer frames that stood still are given. Every pointer is
//! checked by the kernel, every length is bounded, and a frame that makes no sense ends the stack.

use crate::decode::{half, word};
use crate::layout::lines::{Instruction, LineFields};
use crate::layout::objects::{Frames, ObjectLayout};
use crate::lines::line;
use crate::values::Values;
use crate::{Interpreter, Result};
use m5_process::{Memory, Process, inner_tid};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Frames that are read at most.
const DEEPEST: usize = 256;
/// Times that a stack is looked at until it holds still.
const TRIES: usize = 8;
/// Longest table, in bytes.
const LONGEST_TABLE: u64 = 1 << 20;
/// Offsets of the kernel's thread number in a thread descriptor: of glibc, and of musl. What stands there in the other one's
/// is no number of a thread that lives.
#[cfg(target_arch = "x86_64")]
const NUMBER_IN_DESCRIPTOR: [u64; 2] = [720, 48];
#[cfg(not(target_arch = "x86_64"))]
const NUMBER_IN_DESCRIPTOR: [u64; 2] = [208, 32];

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

impl PyFrame {
    /// Whether it is of a program: from 3.13 on a call of a class runs a few instructions of the interpreter's own around
    /// `__init__`, whose code has that for its file too, and no lines.
    #[must_use]
    pub fn is_of_a_program(&self) -> bool {
        self.line.is_some() || self.file != self.function
    }

    /// Whether it is of the standard library, or of an installed package.
    #[must_use]
    pub fn is_of_library(&self) -> bool {
        self.file.starts_with('<')
            || ["/site-packages/", "/dist-packages/", "/lib/python3"].iter().any(|p| self.file.contains(p))
    }

    /// The service's own line that called into a library, of a stack (innermost first) that ends in one.
    #[must_use]
    pub fn caller_of_library(stack: &[Self]) -> Option<&Self> {
        stack.first().filter(|innermost| innermost.is_of_library())?;
        stack.iter().find(|frame| !frame.is_of_library())
    }
}

/// The threads of a process that live: from the number that each has in the target's own namespace to that in m5's.
///
/// # Errors
/// [`crate::Error`] where they cannot be listed: the process has ended.
pub fn living_threads(process: &Process) -> Result<HashMap<i32, i32>> {
    let pid = process.pid();
    let numbers = |tid: i32| (inner_tid(pid, tid).unwrap_or(tid), tid);
    Ok(process.threads()?.into_iter().map(numbers).collect())
}

/// The stack of a thread as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadStack {
    /// Innermost first.
    pub frames: Vec<PyFrame>,
    /// It changed while it was read: the inner frames, which differed from look to look, are missing.
    pub torn: bool,
    /// It is deeper than what was read.
    pub deeper: bool,
    /// Addresses of its frames.
    pub(crate) addresses: Vec<u64>,
}

impl Interpreter {
    /// The Python stack of one of its threads (numbered as the kernel does in m5's own namespace), innermost
    /// first; empty where the thread is not found or runs no Python.
    ///
    /// # Errors
    /// [`crate::Error`] where the list of threads cannot be read: the process has ended. Frames that cannot be read
    /// end the stack.
    pub fn stack(&self, pid: i32, tid: i32) -> Result<Vec<PyFrame>> {
        let Some(objects) = self.objects() else { return Ok(Vec::new()) };
        let Some(thread) = self.thread(pid, tid)? else { return Ok(Vec::new()) };
        let walk = Walk { values: Values::new(self.memory(), objects), lines: &objects.lines };
        Ok(walk.frames_from(walk.innermost(thread)))
    }

    /// The Python stack that the running collection interrupted, innermost first; empty where none runs, or
    /// where the collector does not keep it (up to 3.14).
    ///
    /// # Errors
    /// [`crate::Error`] where the collector's state cannot be read: the process has ended.
    pub fn collecting_stack(&self) -> Result<Vec<PyFrame>> {
        let Some(objects) = self.objects() else { return Ok(Vec::new()) };
        let Some(offset) = self.layout().frame else { return Ok(Vec::new()) };
        let memory = self.memory();
        let frame = memory.u64(self.gc_address().wrapping_add(offset))?;
        Ok(Walk { values: Values::new(memory, objects), lines: &objects.lines }.frames_from(Some(frame)))
    }

    /// The frame that runs a code object at an instruction as frames keep it (an index up to 3.10, a pointer
    /// from 3.11 on): for stacks whose raw frames were taken elsewhere. `None` where it does not read.
    #[must_use]
    pub fn frame_of(&self, code: u64, instruction: u64) -> Option<PyFrame> {
        let objects = self.objects()?;
        let walk = Walk { values: Values::new(self.memory(), objects), lines: &objects.lines };
        let line = line_of(&walk.values.memory, objects, code, instruction);
        walk.named(code, line)
    }

    /// Code and instruction of each frame of the thread with this state, innermost first, of at most so many: read in one go
    /// and not named, for moments that are short. [`Self::frame_of`] names them.
    #[must_use]
    pub fn raw_stack(&self, thread: u64, most: usize) -> Vec<(u64, u64)> {
        let Some(objects) = self.objects() else { return Vec::new() };
        let walk = Walk { values: Values::new(self.memory(), objects), lines: &objects.lines };
        let (raw, _) = walk.raw(walk.innermost(thread), most);
        raw.iter().filter(|r| !r.shim).map(|r| (r.code, r.instruction)).collect()
    }

    /// The state of each of its threads that live ([`living_threads`]): the thread's number here, and the address.
    ///
    /// # Errors
    /// [`crate::Error`] where the list of threads cannot be read: the process has ended.
    pub fn thread_states(&self, alive: &HashMap<i32, i32>) -> Result<Vec<(i32, u64)>> {
        let threads = self.threads()?;
        let kept = |thread: &crate::Thread| thread.tid.and_then(|inner| alive.get(&inner).copied());
        let taken: HashSet<i32> = threads.iter().filter_map(kept).collect();
        // Up to 3.10 only the address of the C library's descriptor is kept. Later, a process that a program in C has forked,
        // as uWSGI does, keeps the numbers of its parent's threads: nobody told the interpreter.
        let described = |thread: &crate::Thread| {
            let descriptor = self.memory().u64(thread.address.wrapping_add(self.layout().thread_id)).ok()?;
            let number = |at: &u64| self.memory().i32(descriptor.checked_add(*at)?).ok();
            let numbers = NUMBER_IN_DESCRIPTOR.iter().filter_map(number);
            numbers.filter_map(|inner| alive.get(&inner).copied()).find(|tid| !taken.contains(tid))
        };
        let with_number =
            |thread: &crate::Thread| Some((kept(thread).or_else(|| described(thread))?, thread.address));
        Ok(threads.iter().filter_map(with_number).collect())
    }

    /// Address of the thread's state.
    fn thread(&self, pid: i32, tid: i32) -> Result<Option<u64>> {
        let alive = HashMap::from([(inner_tid(pid, tid).unwrap_or(tid), tid)]);
        Ok(self.thread_states(&alive)?.first().map(|(_, address)| *address))
    }
}

/// A frame as it lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Raw {
    at: u64,
    code: u64,
    instruction: u64,
    shim: bool,
}

/// Reads frames of one interpreter's version.
pub(crate) struct Walk<M> {
    pub(crate) values: Values<M>,
    pub(crate) lines: &'static LineFields,
}

impl<M: Memory> Walk<M> {
    /// Frames of the stack that begins at a frame, innermost first, as they are met.
    fn frames_from(&self, innermost: Option<u64>) -> Vec<PyFrame> {
        let (raw, _) = self.raw(innermost, DEEPEST);
        raw.iter().filter(|r| !r.shim).map_while(|r| self.frame(r)).filter(PyFrame::is_of_a_program).collect()
    }

    /// The stack of a thread state, of at most so many frames.
    pub(crate) fn stack(&self, thread: u64, most: usize) -> ThreadStack {
        let look = || self.raw(self.innermost(thread), most);
        let (mut before, mut deeper) = look();
        let mut still = Vec::new();
        for _ in 0..TRIES {
            let named: Vec<Option<PyFrame>> = before.iter().map(|r| self.frame(r)).collect();
            let (after, more) = look();
            let steady = steady(&before, &after);
            let all = steady == before.len() && steady == after.len();
            let inner = before.len() - steady;
            let (raw, named) = (before.split_off(inner), named.into_iter().skip(inner));
            let frames: Vec<(Raw, Option<PyFrame>)> =
                raw.into_iter().zip(named).filter(|(r, _)| !r.shim).collect();
            let whole = all && frames.iter().all(|(_, frame)| frame.is_some());
            still = frames;
            if whole {
                return Self::told(still, false, deeper);
            }
            (before, deeper) = (after, more);
        }
        Self::told(still, true, deeper)
    }

    fn told(frames: Vec<(Raw, Option<PyFrame>)>, torn: bool, deeper: bool) -> ThreadStack {
        let of_a_program = |f: &Option<PyFrame>| f.as_ref().is_none_or(PyFrame::is_of_a_program);
        let (raw, frames): (Vec<Raw>, Vec<Option<PyFrame>>) =
            frames.into_iter().filter(|(_, frame)| of_a_program(frame)).unzip();
        let frames = frames.into_iter().flatten().collect();
        ThreadStack { frames, torn, deeper, addresses: raw.iter().map(|r| r.at).collect() }
    }

    /// Frames by their addresses, and whether there are more.
    fn raw(&self, innermost: Option<u64>, most: usize) -> (Vec<Raw>, bool) {
        let (mut frames, mut next) = (Vec::new(), innermost);
        while let Some(at) = next.filter(|a| *a != 0) {
            if frames.len() == most {
                return (frames, true);
            }
            let Some((frame, back)) = self.raw_frame(at) else { break };
            frames.push(frame);
            next = Some(back);
        }
        (frames, false)
    }

    /// One frame, read in one piece, and the address of the one before.
    fn raw_frame(&self, at: u64) -> Option<(Raw, u64)> {
        const LONGEST: usize = 112;
        let mut bytes = [0; LONGEST];
        let (code, back, length) = match self.values.objects.frames {
            Frames::Objects { .. } => (32, 24, LONGEST),
            Frames::Interpreter(f) => (f.code.into(), f.previous.into(), usize::from(f.locals).min(LONGEST)),
        };
        self.values.memory.read(at, bytes.get_mut(..length)?).ok()?;
        let instruction = match self.lines.instruction {
            Instruction::Index { at, .. } => i64::from(half(&bytes, at as usize)).cast_unsigned(),
            Instruction::Pointer { at, .. } => word(&bytes, at as usize),
        };
        let shim = self.lines.shim.is_some_and(|(at, value)| bytes.get(at as usize) == Some(&value));
        let tagged = matches!(self.values.objects.frames, Frames::Interpreter(_));
        let code = word(&bytes, code) & if tagged { !7 } else { !0 };
        Some((Raw { at, code, instruction, shim }, word(&bytes, back)))
    }

    fn innermost(&self, thread: u64) -> Option<u64> {
        match self.values.objects.frames {
            Frames::Objects { current, .. } => self.values.field(thread, current.into()),
            Frames::Interpreter(f) => match f.through {
                Some(inner) => self.values.field(self.values.field(thread, f.current.into())?, inner.into()),
                None => self.values.field(thread, f.current.into()),
            },
        }
    }

    fn frame(&self, raw: &Raw) -> Option<PyFrame> {
        let line = line_of(&self.values.memory, self.values.objects, raw.code, raw.instruction);
        self.named(raw.code, line)
    }

    /// The frame at an address, and the moment that it is at: the same moment, the same frame.
    pub(crate) fn frame_at(&self, at: u64) -> Option<(PyFrame, u64)> {
        let (raw, _) = self.raw_frame(at)?;
        Some((self.frame(&raw)?, raw.instruction))
    }

    fn named(&self, code: u64, line: Option<u32>) -> Option<PyFrame> {
        let objects = self.values.objects;
        let text = |offset: u16| self.values.text(self.values.member(code, offset.into())?);
        Some(PyFrame { function: text(objects.code_name)?, file: text(objects.code_file)?, line })
    }
}

/// How many outer frames two looks at a stack have in common; the innermost of both may be elsewhere in its code.
fn steady(before: &[Raw], after: &[Raw]) -> usize {
    let pairs = before.iter().rev().zip(after.iter().rev());
    let moved = |i: usize| i + 1 == before.len() && before.len() == after.len();
    let same = |i: usize, b: &Raw, a: &Raw| {
        (b.at, b.code) == (a.at, a.code) && (b.instruction == a.instruction || moved(i))
    };
    pairs.enumerate().take_while(|(i, (b, a))| same(*i, b, a)).count()
}

/// The line that a frame is at, given its code object; `None` where the code has none or does not read.
pub fn current_line(memory: &impl Memory, objects: &ObjectLayout, frame: u64, code: u64) -> Option<u32> {
    let instruction = match objects.lines.instruction {
        Instruction::Index { at, .. } => i64::from(memory.i32(frame.wrapping_add(at)).ok()?).cast_unsigned(),
        Instruction::Pointer { at, .. } => memory.u64(frame.wrapping_add(at)).ok()?,
    };
    line_of(memory, objects, code, instruction)
}

/// The line of an instruction as a frame keeps it (an index or a pointer), given its code object.
fn line_of(memory: &impl Memory, objects: &ObjectLayout, code: u64, instruction: u64) -> Option<u32> {
    let fields = &objects.lines;
    let code = code.wrapping_add(objects.shift());
    let field = |at: u64, offset: u64| memory.u64(at.wrapping_add(offset)).ok();
    let offset = match fields.instruction {
        Instruction::Index { step, .. } => instruction.cast_signed().checked_mul(step)?,
        Instruction::Pointer { code: first, .. } => {
            let own = code.wrapping_add(first);
            let length = field(code, 16)?.saturating_mul(2);
            let within = |begin: u64| instruction.wrapping_sub(begin) < length;
            let copies = || copies(memory, field(code, fields.copies?)?);
            let begin =
                if within(own) { None } else { copies().and_then(|c| c.into_iter().find(|b| within(*b))) };
            instruction.wrapping_sub(begin.unwrap_or(own)).cast_signed()
        }
    };
    let first = memory.i32(code.wrapping_add(objects.code_line.into())).ok()?;
    let table = field(code, fields.table)?.wrapping_add(objects.shift());
    let length = field(table, 16).filter(|l| *l <= LONGEST_TABLE)?;
    let mut bytes = vec![0; length as usize];
    memory.read(table.wrapping_add(32), &mut bytes).ok()?;
    line(fields.form, &bytes, first.into(), offset)
}

/// Where the copies of a code object's instructions begin.
fn copies(memory: &impl Memory, array: u64) -> Option<Vec<u64>> {
    /// Threads that may have a copy, at most.
    const MOST: u64 = 1 << 14;
    let count = memory.u64(array).ok().filter(|count| *count <= MOST)?;
    let mut bytes = vec![0; 8 * count as usize];
    memory.read(array.wrapping_add(8), &mut bytes).ok()?;
    Some(bytes.chunks_exact(8).map(|b| word(b, 0)).filter(|begin| *begin != 0).collect())
}
