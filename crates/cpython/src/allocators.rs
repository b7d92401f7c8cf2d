//! What a running process holds in the allocator of its interpreter, whichever that is. Nothing is stopped.

use crate::pages::Pages;
use crate::pools::{PoolUse, Pools};
use crate::{Interpreter, Result};
use m5_process::Process;

/// The allocators of a process: one, or one for each interpreter, or the pages of mimalloc.
#[derive(Debug, Clone)]
pub struct Allocators(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Pools(Box<Pools>),
    Pages(Pages),
}

impl Allocators {
    /// Finds the allocators. `None` where the process does not use them (`PYTHONMALLOC=malloc`) or hides them.
    #[must_use]
    pub fn find(process: &Process, interpreter: &Interpreter) -> Option<Self> {
        let pools = || Pools::find(process, interpreter).map(|pools| Kind::Pools(Box::new(pools)));
        let pages = || Pages::find(process, interpreter).map(Kind::Pages);
        pools().or_else(pages).map(Self)
    }

    /// What they hold now.
    ///
    /// # Errors
    /// [`crate::Error`] where the lists cannot be read: the process has ended, or executed another program.
    pub fn read(&self) -> Result<PoolUse> {
        match &self.0 {
            Kind::Pools(pools) => pools.read(),
            Kind::Pages(pages) => pages.read(),
        }
    }
}
