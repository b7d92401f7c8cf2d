//! The programs at the entries and exits of system calls: they tell of the calls in which loops wait.

use crate::arch::{CALL, WAITS};
use crate::bpf::{Assembler, Helper, If, Reg};

/// Bytes of a record: time, task, the call (entries), or the call with the highest bit set (exits).
pub(super) const RECORD: usize = 24;

/// What tells an exit from an entry.
pub(super) const EXIT: u64 = 1 << 32;

/// The program for entries, or for exits, of the calls of one process (by the kernel's own number of it).
pub(super) fn program(ring: i32, lost: i32, pid: i32, exits: bool) -> Option<Vec<u64>> {
    let mut a = Assembler::default();
    let (end, wanted, full) = (a.label(), a.label(), a.label());
    a.copy(Reg::R6, Reg::R1);
    a.call(Helper::PidTgid).copy(Reg::R8, Reg::R0);
    a.copy(Reg::R1, Reg::R0).shift_right(Reg::R1, 32).jump_if(Reg::R1, If::NotEqual, pid, end);
    if exits {
        a.load(Reg::R3, Reg::R6, 0).add(Reg::R3, CALL);
        a.store_value(Reg::R10, -8, 0);
        a.copy(Reg::R1, Reg::R10).add(Reg::R1, -8).set(Reg::R2, 4).call(Helper::ReadKernel);
        a.jump_if(Reg::R0, If::NotEqual, 0, end).load(Reg::R9, Reg::R10, -8);
    } else {
        a.load(Reg::R9, Reg::R6, 8);
    }
    for call in WAITS {
        a.jump_if(Reg::R9, If::Equal, *call as i32, wanted);
    }
    a.jump(end).place(wanted);
    a.set_map(Reg::R1, ring).set(Reg::R2, RECORD as i32).set(Reg::R3, 0).call(Helper::RingReserve);
    a.jump_if(Reg::R0, If::Equal, 0, full).copy(Reg::R7, Reg::R0);
    a.store(Reg::R7, 8, Reg::R8);
    if exits {
        a.set_wide(Reg::R1, EXIT).add_register(Reg::R9, Reg::R1);
    }
    a.store(Reg::R7, 16, Reg::R9);
    a.call(Helper::Ktime).store(Reg::R7, 0, Reg::R0);
    a.copy(Reg::R1, Reg::R7).set(Reg::R2, 0).call(Helper::RingSubmit).jump(end);
    a.place(full);
    a.store_value(Reg::R10, -8, 0).copy(Reg::R2, Reg::R10).add(Reg::R2, -8);
    a.set_map(Reg::R1, lost).call(Helper::MapLookup).jump_if(Reg::R0, If::Equal, 0, end);
    a.set(Reg::R1, 1).add_atomically(Reg::R0, 0, Reg::R1);
    a.place(end).set(Reg::R0, 0).exit();
    a.finish()
}
