//! What the keys start: another m5 that takes a snapshot, a difference, or a profile of pauses, allocations or stalls, so that the screen
//! goes on meanwhile.

use m5_process::{Process, send_signal};
use m5_report::Lang;
use m5_report::heap::SnapshotDoc;
use m5_report::text::Style;
use signal_hook::consts::SIGINT;
use std::io::{Read, Result};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// What to do with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A snapshot into a file; what it says of holders is kept.
    Snapshot,
    /// What grows in ten seconds.
    Diff,
    /// Its pauses for ten seconds.
    Gc,
    /// Which lines allocate in ten seconds, and what of it survives.
    Alloc,
    /// What stalls its event loop in ten seconds.
    Stalls,
}

impl Kind {
    /// What goes on as long as it is looked at.
    pub(super) fn live(self) -> bool {
        matches!(self, Self::Alloc | Self::Stalls)
    }
}

/// One that runs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) pid: i32,
    pub(super) file: String,
    child: Child,
    said: Option<JoinHandle<String>>,
    complained: Option<JoinHandle<String>>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its report, or its document.
    Done(String),
    /// Why there is none.
    Failed(String),
}

impl Task {
    pub(super) fn start(kind: Kind, pid: i32, lang: Lang) -> Result<Self> {
        let file = format!("m5-{pid}-{}.m5snap", m5_process::unix_ns() / 1_000_000_000);
        let number = pid.to_string();
        let mut command = Command::new(std::env::current_exe()?);
        match kind {
            Kind::Snapshot => command.args(["snapshot", "-p", &number, "--save", &file, "--json"]),
            Kind::Diff => command.args(["diff", "-p", &number, "--interval", "10s"]),
            Kind::Gc => command.args(["gc", "-p", &number, "-d", "10s"]),
            Kind::Alloc => command.args(["alloc", "-p", &number, "-d", "10s", "--survival"]),
            Kind::Stalls => command.args(["stalls", "-p", &number, "-d", "10s"]),
        };
        command.args(["--color", "never", "--lang", if lang == Lang::Zh { "zh" } else { "en" }]);
        // What is set for a report to a person is not meant for this one.
        for name in ["M5_OUTPUT", "M5_FORMAT", "M5_JSON"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (said, complained) = (child.stdout.take().map(read), child.stderr.take().map(read));
        Ok(Self { kind, pid, file, child, said, complained })
    }

    /// What came of it, once it has ended.
    pub(super) fn ended(&mut self) -> Option<Outcome> {
        let status = match self.child.try_wait() {
            Ok(status) => status?,
            Err(error) => return Some(Outcome::Failed(error.to_string())),
        };
        let text =
            |handle: Option<JoinHandle<String>>| handle.and_then(|h| h.join().ok()).unwrap_or_default();
        let (said, complained) = (text(self.said.take()), text(self.complained.take()));
        // A report that found something wrong (1) or was not complete (6) is a report.
        Some(if status.success() || !said.is_empty() {
            Outcome::Done(said)
        } else {
            let first = complained.lines().find(|line| !line.trim().is_empty());
            Outcome::Failed(first.map_or_else(|| status.to_string(), str::to_owned))
        })
    }
}

impl Drop for Task {
    /// It ends by itself as Ctrl-C would end it: what it holds of its target it lets go.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            if let Ok(process) = Process::open(self.child.id() as i32) {
                let _ = send_signal(process.identity(), SIGINT);
            }
            let _ = self.child.wait();
        }
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Who holds what, of the document of a snapshot.
pub(super) fn holders(document: &str, lang: Lang) -> Option<String> {
    let document: SnapshotDoc = serde_json::from_str(document).ok()?;
    Some(m5_report::heap::holders(document.heap.as_ref()?, Style { lang, color: false }))
}
