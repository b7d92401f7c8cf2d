//! Carrying actions out. Each is bounded in time; what kills looks once more whether it is still the same
//! process.
use super::Action;
use super::action::signal_number;
use super::event::Event;
use super::evidence::{ALLOCATIONS, PROFILE, SNAPSHOT, stem};
use m5_process::Identity;
use serde::Serialize;
use serde_json::Value;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long any one action may take.
const MOST: Duration = Duration::from_secs(300);
/// How long an action may go on when m5 is asked to end.
const GRACE: Duration = Duration::from_secs(20);
/// Time between two looks at a child.
const STEP: Duration = Duration::from_millis(50);

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The action's word, or `prune`: old evidence made room.
    pub action: &'static str,
    /// `done`, `failed`, `dry_run`, `quiet_hours`.
    pub result: &'static str,
    /// The file written or deleted, or the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Bytes that went back to the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_bytes: Option<u64>,
}

/// What an action says of itself.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) detail: Option<String>,
    pub(super) given_bytes: Option<u64>,
}

impl Came {
    fn with(detail: String) -> Self {
        Self { detail: Some(detail), given_bytes: None }
    }
}

/// Does it. `Restart` without a unit is the supervisor's and does not come here. Once `stop` is set, what runs
/// has a short grace.
pub(super) fn act(action: &Action, event: &Event, stop: &AtomicBool) -> Result<Came, String> {
    match action {
        Action::Snapshot => {
            let file = evidence_file(event, SNAPSHOT);
            let shown = file.display().to_string();
            m5(&["snapshot", "-p", &event.identity.pid.to_string(), "--save", &shown], None, stop)?;
            Ok(Came::with(shown))
        }
        Action::GcProfile => {
            let file = evidence_file(event, PROFILE);
            let pid = event.identity.pid.to_string();
            m5(&["gc", "-p", &pid, "-d", "30s", "--json"], Some(&file), stop)?;
            Ok(Came::with(file.display().to_string()))
        }
        Action::AllocProfile => {
            let file = evidence_file(event, ALLOCATIONS);
            let pid = event.identity.pid.to_string();
            m5(&["alloc", "-p", &pid, "-d", "30s", "--survival", "--json"], Some(&file), stop)?;
            Ok(Came::with(file.display().to_string()))
        }
        Action::Trim => trim(event, stop),
        Action::Webhook(url) => webhook(url, &event.json).map(|()| Came::default()),
        Action::Command(words) => command(words, event, stop).map(|()| Came::default()),
        Action::Signal(name) => signal(event.identity, name).map(|()| Came::default()),
        Action::Restart => {
            let unit = event.unit.as_deref().ok_or("no unit and no supervised command to restart")?;
            let mut restart = Command::new("systemctl");
            restart.args(["restart", unit]);
            wait(restart.stdin(Stdio::null()).spawn().map_err(|e| e.to_string())?, stop)
                .map(|()| Came::default())
        }
    }
}

fn evidence_file(event: &Event, ending: &str) -> PathBuf {
    event.evidence.join(stem(event) + ending)
}

/// Another m5 does the heavy work, so that the watchdog's own memory stays small.
fn m5(arguments: &[&str], output: Option<&Path>, stop: &AtomicBool) -> Result<(), String> {
    let mut command = another(arguments)?;
    if let Some(path) = output {
        command.arg("-o").arg(path);
    }
    wait(command.stdout(Stdio::null()).spawn().map_err(|e| e.to_string())?, stop)
}

fn another(arguments: &[&str]) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Gives memory back; in words what came of it. What was only partly given counts as given.
fn trim(event: &Event, stop: &AtomicBool) -> Result<Came, String> {
    let words = |error: std::io::Error| error.to_string();
    // Without a name: nothing of it is left, however we end.
    let mut said = tempfile::tempfile().map_err(words)?;
    let pid = event.identity.pid.to_string();
    let mut command = another(&["trim", "-p", &pid, "--recheck", "0", "--json", "-o", "-"])?;
    command.stdout(said.try_clone().map_err(words)?);
    let ended = command.spawn().map_err(words).and_then(|child| wait(child, stop));
    said.rewind().map_err(words)?;
    let told = serde_json::from_reader::<_, Value>(std::io::BufReader::new(said)).ok();
    let Some(told) = told else { return Err(ended.err().unwrap_or_else(|| "it said nothing".to_owned())) };
    let mib = |key: &str| told.get(key).and_then(Value::as_f64).map_or(f64::NAN, |b| b / f64::from(1 << 20));
    let longest = told.get("longest_stop_seconds").and_then(Value::as_f64).unwrap_or_default();
    let ended = told.get("ended").and_then(Value::as_str).unwrap_or_default().to_owned();
    let given = mib("given_bytes");
    if given <= 0.0 {
        return Err(format!("nothing went back ({ended}), {:.1} MiB are free", mib("free_bytes")));
    }
    let [before, after] = ["rss_before_bytes", "rss_after_bytes"].map(mib);
    let detail = format!(
        "{given:.1} MiB went back ({ended}), RSS {before:.1} to {after:.1} MiB, longest stop {:.1} ms",
        longest * 1e3
    );
    Ok(Came { detail: Some(detail), given_bytes: told.get("given_bytes").and_then(Value::as_u64) })
}

fn webhook(url: &str, json: &Value) -> Result<(), String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
    agent.post(url).send_json(json).map(drop).map_err(|e| e.to_string())
}

fn command(words: &[String], event: &Event, stop: &AtomicBool) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("an empty command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("M5_EVENT_PID", event.identity.pid.to_string())
        .env("M5_EVENT_SERVICE", &event.service)
        .env("M5_EVENT_RULE", &event.rule)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input is fine.
        let _ = writeln!(input, "{}", event.json);
    }
    wait(child, stop)
}

fn wait(mut child: Child, stop: &AtomicBool) -> Result<(), String> {
    let begin = Instant::now();
    let mut end = begin + MOST;
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("stopped after {} s", begin.elapsed().as_secs()));
            }
            None if stop.load(Ordering::Relaxed) => {
                end = end.min(Instant::now() + GRACE);
                std::thread::sleep(STEP);
            }
            None => std::thread::sleep(STEP),
        }
    }
}

fn signal(identity: Identity, name: &str) -> Result<(), String> {
    let number = signal_number(name).ok_or_else(|| format!("unknown signal {name}"))?;
    m5_process::send_signal(identity, number).map_err(|error| match error.raw_os_error() {
        Some(libc::ESRCH) => "the process has ended".to_owned(),
        _ => error.to_string(),
    })
}
