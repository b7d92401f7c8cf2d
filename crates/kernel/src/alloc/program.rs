//! The program that runs at each allocation: what is asked for, which block it will get, and the raw frames.

use super::later;
use super::record::{self, FRAMES, HEAD};
use super::supply::Supply;
use crate::arch::{RESULT, RETURNS_TO, ReturnsTo};
use crate::bpf::{Assembler, Helper, If, Label, Reg};
use crate::frames::{DEPTH, FrameImage, read};

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the allocator's first instruction: where the kernel keeps the register with the size, and what says the block.
    Entry { size: i16, supply: Supply },
    /// Where a call of it returns to: the block is its result.
    Return,
}

/// The maps that programs write to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maps {
    pub(super) ring: i32,
    pub(super) lost: i32,
    /// Where blocks are kept that are read a few allocations later, if they are.
    pub(super) later: Option<i32>,
}

/// Puts the program together. It returns 1: so the kernel counts it towards what the event may fire (`switch_on_for`).
pub(super) fn program(maps: &Maps, place: Place, frames: &FrameImage) -> Option<Vec<u64>> {
    let mut a = Assembler::default();
    let (full, no_lost, end) = (a.label(), a.label(), a.label());
    a.copy(Reg::R6, Reg::R1);
    a.set_map(Reg::R1, maps.ring)
        .set(Reg::R2, record::length(frames) as i32)
        .set(Reg::R3, 0)
        .call(Helper::RingReserve);
    a.jump_if(Reg::R0, If::Equal, 0, full).copy(Reg::R7, Reg::R0);
    a.call(Helper::Ktime).store(Reg::R7, HEAD.time, Reg::R0);
    a.call(Helper::PidTgid).store(Reg::R7, HEAD.task, Reg::R0);
    a.copy(Reg::R1, Reg::R6).call(Helper::AttachCookie).copy(Reg::R8, Reg::R0);
    a.store(Reg::R7, HEAD.thread, Reg::R8);
    a.store_value(Reg::R7, HEAD.block, 0).store_value(Reg::R7, HEAD.depth, 0);
    a.store_value(Reg::R7, HEAD.back, 0).store_value(Reg::R7, HEAD.earlier, 0);
    match place {
        Place::Return => {
            a.store_value(Reg::R7, HEAD.size, 0);
            a.load(Reg::R1, Reg::R6, RESULT).store(Reg::R7, HEAD.block, Reg::R1);
        }
        Place::Entry { size, supply } => {
            let known = a.label();
            a.load(Reg::R9, Reg::R6, size).store(Reg::R7, HEAD.size, Reg::R9);
            predict(&mut a, supply, known);
            a.place(known);
        }
    }
    if let Some(map) = maps.later {
        later::look_back(&mut a, map);
    }
    frames.walk(&mut a, FRAMES, HEAD.depth, DEPTH, end);
    a.place(end);
    a.call(Helper::Ktime).store(Reg::R7, HEAD.done, Reg::R0);
    a.submit(Reg::R7).set(Reg::R0, 1).exit();
    a.place(full);
    a.store_value(Reg::R10, -8, 0).copy(Reg::R2, Reg::R10).add(Reg::R2, -8);
    a.set_map(Reg::R1, maps.lost).call(Helper::MapLookup).jump_if(Reg::R0, If::Equal, 0, no_lost);
    a.set(Reg::R1, 1).add_atomically(Reg::R0, 0, Reg::R1);
    a.place(no_lost).set(Reg::R0, 1).exit();
    a.finish()
}

/// The block that a size, in R9, will get goes into the record; where that is not known, the place to which the call returns.
/// Goes to `known` as soon as that is all.
fn predict(a: &mut Assembler, supply: Supply, known: Label) {
    let unknown = a.label();
    supply.predict(a, HEAD.block, [known, unknown]);
    a.place(unknown);
    match RETURNS_TO {
        ReturnsTo::Register(at) => a.load(Reg::R1, Reg::R6, at),
        ReturnsTo::Stack(pointer) => {
            a.load(Reg::R9, Reg::R6, pointer);
            read(a, -8, Reg::R9, 0, known);
            a.load(Reg::R1, Reg::R10, -8)
        }
    };
    a.store(Reg::R7, HEAD.back, Reg::R1);
}
