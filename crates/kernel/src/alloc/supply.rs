//! What says at a call of the allocator which block it will get.

use super::heaps::{self, Heaps};
use super::pools;
use crate::bpf::{Assembler, If, Label, Reg};
use crate::frames::read;
use m5_cpython::Interpreter;
use m5_cpython::layout::mimalloc::FREE;
use m5_process::{LiveMemory, Mapping};

/// Largest block that comes from a pool, and from one of mimalloc's heaps without a search.
const LARGEST_POOLED: u16 = 512;
const LARGEST_SMALL: u16 = 1024;
/// Offsets in a pool's header: its free blocks, the next pool.
const POOL_FREE: i32 = 8;
const POOL_NEXT: i32 = 16;
/// The record is at R7, the thread's state in R8, the size in R9: two words of the stack are free.
const FIRST: i16 = -8;
const SECOND: i16 = -16;

/// Where the blocks of calls for few bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// Not known (`PYTHONMALLOC=malloc`): a block is known when the call returns.
    Unknown,
    /// The table of pools at this address.
    Pools(u64),
    /// The heaps of each thread, of a build without the GIL.
    Heaps(Heaps),
}

impl Supply {
    /// That of an interpreter.
    pub(super) fn of(interpreter: &Interpreter, memory: &LiveMemory, maps: &[Mapping]) -> Self {
        if interpreter.layout().free_threaded {
            let threads = interpreter.threads().unwrap_or_default();
            let found = threads.iter().find_map(|thread| heaps::of(memory, thread.address));
            return found.map_or(Self::Unknown, Self::Heaps);
        }
        pools::table(memory, maps, interpreter.file()).map_or(Self::Unknown, Self::Pools)
    }

    /// The largest block that is known at the call.
    pub(super) fn largest(self) -> u64 {
        match self {
            Self::Unknown | Self::Pools(_) => LARGEST_POOLED.into(),
            Self::Heaps(_) => LARGEST_SMALL.into(),
        }
    }

    /// Puts into a program what writes the block that the size in R9 will get to the record at R7 (`block`) and goes on at
    /// `known`. What does not tell goes on at `unknown`.
    pub(super) fn predict(self, a: &mut Assembler, block: i16, [known, unknown]: [Label; 2]) {
        let largest = self.largest() as i32;
        match self {
            Self::Unknown => return,
            Self::Pools(table) => {
                a.jump_if(Reg::R9, If::Equal, 0, unknown).jump_if(Reg::R9, If::Above, largest, unknown);
                a.add(Reg::R9, -1).shift_right(Reg::R9, 4).shift_left(Reg::R9, 4);
                a.set_wide(Reg::R1, table).add_register(Reg::R9, Reg::R1);
                read(a, FIRST.into(), Reg::R9, 0, unknown);
                a.load(Reg::R9, Reg::R10, FIRST);
                read(a, SECOND.into(), Reg::R9, POOL_NEXT, unknown);
                // An empty class: the allocator will open another pool.
                a.load(Reg::R1, Reg::R10, SECOND);
                a.jump_if_registers(Reg::R1, If::Equal, Reg::R9, unknown);
                read(a, SECOND.into(), Reg::R9, POOL_FREE, unknown);
            }
            Self::Heaps(heaps) => {
                a.jump_if(Reg::R9, If::Above, largest, unknown);
                a.add(Reg::R9, 7).shift_right(Reg::R9, 3).shift_left(Reg::R9, 3);
                read(a, FIRST.into(), Reg::R8, heaps.current, unknown);
                a.load(Reg::R1, Reg::R10, FIRST).add_register(Reg::R9, Reg::R1);
                read(a, FIRST.into(), Reg::R9, heaps.direct, unknown);
                a.load(Reg::R9, Reg::R10, FIRST);
                // Of a page without a free block none is known: the allocator will look for another page.
                read(a, SECOND.into(), Reg::R9, FREE as i32, unknown);
                a.load(Reg::R1, Reg::R10, SECOND).jump_if(Reg::R1, If::Equal, 0, unknown);
            }
        }
        a.load(Reg::R1, Reg::R10, SECOND).store(Reg::R7, block, Reg::R1).jump(known);
    }
}
