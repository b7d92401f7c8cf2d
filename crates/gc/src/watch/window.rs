//! When the watch is open. A pause counts where it began in a window, however long it then takes: if its end
//! decided, long pauses would be missed more often than short ones.

/// The watch over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    /// Since then.
    Open { from: u64 },
    /// Until then, but what began before it has not ended yet.
    Closing { from: u64, until: u64 },
    /// Closed at `until`, having been open since `from`.
    Closed { from: u64, until: u64 },
}

impl Window {
    /// Whether a pause that began then belongs to the sample.
    pub(crate) fn holds(self, start: u64) -> bool {
        match self {
            Self::Open { from } => start >= from,
            Self::Closing { from, until } | Self::Closed { from, until } => (from..=until).contains(&start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_decides() {
        assert!(Window::Open { from: 5 }.holds(5) && !Window::Open { from: 5 }.holds(4));
        let closed = Window::Closed { from: 5, until: 9 };
        assert!(closed.holds(9) && !closed.holds(10) && !closed.holds(4));
    }
}
