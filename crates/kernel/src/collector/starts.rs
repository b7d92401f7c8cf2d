//! Where collections begin, within a budget.

use super::{CollectionWatch, CollectorEvent};
use crate::Result;
use m5_process::Process;

/// Tells beginnings alone: a watch that is closed at times misses ends, and which collections they were of.
#[derive(Debug)]
pub struct CollectionStarts(CollectionWatch);

impl CollectionStarts {
    /// Begins to watch, within a share of the process's time.
    ///
    /// # Errors
    /// As [`CollectionWatch::attach`].
    pub fn attach(process: &Process, max_overhead: f64) -> Result<Self> {
        CollectionWatch::within(process, Some(max_overhead)).map(Self)
    }

    /// The collections that began since the last call. To be called often: it keeps to the budget too.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn drain(&mut self) -> Result<Vec<CollectorEvent>> {
        let began = self.0.drain();
        // Nobody asks for the ends.
        self.0.ended();
        began
    }
}
