//! Pauses as a program in the kernel tells them, where debug registers are too few for a watch.

use m5_gc::{Teller, ToldPause};
use m5_kernel::{CollectionWatch, EndedCollection};
use m5_process::Process;

/// A program in the kernel at the collectors of a process.
struct Kernel(CollectionWatch);

impl Teller for Kernel {
    fn told(&mut self) -> Vec<ToldPause> {
        // A target that is gone is noticed by whoever reads its counters.
        let _began = self.0.drain();
        self.0.ended().into_iter().map(told).collect()
    }

    fn lost(&self) -> u64 {
        self.0.lost().unwrap_or(0)
    }
}

fn told(ended: EndedCollection) -> ToldPause {
    let EndedCollection { began, duration_ns, generation, collected } = ended;
    ToldPause {
        interpreter: began.interpreter,
        tid: began.tid,
        start_ns: began.start_ns,
        duration_ns,
        generation,
        collected,
        stack: began.stack,
    }
}

/// Who tells all the pauses of a process; nobody where the kernel refuses.
#[must_use]
pub fn teller(process: &Process) -> Option<Box<dyn Teller>> {
    let watch = CollectionWatch::attach(process).ok()?;
    Some(Box::new(Kernel(watch)))
}
