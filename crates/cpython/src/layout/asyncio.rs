//! Fields of `_asyncio.Task`, and lists of tasks; where each version keeps them stands with its other fields of objects.

/// Fields of a task as the C module has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskFields {
    /// The future that it waits for.
    pub waiter: u64,
    /// Its coroutine.
    pub coroutine: u64,
    /// Its name.
    pub name: u64,
    /// Its state: zero while it is pending.
    pub state: u64,
    /// Linked lists of tasks, where there are any (3.14 on).
    pub lists: Option<TaskLists>,
}

/// Lists of tasks: one of each thread, and one of each interpreter for threads that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskLists {
    /// Offset of a task's place in its list.
    pub node: u64,
    /// Offset of the list's head in an interpreter.
    pub interpreter: u64,
    /// Offset of the list's head in a thread state.
    pub thread: u64,
}

impl TaskFields {
    pub(super) const fn at(waiter: u64, state: u64, lists: Option<TaskLists>) -> Self {
        // These three follow each other in every version.
        Self { waiter, coroutine: waiter + 8, name: waiter + 16, state, lists }
    }
}

/// What a build publishes about its tasks: a section of its own, thirteen words (3.14 on).
pub mod published {
    /// The section's name.
    pub const SECTION: &str = ".AsyncioDebug";
    /// Words in it.
    pub const WORDS: usize = 13;
    /// Which of them are the name, the coroutine, the place in a list, the head in an interpreter, that in a thread.
    pub const NAME: usize = 1;
    /// Likewise.
    pub const COROUTINE: usize = 5;
    /// Likewise.
    pub const NODE: usize = 6;
    /// Likewise.
    pub const INTERPRETER: usize = 8;
    /// Likewise.
    pub const THREAD: usize = 12;
}
