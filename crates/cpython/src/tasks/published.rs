//! What the module `_asyncio` publishes about its tasks from 3.14 on: a section of its file.

use crate::Interpreter;
use crate::decode::word;
use crate::find::section_address;
use crate::layout::asyncio::published::{COROUTINE, INTERPRETER, NAME, NODE, SECTION, THREAD, WORDS};
use crate::layout::asyncio::{TaskFields, TaskLists, tasks};
use m5_process::{Memory, Process};

/// More than any offset in an interpreter or a thread.
const LARGEST: u64 = 1 << 20;

/// The offsets that this very build has; `None` where it publishes none that make sense.
pub(super) fn read(interpreter: &Interpreter, process: &Process) -> Option<TaskFields> {
    let maps = process.maps().ok()?;
    let module = |path: &str| path.rsplit('/').next().is_some_and(|file| file.starts_with("_asyncio."));
    let first = |named: &dyn Fn(&str) -> bool| maps.iter().find(|m| m.offset == 0 && named(&m.path));
    let map = first(&module).or_else(|| first(&|path| path == interpreter.file()))?;
    let at = section_address(process.open_mapped(map)?, &interpreter.memory(), map, SECTION)?;
    let bytes = interpreter.memory().bytes::<{ WORDS * 8 }>(at).ok()?;
    let published = |index: usize| word(&bytes, index * 8);
    let known = tasks(interpreter.layout().minor)?;
    let lists =
        TaskLists { node: published(NODE), interpreter: published(INTERPRETER), thread: published(THREAD) };
    // What it does not publish stands where it does in the table, as long as the rest agrees with it.
    let agrees = (published(NAME), published(COROUTINE)) == (known.name, known.coroutine);
    let sound = [lists.node, lists.interpreter, lists.thread].iter().all(|o| *o > 0 && *o < LARGEST);
    (agrees && sound).then_some(TaskFields { lists: Some(lists), ..*known })
}
