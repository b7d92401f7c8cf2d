//! What the interpreter says of its threads: their stacks, and the names that Python gave them.

use crate::stack::{ThreadStack, Walk};
use crate::values::Values;
use crate::{Interpreter, Result};
use m5_process::Memory;
use std::collections::HashMap;

/// Reads the stacks of an interpreter's threads.
pub struct Stacks<M>(Option<Walk<M>>);

impl<M: Memory> Stacks<M> {
    /// The stack of the thread with this state, of at most so many frames.
    #[must_use]
    pub fn of(&self, thread: u64, most: usize) -> ThreadStack {
        self.0.as_ref().map(|walk| walk.stack(thread, most)).unwrap_or_default()
    }
}

impl<M: Memory + Clone> Interpreter<M> {
    /// A reader of its threads' stacks.
    #[must_use]
    pub fn stacks(&self) -> Stacks<M> {
        let walk = |objects| Walk { values: Values::new(self.memory(), objects), lines: &objects.lines };
        Stacks(self.objects().map(walk))
    }

    /// The names in `threading`, by the address of each thread's state; without those that `threading` does not know.
    ///
    /// # Errors
    /// [`crate::Error`] where the list of threads cannot be read: the process has ended.
    pub fn thread_names(&self) -> Result<HashMap<u64, String>> {
        let Some(objects) = self.objects() else { return Ok(HashMap::new()) };
        let values = Values::new(self.memory(), objects);
        let active = || values.items(values.in_module(self.address(), "threading", "_active")?);
        let name = |thread| values.text(values.attribute(thread, "_name")?);
        let by_ident: HashMap<u64, String> = (active().unwrap_or_default().into_iter())
            .filter_map(|(ident, thread)| Some((values.int(ident)?, name(thread)?)))
            .collect();
        let ident = |thread: u64| values.field(thread, self.layout().thread_id);
        let threads = self.threads()?.into_iter();
        Ok(threads.filter_map(|t| Some((t.address, by_ident.get(&ident(t.address)?)?.clone()))).collect())
    }
}
