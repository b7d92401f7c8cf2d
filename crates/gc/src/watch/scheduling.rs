//! How the threads under watch are scheduled: how often one is put on a processor, and how long they wait for one.

use std::collections::HashMap;
use std::fs;

/// Of one thread, or of all: times that it was put on a processor, and nanoseconds that it could have run and did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Scheduled {
    pub(super) switches: u64,
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
        let now: HashMap<i32, Scheduled> = pids
            .iter()
            .flat_map(|pid| threads(*pid))
            .filter_map(|(pid, tid)| Some((tid, of(pid, tid)?)))
            .collect();
        if let Some(last) = &self.last {
            for (tid, thread) in &now {
                let before = last.get(tid).copied().unwrap_or_default();
                self.total.switches += thread.switches.saturating_sub(before.switches);
                self.total.waited_ns += thread.waited_ns.saturating_sub(before.waited_ns);
            }
        }
        self.last = Some(now);
    }
}

fn threads(pid: i32) -> impl Iterator<Item = (i32, i32)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(move |t| Some((pid, t.file_name().to_str()?.parse().ok()?)))
}

fn of(pid: i32, tid: i32) -> Option<Scheduled> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).unwrap_or_default();
    let mut numbers = text.split_whitespace().skip(1).map(|n| n.parse().unwrap_or(0));
    let (waited_ns, switches) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if switches > 0 {
        return Some(Scheduled { switches, waited_ns });
    }
    // A kernel that keeps no account of waits still counts the switches.
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let counts = status.lines().filter(|l| l.contains("ctxt_switches"));
    let switches = counts.filter_map(|l| l.rsplit(char::is_whitespace).next()?.parse::<u64>().ok()).sum();
    Some(Scheduled { switches, waited_ns: 0 })
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
        drop(say);
        child.wait().unwrap();
    }
}
