//! One run of a command with some environment: memory and CPU of the command and all that it starts.

use crate::runs::huge_pages;
use crate::tune::Setting;
use crate::tune::inside::Inside;
use m5_cpython::Interpreter;
use m5_process::{Keeper, Process, measured, send_signal, ticks_per_second};
use m5_report::tune::TuneRun;
use m5_stats::median;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Time between two looks.
const STEP: Duration = Duration::from_millis(20);
/// How long an interpreter may take to start, a command to end when asked to, what follows a load.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(2);

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The command.
    pub command: Vec<OsString>,
    /// What loads it, by `sh -c`, with its PID in `M5_TUNE_PID`; when that has ended the command is ended.
    pub load: Option<String>,
    /// The command is ended after this time; without load and time it ends by itself.
    pub most: Option<Duration>,
    /// A process that has run for so long is warm: then what is written into a living process is written.
    pub warm_up: Duration,
}

/// A look at everything: resident memory, and clock ticks by process.
#[derive(Default)]
struct Looks {
    rss: Vec<f64>,
    ticks: BTreeMap<i32, u64>,
}

impl Looks {
    fn look(&mut self, pid: i32) {
        let mut sum = 0;
        for pid in std::iter::once(pid).chain(Process::descendants(pid).unwrap_or_default()) {
            let Ok(process) = Process::open(pid) else { continue };
            sum += process.status().ok().and_then(|s| s.rss_bytes).unwrap_or(0);
            if let Ok(stat) = process.stat() {
                self.ticks.insert(pid, stat.user_ticks + stat.system_ticks);
            }
        }
        // The last look may find nothing but what has ended.
        if sum > 0 {
            self.rss.push(sum as f64);
        }
    }

    fn run(&self, elapsed: Duration, inside: &mut Inside) -> Result<TuneRun, String> {
        inside.applied()?;
        self.seen(elapsed, inside.pause_seconds()).ok_or_else(|| "it ended too soon".to_owned())
    }

    fn seen(&self, elapsed: Duration, pause_seconds: Option<f64>) -> Option<TuneRun> {
        let last = self.rss.get(self.rss.len() * 2 / 3..)?;
        Some(TuneRun {
            rss_bytes: median(last)?,
            peak_rss_bytes: self.rss.iter().copied().fold(0.0, f64::max),
            pause_seconds,
            cpu_seconds: self.ticks.values().sum::<u64>() as f64 / ticks_per_second(),
            elapsed_seconds: elapsed.as_secs_f64(),
        })
    }
}

/// Runs it once. What it prints goes to standard error.
///
/// # Errors
/// In words: it does not start, or ends badly, or its load does.
pub fn measure(
    plan: &Plan,
    setting: Option<&Setting>,
    goes_on: &dyn Fn() -> bool,
) -> Result<TuneRun, String> {
    let (program, args) = plan.command.split_first().ok_or("no command")?;
    let mut start = Command::new(program);
    measured(start.args(args)).stdout(std::io::stderr());
    // Sets and dictionaries differ in size from run to run with a random seed.
    start.env("PYTHONHASHSEED", "0").envs(setting.iter().flat_map(|s| &s.environment).map(|(k, v)| (k, v)));
    let mut keeper = Keeper::begin(&[]).map_err(|e| e.to_string())?;
    let began = Instant::now();
    let no_huge_pages = setting.is_some_and(|s| s.no_huge_pages);
    let mut command =
        Started(spawn(&mut start, no_huge_pages).map_err(|e| format!("{}: {e}", program.display()))?);
    let pid = command.0.id() as i32;
    keeper.keep(command.0.id()).map_err(|e| e.to_string())?;
    let mut inside = Inside::of(pid, setting.and_then(|s| s.collector), began + plan.warm_up);
    let mut looks = Looks::default();
    let mut load = match &plan.load {
        None => None,
        Some(load) => {
            command.wait_for_python(&mut looks)?;
            let mut start = Command::new("sh");
            measured(start.args(["-c", load])).env("M5_TUNE_PID", pid.to_string()).stdout(std::io::stderr());
            let load = Started(start.spawn().map_err(|e| format!("the load: {e}"))?);
            keeper.keep(load.0.id()).map_err(|e| e.to_string())?;
            Some(load)
        }
    };
    let mut end = plan.most.map(|most| began + most);
    loop {
        looks.look(pid);
        inside.look();
        if let Some(status) = command.ended()? {
            return match (status.success(), plan.load.is_some() && end.is_none()) {
                (true, false) => looks.run(began.elapsed(), &mut inside),
                (true, true) => Err("the command ended before its load".to_owned()),
                (false, _) => Err(format!("ended with {status}")),
            };
        }
        let loaded = load.as_mut().map(Started::ended).transpose()?.flatten();
        if let Some(status) = loaded {
            if !status.success() {
                return Err(format!("the load ended with {status}"));
            }
            load = None;
            end = Some(Instant::now() + SETTLE);
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            let run = looks.run(began.elapsed(), &mut inside);
            command.stop();
            return run;
        }
        if !goes_on() {
            return Err("asked to end".to_owned());
        }
        std::thread::sleep(STEP);
    }
}

/// Starts it, without huge pages where none are wanted.
fn spawn(command: &mut Command, no_huge_pages: bool) -> std::io::Result<Child> {
    if no_huge_pages { huge_pages::without(|| command.spawn())? } else { command.spawn() }
}

/// A process that ends with the value.
struct Started(Child);

impl Started {
    fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        self.0.try_wait().map_err(|e| e.to_string())
    }

    /// Waits until there is an interpreter in it or below it.
    fn wait_for_python(&mut self, looks: &mut Looks) -> Result<(), String> {
        let (deadline, pid) = (Instant::now() + START, self.0.id() as i32);
        let runs = |pid: i32| Process::open(pid).is_ok_and(|p| Interpreter::attach(&p).is_ok());
        while !std::iter::once(pid).chain(Process::descendants(pid).unwrap_or_default()).any(runs) {
            if let Some(status) = self.ended()? {
                return Err(format!("ended with {status} before its load began"));
            }
            if Instant::now() > deadline {
                return Err("no Python was started by it".to_owned());
            }
            looks.look(pid);
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Asks it to end, then makes it and all of its group.
    fn stop(&mut self) {
        let tree: Vec<i32> = std::iter::once(self.0.id() as i32)
            .chain(Process::descendants(self.0.id() as i32).unwrap_or_default())
            .collect();
        let tree: Vec<Process> = tree.into_iter().filter_map(|pid| Process::open(pid).ok()).collect();
        if let Some(first) = tree.first() {
            let _ = send_signal(first.identity(), libc::SIGTERM);
        }
        let deadline = Instant::now() + STOP;
        while matches!(self.ended(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(STEP);
        }
        for process in tree {
            let _ = send_signal(process.identity(), libc::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.ended(), Ok(None)) {
            self.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::candidates;

    fn plan(command: &[&str], load: Option<&str>) -> Plan {
        Plan {
            command: command.iter().map(Into::into).collect(),
            load: load.map(str::to_owned),
            most: None,
            warm_up: Duration::ZERO,
        }
    }

    fn python() -> String {
        let known = m5_testkit::pythons();
        known.iter().find(|p| !p.name.contains("chroot")).unwrap().name.clone()
    }

    #[test]
    fn a_run_is_measured_to_its_end_with_its_environment() {
        let code =
            "import os, time; x = bytearray(50 << 20) if os.environ.get('BIG') else 0; time.sleep(0.5)";
        let plan = plan(&[&python(), "-c", code], None);
        let mut big = candidates(|_| None).0.remove(0);
        big.environment = vec![("BIG".into(), "1".into())];
        let small = measure(&plan, None, &|| true).unwrap();
        let big = measure(&plan, Some(&big), &|| true).unwrap();
        assert!(
            big.rss_bytes > small.rss_bytes + 4e7 && big.peak_rss_bytes >= big.rss_bytes,
            "{small:?} {big:?}"
        );
        assert!(small.elapsed_seconds > 0.4);
    }

    #[test]
    fn a_server_is_ended_when_its_load_has() {
        let plan =
            plan(&[&python(), "-c", "import time; time.sleep(600)"], Some("test -d /proc/$M5_TUNE_PID"));
        assert!(measure(&plan, None, &|| true).unwrap().rss_bytes > 0.0);
        assert!(measure(&Plan { load: Some("false".into()), ..plan }, None, &|| true).is_err());
    }

    #[test]
    fn what_no_variable_sets_is_set_too() {
        let find = |name: &str| candidates(|_| None).0.into_iter().find(|s| s.name == name);
        // A kernel without huge pages has nothing to try.
        if let Some(setting) = find("no-huge-pages") {
            let code = "import sys, time; time.sleep(0.2)\n\
                        sys.exit('THP_enabled:\\t0' not in open('/proc/self/status').read())";
            let run = measure(&plan(&[&python(), "-c", code], None), Some(&setting), &|| true);
            assert!(run.is_ok(), "{run:?}");
        }
        let code = "import gc, sys, time\nend = time.monotonic() + 60\n\
                    while gc.get_threshold()[0] != 10000 and time.monotonic() < end: time.sleep(0.05)\n\
                    gc.collect(); time.sleep(0.3); sys.exit(time.monotonic() >= end)";
        let plan = plan(&[&python(), "-c", code], None);
        let run = measure(&plan, find("gc-10000").as_ref(), &|| true).unwrap();
        assert!(run.pause_seconds.is_some_and(|s| s > 0.0), "{run:?}");
        let late = Plan { warm_up: Duration::from_secs(900), ..plan };
        let short = Plan {
            command: vec![python().into(), "-c".into(), "import time; time.sleep(0.3)".into()],
            ..late
        };
        assert!(measure(&short, find("gc-10000").as_ref(), &|| true).unwrap_err().contains("--warmup"));
    }

    #[test]
    fn what_ends_badly_is_no_measurement() {
        assert!(measure(&plan(&["false"], None), None, &|| true).unwrap_err().contains("exit status"));
        assert!(measure(&plan(&["/nonexistent/x"], None), None, &|| true).is_err());
        let asked = measure(&plan(&["sleep", "600"], None), None, &|| false);
        assert_eq!(asked.unwrap_err(), "asked to end");
    }
}
