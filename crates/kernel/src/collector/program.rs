//! The program that runs after each write to a collector's flag: which collection begins or ends, and the raw frames.

use crate::bpf::{Assembler, Helper, If, Label, Reg};
use crate::frames::FrameImage;

/// Frames that are kept at most: what runs a loop, and what a framework adds, is deep.
pub(super) const DEPTH: usize = 64;
/// Offsets of the words of a record before the frames: when, whose state, the flag's value, when the program was done, how many
/// frames there are, the thread, and the counters of each generation.
pub(super) const TIME: i16 = 0;
pub(super) const THREAD: i16 = 8;
pub(super) const FLAG: i16 = 16;
pub(super) const DONE: i16 = 24;
pub(super) const FRAMES_KEPT: i16 = 32;
pub(super) const TASK: i16 = 40;
pub(super) const COUNTERS: i16 = 48;
/// Collections, objects collected and uncollectable of three generations.
pub(super) const COUNTER_BYTES: usize = 72;
/// Where the frames begin; a record of an end has none.
pub(super) const FRAMES: usize = COUNTERS as usize + COUNTER_BYTES;

/// A collector, and where its program tells what it saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    /// Address of its flag.
    pub(super) flag: u64,
    /// Address of its counters; none of a build that keeps them elsewhere.
    pub(super) counters: Option<u64>,
    pub(super) ring: i32,
    pub(super) lost: i32,
}

/// Bytes of the record of a collection that begins.
pub(super) fn record(frames: &FrameImage) -> usize {
    FRAMES + DEPTH * frames.size
}

/// Puts the program together.
pub(super) fn program(site: Site, frames: &FrameImage) -> Option<Vec<u64>> {
    const WORD: i16 = -8;
    let mut a = Assembler::default();
    let (full, none, ends, walked) = (a.label(), a.label(), a.label(), a.label());
    a.copy(Reg::R6, Reg::R1).call(Helper::Ktime).copy(Reg::R8, Reg::R0);
    a.store_value(Reg::R10, WORD, 0).copy(Reg::R1, Reg::R10).add(Reg::R1, WORD.into()).set(Reg::R2, 4);
    a.set_wide(Reg::R3, site.flag).call(Helper::ReadUser).jump_if(Reg::R0, If::NotEqual, 0, none);
    a.load(Reg::R9, Reg::R10, WORD).jump_if(Reg::R9, If::Equal, 0, ends);
    head(&mut a, site, record(frames), full);
    frames.walk(&mut a, FRAMES, FRAMES_KEPT, DEPTH, walked);
    a.place(walked);
    tell(&mut a);
    a.place(ends);
    head(&mut a, site, FRAMES, full);
    tell(&mut a);
    a.place(full).store_value(Reg::R10, WORD, 0).copy(Reg::R2, Reg::R10).add(Reg::R2, WORD.into());
    a.set_map(Reg::R1, site.lost).call(Helper::MapLookup).jump_if(Reg::R0, If::Equal, 0, none);
    a.set(Reg::R1, 1).add_atomically(Reg::R0, 0, Reg::R1);
    a.place(none).set(Reg::R0, 0).exit();
    a.finish()
}

/// Begins a record of so many bytes at R7: the time is in R8, the flag's value in R9; R8 is then the thread's state.
fn head(a: &mut Assembler, site: Site, bytes: usize, full: Label) {
    a.set_map(Reg::R1, site.ring).set(Reg::R2, bytes as i32).set(Reg::R3, 0).call(Helper::RingReserve);
    a.jump_if(Reg::R0, If::Equal, 0, full).copy(Reg::R7, Reg::R0);
    a.store(Reg::R7, TIME, Reg::R8).store(Reg::R7, FLAG, Reg::R9).store_value(Reg::R7, FRAMES_KEPT, 0);
    a.call(Helper::PidTgid).store(Reg::R7, TASK, Reg::R0);
    a.copy(Reg::R1, Reg::R6).call(Helper::AttachCookie).copy(Reg::R8, Reg::R0);
    a.store(Reg::R7, THREAD, Reg::R8);
    let at = i32::from(COUNTERS);
    match site.counters {
        Some(counters) => {
            a.copy(Reg::R1, Reg::R7).add(Reg::R1, at).set(Reg::R2, COUNTER_BYTES as i32);
            a.set_wide(Reg::R3, counters).call(Helper::ReadUser);
        }
        None => {
            for word in (0..COUNTER_BYTES as i16).step_by(8) {
                a.store_value(Reg::R7, COUNTERS + word, 0);
            }
        }
    }
}

/// Hands the record over, with when that was.
fn tell(a: &mut Assembler) {
    a.call(Helper::Ktime).store(Reg::R7, DONE, Reg::R0);
    a.submit(Reg::R7).set(Reg::R0, 0).exit();
}
