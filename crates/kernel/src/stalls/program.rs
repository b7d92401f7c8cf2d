//! The programs at system calls and at switches between threads: when a turn of a loop begins and ends, and where
//! its time goes meanwhile.

use super::lengths::{Counting, count, find};
use super::record::{
    END_BYTES, END_DELAY, END_FAULTS, END_VALUE, GIL, IN_TURN as V, IN_TURN_BYTES, LOCK,
    OPEN as WATCHED_OPEN, OTHER, SOME_EPOLL, WATCHED,
};
use crate::arch::{
    CALL, CALL_FIRST, CALL_SECOND, CALL_THIRD, EPOLLS, POLL_WITH_MILLISECONDS, POLLS, SELECTS, STACK_POINTER,
};
use crate::bpf::btf::Btf;
use crate::bpf::{Assembler, Helper, If, Label, Reg};

/// Slots on the program's stack: the key (a thread's number), two words, the process's number, whether its turns begin, the
/// length of a turn, and a value by thread.
const KEY: i16 = -8;
const WORD: i16 = -16;
const SECOND: i16 = -24;
const PROCESS: i16 = -32;
const OPEN: i16 = -40;
const LENGTH: i16 = -48;
const VALUE: i16 = LENGTH - IN_TURN_BYTES;

/// Where this kernel keeps what it knows of a thread, in its `struct task_struct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskFields {
    pid: i32,
    tgid: i32,
    /// Nanoseconds that it waited for a processor.
    delay: i32,
    major_faults: i32,
}

impl TaskFields {
    /// As the kernel describes them; `None` where it does not.
    pub(super) fn of_kernel() -> Option<Self> {
        let btf = Btf::of_kernel()?;
        let at = |path: &[&str]| i32::try_from(btf.offset("task_struct", path)?).ok();
        Some(Self {
            pid: at(&["pid"])?,
            tgid: at(&["tgid"])?,
            delay: at(&["sched_info", "run_delay"])?,
            major_faults: at(&["maj_flt"])?,
        })
    }
}

/// What the programs are made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The table of watched processes.
    pub(super) watched: i32,
    /// The table of threads in a turn.
    pub(super) threads: i32,
    /// Where lengths are counted.
    pub(super) counting: Counting,
    /// Where the time of long turns goes; `None` counts only.
    pub(super) division: Option<Division>,
}

/// How the time of long turns is divided, and where they are written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division {
    pub(super) ring: i32,
    pub(super) lost: i32,
    /// The shortest that is written down, nanoseconds.
    pub(super) above_ns: u64,
    /// Where the interpreter's lock begins and how long it is.
    pub(super) gil: Option<(u64, i32)>,
    pub(super) task: Option<TaskFields>,
}

/// The program at entries of calls: a wait ends a turn, others are a part of it.
pub(super) fn entries(w: &Wanted) -> Option<Vec<u64>> {
    let mut a = Assembler::default();
    let (end, full, waits, other) = (a.label(), a.label(), a.label(), a.label());
    let (epolls, no_close) = (a.label(), a.label());
    of_process(&mut a, w, end);
    a.set(Reg::R1, 1).add_atomically(Reg::R0, WATCHED.calls, Reg::R1);
    a.load(Reg::R9, Reg::R6, 8);
    find(&mut a, w.threads, KEY, Reg::R7, end);
    a.load(Reg::R1, Reg::R7, V.start).jump_if(Reg::R1, If::Equal, 0, end);
    for call in EPOLLS {
        a.jump_if(Reg::R9, If::Equal, *call as i32, epolls);
    }
    a.jump_if(Reg::R9, If::NotEqual, libc::SYS_close as i32, no_close);
    closed(&mut a, end);
    a.place(no_close);
    a.load(Reg::R1, Reg::R7, V.epoll).jump_if(Reg::R1, If::NotEqual, 0, other);
    poll_or_select(&mut a, waits, false);
    a.jump(other).place(epolls);
    at_another(&mut a, waits, end);
    a.place(other);
    match w.division {
        Some(division) => enter(&mut a, &division, end),
        None => {
            a.store_value(Reg::R7, V.entered, 1);
        }
    }
    a.jump(end).place(waits);
    a.store_value(Reg::R7, V.entered, 0);
    a.call(Helper::Ktime).copy(Reg::R8, Reg::R0);
    a.load(Reg::R1, Reg::R7, V.start).copy(Reg::R2, Reg::R8).subtract_register(Reg::R2, Reg::R1);
    a.store(Reg::R10, LENGTH, Reg::R2);
    of_table(&mut a, w, end);
    a.set(Reg::R1, 1).add_atomically(Reg::R0, WATCHED.turns, Reg::R1);
    let over = a.label();
    count(&mut a, w.counting, [KEY, LENGTH, WORD], over);
    if let Some(division) = w.division {
        a.load(Reg::R1, Reg::R10, LENGTH).set_wide(Reg::R2, division.above_ns);
        a.jump_if_registers(Reg::R2, If::Above, Reg::R1, over);
        write_down(&mut a, &division, full);
        a.jump(over).place(full);
        count_lost(&mut a, division.lost, over);
    }
    a.place(over).store_value(Reg::R7, V.start, 0);
    a.place(end).set(Reg::R0, 0).exit();
    a.finish()
}

/// Waits at a descriptor of epoll that is not the loop's, in a row, from which on that one is taken for a loop's.
const NESTED: i32 = 32;

/// A wait in epoll: at another descriptor than the loop's it is a call like any other (a driver of a database that waits for
/// its own socket), unless that goes on and on, so that another loop must have taken over. Goes to `waits` for a wait of the
/// loop, to `end` where another takes over, on where it is a call.
fn at_another(a: &mut Assembler, waits: Label, end: Label) {
    let (same, on) = (a.label(), a.label());
    first_argument(a, Reg::R8);
    a.add(Reg::R8, 1).load(Reg::R1, Reg::R7, V.epoll);
    a.jump_if(Reg::R1, If::Equal, 0, waits).jump_if(Reg::R1, If::Equal, SOME_EPOLL, waits);
    a.jump_if_registers(Reg::R1, If::Equal, Reg::R8, waits);
    a.load(Reg::R1, Reg::R7, V.other).jump_if_registers(Reg::R1, If::Equal, Reg::R8, same);
    a.store(Reg::R7, V.other, Reg::R8).store_value(Reg::R7, V.others, 0);
    a.place(same).load(Reg::R1, Reg::R7, V.others).add(Reg::R1, 1).store(Reg::R7, V.others, Reg::R1);
    a.jump_if(Reg::R1, If::Above, NESTED, on);
    let call = a.label();
    a.jump(call).place(on);
    a.store_value(Reg::R7, V.start, 0).store_value(Reg::R7, V.entered, 0).jump(end);
    a.place(call);
}

/// A call of `close`: that of the loop's descriptor ends the loop, and what comes then is no turn of it.
fn closed(a: &mut Assembler, end: Label) {
    let other = a.label();
    first_argument(a, Reg::R8);
    a.add(Reg::R8, 1).load(Reg::R1, Reg::R7, V.epoll);
    a.jump_if_registers(Reg::R1, If::NotEqual, Reg::R8, other);
    for field in [V.start, V.entered, V.epoll] {
        a.store_value(Reg::R7, field, 0);
    }
    a.jump(end).place(other);
}

/// Puts the call's first argument, a descriptor, into a register.
fn first_argument(a: &mut Assembler, to: Reg) {
    register(a, CALL_FIRST, 4);
    a.load(to, Reg::R10, WORD);
}

/// Reads a register of the calling thread into a word on the stack, or its lower half.
fn register(a: &mut Assembler, at: i32, bytes: i32) {
    a.load(Reg::R3, Reg::R6, 0).add(Reg::R3, at).store_value(Reg::R10, WORD, 0);
    read_kernel(a, WORD, bytes);
}

/// Notes that the call in R9 is entered, in the value at R7.
fn enter(a: &mut Assembler, w: &Division, end: Label) {
    a.call(Helper::Ktime).store(Reg::R7, V.entered, Reg::R0);
    task_word(a, w.task.map(|t| t.delay), WORD);
    a.load(Reg::R1, Reg::R10, WORD).store(Reg::R7, V.delay_entered, Reg::R1);
    a.store_value(Reg::R7, V.kind, OTHER);
    a.jump_if(Reg::R9, If::NotEqual, libc::SYS_futex as i32, end);
    a.store_value(Reg::R7, V.kind, LOCK);
    if let Some((gil, bytes)) = w.gil {
        a.load(Reg::R3, Reg::R6, 0).add(Reg::R3, CALL_FIRST);
        read_kernel(a, WORD, 8);
        a.load(Reg::R1, Reg::R10, WORD).set_wide(Reg::R2, gil).subtract_register(Reg::R1, Reg::R2);
        a.jump_if(Reg::R1, If::Above, bytes - 1, end).store_value(Reg::R7, V.kind, GIL);
    }
}

/// Writes down a turn of the value at R7 that ends now (R8). R6 is lost.
fn write_down(a: &mut Assembler, w: &Division, full: Label) {
    task_word(a, w.task.map(|t| t.delay), WORD);
    task_word(a, w.task.map(|t| t.major_faults), SECOND);
    a.set_map(Reg::R1, w.ring).set(Reg::R2, END_BYTES as i32).set(Reg::R3, 0).call(Helper::RingReserve);
    a.jump_if(Reg::R0, If::Equal, 0, full).copy(Reg::R6, Reg::R0);
    a.store(Reg::R6, 0, Reg::R8).load(Reg::R1, Reg::R10, KEY).store(Reg::R6, 8, Reg::R1);
    for at in (0..IN_TURN_BYTES).step_by(8) {
        a.load(Reg::R1, Reg::R7, at).store(Reg::R6, END_VALUE + at, Reg::R1);
    }
    for (now, before, to) in [(WORD, V.delay_start, END_DELAY), (SECOND, V.faults_start, END_FAULTS)] {
        a.load(Reg::R1, Reg::R10, now).load(Reg::R2, Reg::R7, before);
        a.subtract_register(Reg::R1, Reg::R2).store(Reg::R6, to, Reg::R1);
    }
    a.submit(Reg::R6);
}

/// The program at exits of calls: that of a wait begins a turn.
pub(super) fn exits(w: &Wanted) -> Option<Vec<u64>> {
    let mut a = Assembler::default();
    let (end, waits, new, first) = (a.label(), a.label(), a.label(), a.label());
    let at_rest = a.label();
    of_process(&mut a, w, end);
    a.load(Reg::R1, Reg::R0, WATCHED.open).store(Reg::R10, OPEN, Reg::R1);
    a.load(Reg::R3, Reg::R6, 0).add(Reg::R3, CALL);
    a.store_value(Reg::R10, WORD, 0);
    read_kernel(&mut a, WORD, 4);
    a.jump_if(Reg::R0, If::NotEqual, 0, end).load(Reg::R9, Reg::R10, WORD);
    a.set(Reg::R7, 0);
    find(&mut a, w.threads, KEY, Reg::R7, new);
    // A call that was entered within a turn.
    a.load(Reg::R1, Reg::R7, V.entered).jump_if(Reg::R1, If::Equal, 0, at_rest);
    match w.division {
        Some(division) => leave(&mut a, &division, end),
        None => {
            a.store_value(Reg::R7, V.entered, 0).jump(end);
        }
    }
    a.place(at_rest);
    for call in EPOLLS {
        a.jump_if(Reg::R9, If::Equal, *call as i32, waits);
    }
    a.load(Reg::R1, Reg::R7, V.epoll).jump_if(Reg::R1, If::NotEqual, 0, end);
    poll_or_select(&mut a, waits, false);
    a.jump(end).place(new);
    for call in EPOLLS {
        a.jump_if(Reg::R9, If::Equal, *call as i32, waits);
    }
    poll_or_select(&mut a, waits, true);
    a.jump(end).place(waits);
    a.load(Reg::R1, Reg::R10, OPEN).jump_if(Reg::R1, If::NotEqual, WATCHED_OPEN, end);
    let task = w.division.and_then(|d| d.task);
    task_word(&mut a, task.map(|t| t.delay), WORD);
    task_word(&mut a, task.map(|t| t.major_faults), SECOND);
    a.call(Helper::Ktime).copy(Reg::R8, Reg::R0);
    // A thread that had a turn before has its value already: only the first one is put into the table, which costs more.
    find(&mut a, w.threads, KEY, Reg::R7, first);
    begin(&mut a, Reg::R7, 0);
    a.jump(end).place(first);
    begin(&mut a, Reg::R10, VALUE);
    a.set_map(Reg::R1, w.threads).copy(Reg::R2, Reg::R10).add(Reg::R2, KEY.into());
    a.copy(Reg::R3, Reg::R10).add(Reg::R3, VALUE.into()).set(Reg::R4, 0).call(Helper::MapUpdate);
    a.place(end).set(Reg::R0, 0).exit();
    a.finish()
}

/// Adds the call in R9 that ends to the value at R7.
fn leave(a: &mut Assembler, w: &Division, end: Label) {
    let (gil, lock, shorter) = (a.label(), a.label(), a.label());
    a.call(Helper::Ktime).load(Reg::R1, Reg::R7, V.entered).subtract_register(Reg::R0, Reg::R1);
    a.copy(Reg::R8, Reg::R0).store_value(Reg::R7, V.entered, 0);
    // R6: of that, waiting for a processor.
    task_word(a, w.task.map(|t| t.delay), WORD);
    a.load(Reg::R6, Reg::R10, WORD).load(Reg::R1, Reg::R7, V.delay_entered);
    a.subtract_register(Reg::R6, Reg::R1);
    add_to(a, V.delay_calls, Reg::R6);
    a.load(Reg::R1, Reg::R7, V.kind);
    a.jump_if(Reg::R1, If::Equal, GIL, gil).jump_if(Reg::R1, If::Equal, LOCK, lock);
    a.load(Reg::R1, Reg::R7, V.longest).jump_if_registers(Reg::R1, If::Above, Reg::R8, shorter);
    a.store(Reg::R7, V.longest, Reg::R8).store(Reg::R7, V.longest_call, Reg::R9);
    a.place(shorter);
    for (label, field) in [(None, V.calls), (Some(gil), V.gil), (Some(lock), V.locks)] {
        if let Some(label) = label {
            a.place(label);
        }
        a.subtract_register(Reg::R8, Reg::R6);
        add_to(a, field, Reg::R8);
        a.jump(end);
    }
}

/// Writes the value of a thread whose turn begins, at a place: the time is in R8, the call in R9, and what the kernel
/// counted of the thread so far in both words.
fn begin(a: &mut Assembler, base: Reg, at: i16) {
    let (epoll, done) = (a.label(), a.label());
    for field in (0..IN_TURN_BYTES).step_by(8) {
        a.store_value(base, at + field, 0);
    }
    a.load(Reg::R1, Reg::R10, WORD).store(base, at + V.delay_start, Reg::R1);
    a.load(Reg::R1, Reg::R10, SECOND).store(base, at + V.faults_start, Reg::R1);
    for call in EPOLLS {
        a.jump_if(Reg::R9, If::Equal, *call as i32, epoll);
    }
    a.jump(done).place(epoll);
    first_argument(a, Reg::R1);
    a.add(Reg::R1, 1).store(base, at + V.epoll, Reg::R1);
    a.place(done).store(base, at + V.start, Reg::R8);
}

/// The program at switches between threads: how long those of the process are off their processor outside of calls.
pub(super) fn switches(w: &Wanted, task: TaskFields) -> Option<Vec<u64>> {
    let mut a = Assembler::default();
    let (end, next) = (a.label(), a.label());
    of_process(&mut a, w, next);
    find(&mut a, w.threads, KEY, Reg::R7, next);
    a.load(Reg::R1, Reg::R7, V.start).jump_if(Reg::R1, If::Equal, 0, next);
    a.call(Helper::Ktime).store(Reg::R7, V.off, Reg::R0);
    a.place(next);
    for (field, slot) in [(task.tgid, PROCESS), (task.pid, KEY)] {
        a.store_value(Reg::R10, slot, 0).load(Reg::R3, Reg::R6, 16).add(Reg::R3, field);
        read_kernel(&mut a, slot, 4);
        if slot == PROCESS {
            of_table(&mut a, w, end);
        }
    }
    find(&mut a, w.threads, KEY, Reg::R7, end);
    a.load(Reg::R8, Reg::R7, V.off).jump_if(Reg::R8, If::Equal, 0, end);
    a.store_value(Reg::R7, V.off, 0);
    a.load(Reg::R1, Reg::R7, V.entered).jump_if(Reg::R1, If::NotEqual, 0, end);
    a.call(Helper::Ktime).subtract_register(Reg::R0, Reg::R8);
    add_to(&mut a, V.off_outside, Reg::R0);
    a.place(end).set(Reg::R0, 0).exit();
    a.finish()
}

/// Keeps what the program was called with in R6 and the thread's number as the key; R0 is then what is said of its process.
/// Goes to `other` where that is not watched.
fn of_process(a: &mut Assembler, w: &Wanted, other: Label) {
    a.copy(Reg::R6, Reg::R1).call(Helper::PidTgid).store(Reg::R10, KEY, Reg::R0);
    a.shift_right(Reg::R0, 32).store(Reg::R10, PROCESS, Reg::R0);
    of_table(a, w, other);
}

/// Puts what is said of the process into R0.
fn of_table(a: &mut Assembler, w: &Wanted, other: Label) {
    a.set_map(Reg::R1, w.watched)
        .copy(Reg::R2, Reg::R10)
        .add(Reg::R2, PROCESS.into())
        .call(Helper::MapLookup);
    a.jump_if(Reg::R0, If::Equal, 0, other);
}

/// Whether the call in R9 is a wait of a loop that does not use epoll; what it was called with is at R6. `new`: of a thread
/// that was not seen to wait before.
fn poll_or_select(a: &mut Assembler, waits: Label, new: bool) {
    let (polls, selects, no) = (a.label(), a.label(), a.label());
    for (calls, to) in [(POLLS, polls), (SELECTS, selects)] {
        for call in calls {
            a.jump_if(Reg::R9, If::Equal, *call as i32, to);
        }
    }
    a.jump(no).place(polls);
    of_a_socket(a, no, new);
    a.jump(waits).place(selects);
    first_argument(a, Reg::R1);
    a.jump_if(Reg::R1, If::NotEqual, 0, waits).place(no);
}

/// How near to the stack's end a variable of the calling function lies, bytes.
const NEAR: i32 = 1 << 16;

/// Whether the poll in R9 waits for a single socket, as a socket with a timeout does: what is polled is a variable on the stack,
/// while loops keep theirs elsewhere. The same holds for a look at a single descriptor, without waiting, by a thread that is not
/// known for a loop: so connections are tried before they are used again. Goes to `socket` then, on where it does not.
fn of_a_socket(a: &mut Assembler, socket: Label, new: bool) {
    let (no, pointer, finite) = (a.label(), a.label(), a.label());
    register(a, CALL_SECOND, 8);
    a.load(Reg::R1, Reg::R10, WORD).jump_if(Reg::R1, If::NotEqual, 1, no);
    register(a, CALL_THIRD, 8);
    a.load(Reg::R1, Reg::R10, WORD);
    if let Some(call) = POLL_WITH_MILLISECONDS {
        a.jump_if(Reg::R9, If::NotEqual, call as i32, pointer);
        a.shift_left(Reg::R1, 32).shift_right(Reg::R1, 32);
        if new {
            a.jump_if(Reg::R1, If::Equal, 0, socket);
        }
        // Negative: without a timeout.
        a.set(Reg::R2, i32::MAX).jump_if_registers(Reg::R1, If::Above, Reg::R2, no);
        a.jump(finite);
    }
    a.place(pointer).jump_if(Reg::R1, If::Equal, 0, no);
    if new {
        // Seconds and nanoseconds; what is left of them, where it waited. R8 is not used yet.
        a.copy(Reg::R8, Reg::R1);
        for at in [0, 8] {
            a.copy(Reg::R1, Reg::R10).add(Reg::R1, WORD.into()).set(Reg::R2, 8).copy(Reg::R3, Reg::R8);
            a.add(Reg::R3, at).call(Helper::ReadUser).jump_if(Reg::R0, If::NotEqual, 0, finite);
            a.load(Reg::R1, Reg::R10, WORD).jump_if(Reg::R1, If::NotEqual, 0, finite);
        }
        a.jump(socket);
    }
    a.place(finite);
    register(a, STACK_POINTER, 8);
    a.load(Reg::R1, Reg::R10, WORD).store(Reg::R10, SECOND, Reg::R1);
    register(a, CALL_FIRST, 8);
    a.load(Reg::R1, Reg::R10, WORD).load(Reg::R2, Reg::R10, SECOND).subtract_register(Reg::R1, Reg::R2);
    a.set(Reg::R2, NEAR).jump_if_registers(Reg::R2, If::Above, Reg::R1, socket);
    a.place(no);
}

/// Reads bytes of the kernel at R3 into a slot.
fn read_kernel(a: &mut Assembler, slot: i16, bytes: i32) {
    a.copy(Reg::R1, Reg::R10).add(Reg::R1, slot.into()).set(Reg::R2, bytes).call(Helper::ReadKernel);
}

/// Reads a word of the running thread's own structure into a slot; 0 where its place is not known.
fn task_word(a: &mut Assembler, field: Option<i32>, slot: i16) {
    let Some(field) = field else {
        a.store_value(Reg::R10, slot, 0);
        return;
    };
    a.call(Helper::CurrentTask).copy(Reg::R3, Reg::R0).add(Reg::R3, field);
    read_kernel(a, slot, 8);
}

/// Adds to a word of the value in R7.
fn add_to(a: &mut Assembler, field: i16, what: Reg) {
    a.load(Reg::R1, Reg::R7, field).add_register(Reg::R1, what).store(Reg::R7, field, Reg::R1);
}

fn count_lost(a: &mut Assembler, lost: i32, end: Label) {
    a.store_value(Reg::R10, WORD, 0).copy(Reg::R2, Reg::R10).add(Reg::R2, WORD.into());
    a.set_map(Reg::R1, lost).call(Helper::MapLookup).jump_if(Reg::R0, If::Equal, 0, end);
    a.set(Reg::R1, 1).add_atomically(Reg::R0, 0, Reg::R1);
}
