//! The command that the watchdog itself runs: started again when it ends or a rule asks, ever more slowly, and
//! not for ever.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::launch::Launched;
use m5_agent::pool::Selection;
use m5_agent::watchdog::Watchdog;
use m5_process::Process;
use m5_report::texts::Watch;
use serde_json::json;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// Starts within [`PERIOD`] after which it is given up.
const MOST: usize = 5;
const PERIOD: Duration = Duration::from_secs(600);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What became of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supervised {
    /// It runs, or waits for its next start.
    Runs,
    /// It was started again.
    Anew,
    /// It ended and is not started again: that was not allowed.
    Finished,
    /// A rule asks for too many restarts: it runs on.
    Refused,
    /// It ended too often.
    GaveUp,
}

/// A supervised command.
pub(super) struct Supervisor {
    command: Vec<OsString>,
    restarts: bool,
    running: Option<(Launched, Process)>,
    next: Option<Instant>,
    starts: VecDeque<Instant>,
}

impl Supervisor {
    /// Starts the command. Only `restarts` allows to start it again.
    pub(super) fn start(command: &[OsString], restarts: bool, ctx: &Ctx) -> Result<Self, CliError> {
        let launched = Launched::service(command, ctx)?;
        let process = launched.python()?;
        Ok(Self {
            command: command.to_owned(),
            restarts,
            running: Some((launched, process)),
            next: None,
            starts: VecDeque::from([Instant::now()]),
        })
    }

    /// The process that runs now.
    pub(super) fn selection(&self) -> Selection {
        let processes = self.running.iter().map(|(_, process)| process.identity()).collect();
        Selection { processes, names: Vec::new() }
    }

    /// Looks after it; `asked` to restart it ends it first (politely, then not).
    pub(super) fn step(
        &mut self,
        asked: bool,
        ctx: &Ctx,
        watchdog: &mut Watchdog,
    ) -> Result<Supervised, CliError> {
        self.starts.retain(|at| at.elapsed() < PERIOD);
        let ended = self.running.as_ref().is_some_and(|(launched, _)| launched.ended());
        if asked && !ended && self.restarts && self.starts.len() >= MOST {
            // Ended now it would not be started again: a service that is too large is better than none.
            watchdog.note("restart_refused", self.too_many());
            ctx.note(Watch::Refused, &[&self.starts.len()]);
            return Ok(Supervised::Refused);
        }
        if ended || (asked && self.running.is_some()) {
            self.running = None;
            watchdog.note("ended", json!({"asked": asked}));
            if !self.restarts {
                ctx.note(Watch::Ended, &[]);
                return Ok(Supervised::Finished);
            }
            if self.starts.len() >= MOST {
                watchdog.note("gave_up", self.too_many());
                ctx.note(Watch::GaveUp, &[&self.starts.len()]);
                return Ok(Supervised::GaveUp);
            }
            self.next = Some(Instant::now() + wait(self.starts.len()));
        }
        match self.next {
            Some(at) if Instant::now() >= at => self.again(ctx, watchdog),
            _ => Ok(Supervised::Runs),
        }
    }

    fn too_many(&self) -> serde_json::Value {
        json!({"starts": self.starts.len(), "within_seconds": PERIOD.as_secs()})
    }

    fn again(&mut self, ctx: &Ctx, watchdog: &mut Watchdog) -> Result<Supervised, CliError> {
        self.next = None;
        self.starts.push_back(Instant::now());
        let launched = Launched::service(&self.command, ctx)?;
        match launched.python() {
            Ok(process) => {
                watchdog.note("started", json!({"pid": process.pid()}));
                ctx.note(Watch::Started, &[&process.pid()]);
                self.running = Some((launched, process));
                Ok(Supervised::Anew)
            }
            Err(error) => {
                watchdog.note("start_failed", json!({"reason": error.explain(ctx.lang).message}));
                self.next = Some(Instant::now() + wait(self.starts.len()));
                Ok(if self.starts.len() >= MOST { Supervised::GaveUp } else { Supervised::Runs })
            }
        }
    }
}

/// Doubles with each start of the period.
fn wait(starts: usize) -> Duration {
    let doublings = u32::try_from(starts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        assert_eq!((wait(1), wait(2), wait(3)), (FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4));
        assert_eq!(wait(99), LONGEST_WAIT);
    }
}
