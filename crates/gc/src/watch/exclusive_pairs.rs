//! Whether a watch would keep a program from ever getting on: asked before anything is watched.

use super::arch;
use crate::perf::OpenError;
use m5_cpython::Interpreter;
use m5_process::{Memory, Process};

/// The watch would hang the program. No error number of a kernel.
pub(crate) const REFUSED: OpenError = OpenError(-1);

/// Most code of one mapping that is looked through; more than that is taken for unreadable.
const MOST: u64 = 256 << 20;

/// Whether traps at the collector's flag could go on forever. Only where the flag is claimed by a compare-and-swap.
pub(crate) fn would_be(process: &Process, interpreters: &[Interpreter]) -> bool {
    let Some(main) = interpreters.first().filter(|i| i.layout().swaps_flag()) else { return false };
    let (memory, maps) = (main.memory(), process.maps().unwrap_or_default());
    let own: Vec<_> = maps.iter().filter(|m| m.executable && m.path == main.file()).collect();
    // No code at all is unread code.
    let unread = own.is_empty().then_some(None);
    let code = own.into_iter().map(|map| {
        let whole = map.end - map.start <= MOST;
        let mut bytes = vec![0; (map.end - map.start).min(MOST) as usize];
        (whole && memory.read(map.start, &mut bytes).is_ok()).then_some(bytes)
    });
    arch::is_endless(process.hardware_capabilities(), code.chain(unread))
}
