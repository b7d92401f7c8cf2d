//! Which memory is the stack of a thread: what an injected call writes below the stack pointer may lie nowhere else.
//!
//! A stack pointer says little. Code may run on a stack of its own making (coroutines, an alternate stack for signals,
//! the goroutines of a library in Go), below which other data lies that other threads use meanwhile. The stack that a
//! thread was made with is known by its neighbour: the C library puts the thread's own block, to which the thread
//! pointer leads, on top of it.

use crate::trace::arch;
use crate::trace::ptrace::Tracee;
use crate::{Mapping, Process, TraceResult};
use std::ops::Range;

/// The stack that the kernel made, of the first thread.
const FIRST: &str = "[stack]";

/// Where stacks may lie, from a look while the process ran. What it mapped since is not known, and so no stack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stacks {
    first: Option<Range<u64>>,
    /// Private writable memory without a file, ascending.
    others: Vec<Range<u64>>,
}

impl Stacks {
    /// Looks at a process.
    pub(crate) fn of(process: &Process) -> TraceResult<Self> {
        Ok(Self::among(&process.maps()?))
    }

    fn among(maps: &[Mapping]) -> Self {
        let own = maps.iter().filter(|m| m.writable && !m.shared && m.inode == 0);
        let (first, others): (Vec<&Mapping>, Vec<&Mapping>) = own.partition(|m| m.path == FIRST);
        let range = |m: &Mapping| m.start..m.end;
        Self { first: first.first().map(|m| range(m)), others: others.into_iter().map(range).collect() }
    }

    /// From where to where the stack goes that a stopped thread was made with; `None` where it stands on another.
    pub(crate) fn of_thread(&self, tracee: &Tracee) -> Option<Range<u64>> {
        let regs = tracee.regs.as_ref()?;
        let own_block = || arch::thread_pointer(regs, &|set| tracee.register_set(set).ok());
        self.stack(arch::stack_pointer(regs), own_block)
    }

    fn stack(&self, pointer: u64, own_block: impl FnOnce() -> Option<u64>) -> Option<Range<u64>> {
        if let Some(first) = self.first.as_ref().filter(|first| first.contains(&pointer)) {
            return Some(first.clone());
        }
        let at = self.others.partition_point(|range| range.end <= pointer);
        let range = self.others.get(at).filter(|range| range.contains(&pointer))?;
        let top = own_block()?;
        (range.contains(&top) && pointer < top).then_some(range.start..top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64, path: &str) -> Mapping {
        Mapping { start, end, writable: true, readable: true, path: path.to_owned(), ..Mapping::default() }
    }

    #[test]
    fn a_stack_is_known_by_the_threads_own_block_above_it() {
        let guard = Mapping { writable: false, ..mapping(0x10_000, 0x11_000, "") };
        let file = Mapping { inode: 7, ..mapping(0x30_000, 0x40_000, "/data") };
        let maps = [guard, mapping(0x11_000, 0x20_000, ""), file, mapping(0x50_000, 0x60_000, "[stack]")];
        let stacks = Stacks::among(&maps);
        let of = |pointer, own| stacks.stack(pointer, || own);
        assert_eq!(of(0x18_000, Some(0x1f_800)), Some(0x11_000..0x1f_800));
        assert_eq!(of(0x58_000, None), Some(0x50_000..0x60_000));
        // Below another thread's memory, above its own block, in a guard, in a file, nowhere.
        assert_eq!(of(0x18_000, Some(0x90_000)), None);
        assert_eq!(of(0x1f_900, Some(0x1f_800)), None);
        assert_eq!(of(0x18_000, None), None);
        for pointer in [0x10_800, 0x38_000, 0x48_000, 0x70_000] {
            assert_eq!(of(pointer, Some(pointer + 8)), None, "{pointer:#x}");
        }
    }
}
