//! Opens and closes the watch as the budget says.

use super::source::WatchSource;
use super::window::Window;
use crate::PauseSource;
use crate::budget::Step;
use m5_process::cpu_ns;
use m5_process::monotonic_ns as now_ns;
use std::time::Duration;

/// Looks, and the time between them, for a moment without a collection when a window closes.
const CLOSE_TRIES: usize = 20;
const CLOSE_WAIT: Duration = Duration::from_micros(50);

/// How often context switches are counted, and what a register adds to one, seconds.
const COUNT_NS: u64 = 500_000_000;
const PER_SWITCH: f64 = 0.65e-6;

/// Totals at the last step of the budget.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    time: u64,
    cpu: u64,
    collections: u64,
    traps: u64,
    seen: u64,
    switches: u64,
}

impl WatchSource {
    /// Opens, closes, or lets be, as the budget says.
    pub(super) fn steer(&mut self, now: u64) {
        let totals = self.totals();
        let last = std::mem::replace(&mut self.last, totals);
        let standing = self.standing(now);
        let Some(budget) = &mut self.budget else { return };
        let open = budget.next(&Step {
            wall: totals.time.saturating_sub(last.time) as f64 / 1e9,
            cpu: totals.cpu.saturating_sub(last.cpu) as f64 / 1e9,
            collections: totals.collections.saturating_sub(last.collections),
            seen: totals.seen - last.seen,
            traps: totals.traps - last.traps,
            switches: totals.switches - last.switches,
            open: !matches!(self.window, Window::Closed { .. }),
            standing,
        });
        match self.window {
            Window::Open { from } if !open => {
                self.window = Window::Closing { from, until: now };
                self.open_ns += now - self.opened_ns;
                self.close();
            }
            Window::Closing { .. } => self.close(),
            Window::Closed { .. } if open => self.open(),
            Window::Open { .. } | Window::Closed { .. } => {}
        }
    }

    /// What a window costs by being open, CPU seconds a second: each register is loaded at each context
    /// switch. The switches are counted once in a while.
    fn standing(&mut self, now: u64) -> f64 {
        if self.budget.is_some() && now - self.counted_ns >= COUNT_NS {
            let mut pids: Vec<i32> = self.tracked.iter().map(|t| t.collector.pid).collect();
            pids.dedup();
            let count = pids.into_iter().map(context_switches).sum::<u64>();
            let before = std::mem::replace(&mut self.context_switches, count);
            let seconds = (now - std::mem::replace(&mut self.counted_ns, now)) as f64 / 1e9;
            let watches = self.programs.iter().map(|p| p.switched()).max().unwrap_or(0);
            // At first there is nothing to compare with, and threads that ended take theirs away.
            let rate = if before > 0 { count.saturating_sub(before) as f64 / seconds } else { 0.0 };
            self.standing = rate * watches as f64 * PER_SWITCH;
        }
        self.standing
    }

    /// Switches the watch off as soon as nothing runs that began in the window: collections of an interpreter
    /// follow one another, so a moment without one will do. A long one is waited for until the next drain.
    fn close(&mut self) {
        let Window::Closing { from, until } = self.window else { return };
        let mut running: Vec<usize> = (0..self.tracked.len()).collect();
        for _ in 0..CLOSE_TRIES {
            running.retain(|i| self.tracked[*i].collector.interpreter.read().is_ok_and(|s| s.collecting));
            if running.is_empty() {
                let rings = &self.rings;
                self.programs.iter_mut().for_each(|p| p.switch(false, rings));
                self.switches += 1;
                self.window = Window::Closed { from, until };
                return;
            }
            std::thread::sleep(CLOSE_WAIT);
        }
    }

    fn open(&mut self) {
        let rings = &self.rings;
        self.programs.iter_mut().for_each(|p| p.switch(true, rings));
        self.switches += 1;
        self.tracked.iter_mut().for_each(|t| t.collector.unwatched());
        let from = now_ns();
        self.window = Window::Open { from };
        self.opened_ns = from;
    }

    pub(super) fn totals(&self) -> Totals {
        let mut pids: Vec<i32> = self.tracked.iter().map(|t| t.collector.pid).collect();
        pids.dedup();
        Totals {
            time: now_ns(),
            cpu: pids.into_iter().filter_map(cpu_ns).sum(),
            collections: self.coverage().happened(),
            traps: self.traps,
            seen: self.seen,
            switches: self.switches,
        }
    }
}

/// Context switches so far of the threads that live.
fn context_switches(pid: i32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of = |status: String| -> u64 {
        let lines = status.lines().filter(|l| l.contains("ctxt_switches"));
        lines.filter_map(|l| l.rsplit(char::is_whitespace).next()?.parse::<u64>().ok()).sum()
    };
    tasks.filter_map(|t| std::fs::read_to_string(t.path().join("status")).ok()).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_switches_are_counted() {
        use std::io::{BufRead, BufReader, Write};
        use std::process::{Command, Stdio};
        let mut child = Command::new("sh")
            .args(["-c", "read a; for i in 1 2 3 4 5 6 7 8; do sleep 0; done; echo; read b"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (pid, mut say) = (child.id() as i32, child.stdin.take().unwrap());
        let before = context_switches(pid);
        say.write_all(b"\n").unwrap();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        assert!(context_switches(pid) > before);
        drop(say);
        child.wait().unwrap();
    }
}
