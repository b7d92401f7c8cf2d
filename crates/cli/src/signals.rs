//! Ctrl-C and a polite kill end a recording early; what was seen is still saved. A second one ends m5 at once.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A file that may not become larger (`ulimit -f`) is an error of the write, and not m5's end in the middle of it. What m5
/// starts has the default again.
pub(crate) fn large_files_are_errors() {
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Says whether somebody asked to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    pub(crate) fn listen() -> Self {
        Self::listen_but(0)
    }

    /// The same without one of them, which then means something else.
    pub(crate) fn listen_but(other: i32) -> Self {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != other) {
            // The first sets the flag; the second finds it set and ends the process in the signal's own way.
            let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop.0));
            let _ = signal_hook::flag::register(signal, Arc::clone(&stop.0));
        }
        stop
    }

    /// Whether to stop.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits in short steps; false when somebody asked to stop.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|l| !l.is_zero()) {
            if self.asked() {
                return false;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
        true
    }
}
