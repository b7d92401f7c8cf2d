//! Ctrl-C and a polite kill end a recording early; what was seen is still saved. A second one ends m5 at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether somebody asked to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    pub(crate) fn listen() -> Self {
        let stop = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
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
}
