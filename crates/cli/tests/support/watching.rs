//! A running `m5 watch` and its journal.
#![allow(clippy::unwrap_used, clippy::panic)]
// Each test file takes what it needs.
#![allow(dead_code)]

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Holds as many MiB as it is told, and says when.
pub(crate) const PROGRAM: &str = "
import sys
print('ready', flush=True)
for line in sys.stdin:
    ballast = bytearray(int(line) << 20)
    print('held', flush=True)
";

pub(crate) struct Watch(pub(crate) Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn watch(dir: &Path, arguments: &[&str]) -> Watch {
    let mut command = Command::new(env!("CARGO_BIN_EXE_m5"));
    command.args(["watch", "--interval", "100ms", "--journal"]).arg(dir.join("journal.jsonl"));
    command.arg("--evidence").arg(dir.join("evidence")).arg("--config").arg(dir.join("m5.toml"));
    Watch(command.args(arguments).current_dir(dir).stderr(Stdio::null()).spawn().unwrap())
}

pub(crate) fn journal(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
    text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

/// Waits until the journal says so.
pub(crate) fn until(dir: &Path, what: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let lines = journal(dir);
        if what(&lines) {
            return lines;
        }
        assert!(Instant::now() < deadline, "{lines:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn outcomes(lines: &[Value]) -> Vec<(String, String)> {
    let word = |v: &Value, key: &str| v["outcome"][key].as_str().unwrap_or_default().to_owned();
    lines.iter().filter(|l| l["event"] == "action").map(|l| (word(l, "action"), word(l, "result"))).collect()
}
