//! Work on an image, in time that nobody else wants.
//!
//! A capture pauses the target for milliseconds; the analysis behind it takes a second of every processor. On
//! a small machine the target then waits for its turn again and again, and loses more than by the pause.

use m5_process::{run_when_idle, spare_processor};
use rayon::ThreadPoolBuilder;

/// Does the work on threads that run only where a processor is idle. Where none is spare at the start, it is
/// done as any other: it would never end behind a target that computes without a rest.
pub(crate) fn on_idle_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if !spare_processor() {
        return work();
    }
    match ThreadPoolBuilder::new().start_handler(|_| run_when_idle()).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}
