//! What a rule may do. Evidence always comes before what changes anything.

use serde::{Deserialize, Serialize};

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Take a heap snapshot of the service and save it.
    Snapshot,
    /// Profile its collections for half a minute and save the result.
    GcProfile,
    /// Sample where objects are made, and which survive, for half a minute and save the result (`m5 alloc`).
    AllocProfile,
    /// Give free memory back to the system (`m5 trim`). Actions of the same rule that end the service wait whether that
    /// was enough.
    Trim,
    /// Send the event as JSON to an address.
    Webhook(String),
    /// Run a command, with the event in its environment and on its standard input.
    Command(Vec<String>),
    /// Send a signal to the service.
    Signal(String),
    /// Restart the systemd unit, or the command that the watchdog supervises.
    Restart,
}

impl Action {
    /// Its word in the journal.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::GcProfile => "gc_profile",
            Self::AllocProfile => "alloc_profile",
            Self::Trim => "trim",
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
            Self::Signal(_) => "signal",
            Self::Restart => "restart",
        }
    }

    /// Whether the service may end by it: done only where that was allowed.
    #[must_use]
    pub fn kills(&self) -> bool {
        matches!(self, Self::Signal(_) | Self::Restart)
    }

    /// Whether the service ends by it where it does as is usual; what asks it to reload or to tell something does not.
    #[must_use]
    pub fn ends(&self) -> bool {
        match self {
            Self::Restart => true,
            Self::Signal(name) => {
                matches!(name.strip_prefix("SIG").unwrap_or(name), "TERM" | "KILL" | "INT" | "QUIT")
            }
            _ => false,
        }
    }

    /// Whether it leaves a file.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        matches!(self, Self::Snapshot | Self::GcProfile | Self::AllocProfile)
    }

    /// Sorts actions: evidence, then word to others, then what changes the service. Equals keep their order.
    pub fn evidence_first(actions: &mut [Self]) {
        actions.sort_by_key(|a| match a {
            Self::Snapshot | Self::GcProfile | Self::AllocProfile => 0,
            Self::Webhook(_) => 1,
            Self::Command(_) => 2,
            Self::Trim => 3,
            Self::Signal(_) => 4,
            Self::Restart => 5,
        });
    }
}

/// The number of a signal by its name, with or without `SIG`.
pub(super) fn signal_number(name: &str) -> Option<i32> {
    Some(match name.strip_prefix("SIG").unwrap_or(name) {
        "HUP" => libc::SIGHUP,
        "INT" => libc::SIGINT,
        "QUIT" => libc::SIGQUIT,
        "USR1" => libc::SIGUSR1,
        "USR2" => libc::SIGUSR2,
        "TERM" => libc::SIGTERM,
        "KILL" => libc::SIGKILL,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_comes_first() {
        let mut all = vec![Action::Restart, Action::Trim, Action::Webhook("x".into()), Action::Snapshot];
        Action::evidence_first(&mut all);
        assert_eq!(
            all.iter().map(Action::word).collect::<Vec<_>>(),
            ["snapshot", "webhook", "trim", "restart"]
        );
        assert!(all[3].kills() && !all[0].kills());
    }
}
