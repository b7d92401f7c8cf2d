//! What blocks hold a few allocations later, read in the kernel.
//!
//! By the time that m5 gets to read a block, the next owner may have it, an object of the same type perhaps; the interpreter hands dead
//! objects on past its allocator, and without the GIL a free block keeps the type of what was in it. While a window is open nothing that the thread is given passes unseen. So the program that runs
//! at an allocation reads what was given out a few allocations before in this thread: who is there then is the one who asked for it.

use super::contents::{Early, ITEMS_OF_LIST, TABLE, TABLE_OF_DICT, Words};
use super::record::{Allocation, HEAD};
use crate::bpf::{Assembler, Helper, If, Reg};
use rustc_hash::FxHashMap;

/// So many allocations later.
pub(super) const LATER: usize = 4;
/// A processor keeps a thread's state and the blocks that were given out last, the latest first.
pub(super) const BYTES: u32 = 8 + 8 * LATER as u32;

/// Puts into a program what keeps the block of its record at R7, of the thread whose state is in R8, in the map, and writes what the one
/// that was kept so many times ago holds now.
pub(super) fn look_back(a: &mut Assembler, map: i32) {
    let (end, other) = (a.label(), a.label());
    a.store_value(Reg::R10, -8, 0).copy(Reg::R2, Reg::R10).add(Reg::R2, -8);
    a.set_map(Reg::R1, map)
        .call(Helper::MapLookup)
        .jump_if(Reg::R0, If::Equal, 0, end)
        .copy(Reg::R9, Reg::R0);
    a.load(Reg::R1, Reg::R9, 0).jump_if_registers(Reg::R1, If::NotEqual, Reg::R8, other);
    let kept = |number: usize| 8 + 8 * number as i16;
    a.load(Reg::R3, Reg::R9, kept(LATER - 1));
    for number in (1..LATER).rev() {
        a.load(Reg::R1, Reg::R9, kept(number - 1)).store(Reg::R9, kept(number), Reg::R1);
    }
    a.load(Reg::R1, Reg::R7, HEAD.block).store(Reg::R9, kept(0), Reg::R1);
    a.jump_if(Reg::R3, If::Equal, 0, end).copy(Reg::R9, Reg::R3);
    a.copy(Reg::R1, Reg::R7).add(Reg::R1, HEAD.earlier_words.into()).set(Reg::R2, size_of::<Words>() as i32);
    a.call(Helper::ReadUser).jump_if(Reg::R0, If::NotEqual, 0, end);
    a.store(Reg::R7, HEAD.earlier, Reg::R9);
    let led = [(ITEMS_OF_LIST, HEAD.earlier_item, 8), (TABLE_OF_DICT, HEAD.earlier_table, TABLE as i32)];
    for (from, to, bytes) in led {
        // Where it leads nowhere, zeroes are written.
        a.load(Reg::R3, Reg::R7, HEAD.earlier_words + from);
        a.copy(Reg::R1, Reg::R7).add(Reg::R1, to.into()).set(Reg::R2, bytes).call(Helper::ReadUser);
    }
    a.jump(end).place(other);
    a.store(Reg::R9, 0, Reg::R8);
    (1..LATER).for_each(|number| _ = a.store_value(Reg::R9, kept(number), 0));
    a.load(Reg::R1, Reg::R7, HEAD.block).store(Reg::R9, kept(0), Reg::R1);
    a.place(end);
}

/// What the block of each of these held so many allocations later in its thread, where that was seen.
pub(super) fn found(seen: &[Allocation]) -> Vec<Option<Early>> {
    let mut found = vec![None; seen.len()];
    let mut by_thread: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    for (at, allocation) in seen.iter().enumerate() {
        let own = by_thread.entry(allocation.thread).or_default();
        let before = own.len().checked_sub(LATER).and_then(|n| own.get(n).copied());
        if let (Some(before), Some((block, early))) = (before, allocation.earlier)
            && seen.get(before).is_some_and(|earlier| earlier.block == Some(block))
            && let Some(slot) = found.get_mut(before)
        {
            *slot = Some(early);
        }
        own.push(at);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(thread: u64, block: u64, earlier: Option<u64>) -> Allocation {
        let early = |of: u8| Early { words: [of; size_of::<Words>()], item: 0, table: [0; TABLE] };
        let earlier = earlier.map(|block| (block, early(block as u8)));
        Allocation { thread, block: Some(block), earlier, ..Allocation::default() }
    }

    #[test]
    fn what_was_kept_in_an_earlier_window_is_nobodys() {
        let blocks = [(1, 10, Some(6)), (1, 11, Some(7)), (2, 90, None), (1, 12, Some(8)), (1, 13, None)];
        let mut seen: Vec<Allocation> =
            blocks.map(|(thread, block, earlier)| allocation(thread, block, earlier)).into();
        seen.push(allocation(1, 14, Some(10)));
        seen.push(allocation(1, 15, Some(7)));
        seen.push(allocation(1, 16, Some(12)));
        let firsts: Vec<Option<u8>> = found(&seen).iter().map(|words| words.map(|e| e.words[0])).collect();
        assert_eq!(firsts, [Some(10), None, None, Some(12), None, None, None, None]);
    }
}
