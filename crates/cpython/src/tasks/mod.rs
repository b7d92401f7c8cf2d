//! The asyncio tasks of an interpreter, and what each of them awaits.

mod awaits;
mod list;
mod published;

use crate::stack::{PyFrame, Walk};
use crate::values::Values;
use crate::{Interpreter, Result};
use m5_process::Process;
use serde::{Deserialize, Serialize};

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its coroutine runs now.
    Running,
    /// It waits for something.
    Waiting,
    /// It waits for its turn of the loop.
    Ready,
}

/// Something that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// Its class: `Future`, `Task`, `_GatheringFuture`.
    pub kind: String,
    /// Its name, where it is a task.
    pub task: Option<String>,
    /// Of what gathers others: the names of the tasks that are not done, and how many futures there are in all.
    pub gathers: Option<Gathers>,
}

/// What `asyncio.gather` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathers {
    /// Futures in all.
    pub futures: u64,
    /// Tasks among them that are not done.
    pub pending: Vec<String>,
}

/// A task that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncTask {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: TaskState,
    /// What runs in it, innermost first: each frame is awaited by the next one. Of a running task the outermost alone;
    /// the rest is on its thread's stack.
    pub stack: Vec<PyFrame>,
    /// What it waits for.
    pub awaits: Option<Awaited>,
    /// It changed while it was read.
    pub torn: bool,
    /// Address of its outermost frame while it runs.
    #[serde(skip)]
    pub(crate) running: Option<u64>,
}

/// Tasks of an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tasks {
    /// Whether it uses asyncio at all.
    pub used: bool,
    /// Tasks that are not done, in no order.
    pub tasks: Vec<AsyncTask>,
    /// Lists of tasks that changed while they were read, or do not read at all: tasks may be missing.
    pub unread: u64,
}

impl AsyncTask {
    /// Whether it runs on a stack.
    #[must_use]
    pub fn runs_on(&self, stack: &crate::ThreadStack) -> bool {
        self.running.is_some_and(|frame| stack.addresses.contains(&frame))
    }
}

impl Interpreter {
    /// Its asyncio tasks that are not done, of every loop and thread. Nothing is stopped: each task is looked at until
    /// two looks agree.
    ///
    /// # Errors
    /// [`crate::Error`] where the list of threads cannot be read: the process has ended.
    pub fn tasks(&self, process: &Process) -> Result<Tasks> {
        let Some(objects) = self.objects() else {
            return Ok(Tasks { used: true, unread: 1, ..Tasks::default() });
        };
        let walk = Walk { values: Values::new(self.memory(), objects), lines: &objects.lines };
        match walk.values.imported(self.address(), "asyncio.tasks") {
            Some(false) => return Ok(Tasks::default()),
            Some(true) => {}
            None => return Ok(Tasks { unread: 1, ..Tasks::default() }),
        }
        let fields =
            objects.tasks.lists.and_then(|_| published::read(self, process)).unwrap_or(objects.tasks);
        let (found, unread) = list::all(self, &walk.values, &fields)?;
        let reader = awaits::Reader { walk, fields, executing: objects.running.executing };
        let tasks = found.into_iter().filter_map(|task| reader.task(task)).collect();
        Ok(Tasks { used: true, tasks, unread })
    }
}
