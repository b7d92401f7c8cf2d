//! How the threads under watch are scheduled: how often one is put on a processor, and how long they wait for one after it was
//! taken away from them. What a thread waits for after it slept is none of what it was doing.

use std::collections::HashMap;
use std::fs;

/// Of one thread, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scheduled {
    /// Times that it was put on a processor.
    pub(super) switches: u64,
    /// Times that one was taken away from it.
    pub(super) preempted: u64,
    /// Nanoseconds that it could have run and did not, after these.
    pub(super) waited_ns: u64,
}

/// What the threads came to since the first reading. What one did between its last reading and its end is not known.
#[derive(Debug, Default)]
pub(super) struct Scheduling {
    last: Option<HashMap<i32, Scheduled>>,
    pub(super) total: Scheduled,
}

impl Scheduling {
    /// Reads the threads of these processes.
    pub(super) fn read(&mut self, pids: &[i32]) {
        let last = self.last.take();
        let known = |tid| last.as_ref().and_then(|l| l.get(&tid).copied());
        let now: HashMap<i32, Scheduled> = pids
            .iter()
            .flat_map(|pid| threads(*pid))
            .filter_map(|(pid, tid)| Some((tid, of(pid, tid, known(tid))?)))
            .collect();
        if last.is_some() {
            for (tid, thread) in &now {
                self.total.add(&thread.since(&known(*tid).unwrap_or_default()));
            }
        }
        self.last = Some(now);
    }
}

impl Scheduled {
    /// What came since, of the waits the part that followed where a processor was taken away: how long one lasts is not told.
    /// Those are the longer ones, a thread that slept being put ahead, so they count for more than they are.
    fn since(&self, before: &Self) -> Self {
        let switches = self.switches.saturating_sub(before.switches);
        let preempted = self.preempted.saturating_sub(before.preempted).min(switches);
        let waited = self.waited_ns.saturating_sub(before.waited_ns);
        let part = if switches > 0 { (LONGER * preempted as f64 / switches as f64).min(1.0) } else { 0.0 };
        Self { switches, preempted, waited_ns: (waited as f64 * part) as u64 }
    }

    fn add(&mut self, more: &Self) {
        self.switches += more.switches;
        self.preempted += more.preempted;
        self.waited_ns += more.waited_ns;
    }
}

/// Waits after a processor was taken away are longer than others by no more than this.
const LONGER: f64 = 10.0;

fn threads(pid: i32) -> impl Iterator<Item = (i32, i32)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(move |t| Some((pid, t.file_name().to_str()?.parse().ok()?)))
}

/// A thread now; where it has not run since it was `known`, that.
fn of(pid: i32, tid: i32, known: Option<Scheduled>) -> Option<Scheduled> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).unwrap_or_default();
    let mut numbers = text.split_whitespace().skip(1).map(|n| n.parse().unwrap_or(0));
    let (waited_ns, switches) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if switches > 0 && known.is_some_and(|k| (k.switches, k.waited_ns) == (switches, waited_ns)) {
        return known;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let count = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    let preempted = count("nonvoluntary_ctxt_switches:")?;
    // A kernel that keeps no account of waits still counts the switches.
    let switches = switches.max(count("voluntary_ctxt_switches:")? + preempted);
    Some(Scheduled { switches, preempted, waited_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_did_since_the_first_reading_is_counted() {
        use std::io::{BufRead, BufReader, Write};
        use std::process::{Command, Stdio};
        let mut child = Command::new("sh")
            .args(["-c", "read a; for i in 1 2 3 4 5 6 7 8; do sleep 0; done; echo; read b"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (pids, mut say) = ([child.id() as i32], child.stdin.take().unwrap());
        let mut scheduling = Scheduling::default();
        scheduling.read(&pids);
        assert_eq!(scheduling.total, Scheduled::default());
        say.write_all(b"\n").unwrap();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        scheduling.read(&pids);
        assert!(scheduling.total.switches > 0);
        assert!(scheduling.total.preempted <= scheduling.total.switches);
        drop(say);
        child.wait().unwrap();
    }

    #[test]
    fn waits_of_one_that_only_sleeps_are_none_of_what_it_did() {
        let before = Scheduled { switches: 100, preempted: 7, waited_ns: 1_000 };
        let slept = Scheduled { switches: 600, preempted: 7, waited_ns: 900_000 };
        assert_eq!(slept.since(&before), Scheduled { switches: 500, preempted: 0, waited_ns: 0 });
        let some = Scheduled { switches: 200, preempted: 9, waited_ns: 101_000 };
        assert_eq!(some.since(&before), Scheduled { switches: 100, preempted: 2, waited_ns: 20_000 });
        let all = Scheduled { switches: 120, preempted: 27, waited_ns: 51_000 };
        assert_eq!(all.since(&before), Scheduled { switches: 20, preempted: 20, waited_ns: 50_000 });
    }
}
