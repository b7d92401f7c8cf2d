//! m5 killed while a command runs that it started: what was started to be measured ends with it, a service goes on, and no
//! folder stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::until;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{folder, m5};

const LONG: Duration = Duration::from_secs(120);

/// Says so when it runs, with another process below it, and goes on until it is ended.
const WORK: &str = "
import subprocess, sys, time
below = subprocess.Popen(['sleep', '600'])
print('runs', file=sys.stderr, flush=True)
time.sleep(600)
";
/// The same alone.
const ALONE: &str = "
import sys, time
print('runs', file=sys.stderr, flush=True)
time.sleep(600)
";

/// Processes with this word in the environment that they began with, but for zombies.
fn marked(mark: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|part| part == mark.as_bytes()) && !harm::has_ended(*pid)
    })
    .collect()
}

/// An m5 whose temporary files lie in a folder of their own, and a mark on all that comes of it.
struct Trial {
    temporary: tempfile::TempDir,
    mark: String,
}

impl Trial {
    fn new(name: &str) -> Self {
        let mark = format!("KILLED_WITH_WORK={name}-{}-{:?}", std::process::id(), Instant::now());
        Self { temporary: folder(), mark }
    }

    fn start(&self, before: &[&str], program: &str) -> Child {
        let (name, value) = self.mark.split_once('=').unwrap();
        let mut command: Command = m5();
        command.args(before).arg("--");
        command.arg(harm::newest().executable().unwrap()).args(["-c", program]);
        command.env(name, value).env("TMPDIR", self.temporary.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Nobody is there any more, and nothing lies in the folder.
    fn nothing_left(&self, what: &str) {
        let files = || fs::read_dir(self.temporary.path()).unwrap().count();
        let gone = until(LONG, || marked(&self.mark).is_empty() && files() == 0);
        let named: Vec<_> = marked(&self.mark).into_iter().map(command_of).collect();
        assert!(gone, "{what}: {named:?}, {} files", files());
    }
}

fn command_of(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

fn until_it_runs(m5: &mut Child) {
    let mut lines = BufReader::new(m5.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("runs")));
    // Whoever writes there later finds it open.
    std::thread::spawn(move || lines.for_each(drop));
}

const MEASURED: [&[&str]; 3] =
    [&["leaks", "-n", "2", "--processes", "1"], &["bench-run", "-n", "2"], &["tune"]];

#[test]
fn what_is_measured_ends_with_m5() {
    for words in MEASURED {
        let trial = Trial::new(words[0]);
        let mut m5 = trial.start(words, WORK);
        until_it_runs(&mut m5);
        assert!(marked(&trial.mark).len() > 2, "m5, the work, and what it started");
        m5.kill().unwrap();
        m5.wait().unwrap();
        trial.nothing_left(words[0]);
    }
}

/// At any moment of its start.
#[test]
fn at_every_moment_nothing_is_left() {
    let rounds = if std::env::var_os("M5_SLOW").is_some() { 100 } else { 10 };
    for words in MEASURED {
        for round in 0..rounds {
            let trial = Trial::new(words[0]);
            let mut m5 = trial.start(words, WORK);
            // The moments between its first instruction and the first line of the work.
            std::thread::sleep(Duration::from_millis(4 * round % 60));
            m5.kill().unwrap();
            m5.wait().unwrap();
            trial.nothing_left(&format!("{} after {} ms", words[0], 4 * round % 60));
        }
    }
}

/// Ctrl-C at a terminal and an end by a supervisor reach m5, which takes the work with it. (Who starts tests in the background
/// of a shell has them ignore the one.)
#[test]
fn asked_to_end_it_leaves_nothing_either() {
    for words in MEASURED {
        let trial = Trial::new(words[0]);
        let mut m5 = trial.start(words, WORK);
        until_it_runs(&mut m5);
        harm::signal(m5.id() as i32, 15);
        assert!(until(LONG, || m5.try_wait().unwrap().is_some()), "{words:?} goes on");
        trial.nothing_left(words[0]);
    }
}

/// What was started to be looked at is asked to end, as at m5's own end.
#[test]
fn what_is_looked_at_ends_with_m5() {
    for words in [&["gc", "-d", "600s"][..], &["baseline", "-d", "600s"], &["health", "-d", "600s"]] {
        let trial = Trial::new(words[0]);
        let mut m5 = trial.start(words, ALONE);
        until_it_runs(&mut m5);
        m5.kill().unwrap();
        m5.wait().unwrap();
        trial.nothing_left(words[0]);
    }
}

/// A service goes on when its watchdog is killed.
#[test]
fn a_service_lives_on() {
    let trial = Trial::new("watch");
    let state = trial.temporary.path().join("state");
    fs::create_dir(&state).unwrap();
    let journal = state.join("journal").display().to_string();
    let mut m5 = trial.start(&["watch", "--journal", &journal, "--evidence", &journal_folder(&state)], ALONE);
    until_it_runs(&mut m5);
    m5.kill().unwrap();
    m5.wait().unwrap();
    let service = marked(&trial.mark);
    assert_eq!(service.len(), 1, "{:?}", service.iter().map(|pid| command_of(*pid)).collect::<Vec<_>>());
    harm::signal(service[0], 9);
    fs::remove_dir_all(&state).unwrap();
    trial.nothing_left("watch");
}

fn journal_folder(state: &Path) -> String {
    state.display().to_string()
}
