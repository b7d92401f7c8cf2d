//! What the module `_asyncio` publishes about its tasks from 3.14 on: a section of its file.

use crate::Interpreter;
use crate::decode::word;
use crate::find::section_address;
use crate::layout::asyncio::published::{COROUTINE, INTERPRETER, NAME, NODE, SECTION, THREAD, WORDS};
use crate::layout::asyncio::{TaskFields, TaskLists};
use m5_process::{Memory, Process};

/// More than any offset in an interpreter or a thread.
const LARGEST: u64 = 1 << 20;

/// The offsets that this very build has; `None` where it publishes none that make sense.
pub(super) fn read(interpreter: &Interpreter, process: &Process) -> Option<TaskFields> {
    let maps = process.maps().ok()?;
    let module = |path: &str| path.rsplit('/').next().is_some_and(|file| file.starts_with("_asyncio."));
    let first = |named: &dyn Fn(&str) -> bool| maps.iter().find(|m| m.offset == 0 && named(&m.path));
    let map = first(&module).or_else(|| first(&|path| path == interpreter.file()))?;
    let at = section_address(process.open_program(map)?, &interpreter.memory(), map, SECTION)?;
    let bytes = interpreter.memory().bytes::<{ WORDS * 8 }>(at).ok()?;
    let published = |index: usize| word(&bytes, index * 8);
    let objects = interpreter.objects()?;
    let known = objects.tasks;
    // Offsets in objects are counted as with the GIL (see `ObjectLayout::shift`).
    let shift = objects.shift();
    let of_task = |index: usize| published(index).wrapping_sub(shift);
    let lists =
        TaskLists { node: of_task(NODE), interpreter: published(INTERPRETER), thread: published(THREAD) };
    // What it does not publish stands where it does in the table, as long as the rest agrees with it.
    let agrees = (of_task(NAME), of_task(COROUTINE)) == (known.name, known.coroutine);
    let sound = [lists.node, lists.interpreter, lists.thread].iter().all(|o| *o > 0 && *o < LARGEST);
    (agrees && sound).then_some(TaskFields { lists: Some(lists), ..known })
}
