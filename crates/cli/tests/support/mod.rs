//! Running the binary and reading what it says.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// m5 with an environment that is the same everywhere.
pub(crate) fn m5() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_m5")))
}

/// Words for `setpriv`: root without the rights that the kernel's programs need.
pub(crate) const WITHOUT_BPF: [&str; 2] = ["--bounding-set=-bpf,-perfmon,-sys_admin", "--inh-caps=-all"];

/// Takes out of a command's environment what m5 would listen to.
pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("M5_") && name != "M5_INTERPRETERS" {
            command.env_remove(name);
        }
    }
    for name in ["LC_ALL", "LC_MESSAGES", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env("LANG", "C").stdin(Stdio::null());
    command
}

/// Runs m5 to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    m5().args(args).output().expect("m5 starts")
}

/// Its exit code, and what it said on standard error.
pub(crate) fn verdict(output: &Output) -> (i32, String) {
    (output.status.code().expect("m5 was not killed"), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Its standard output as JSON.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// A recording was made, and its code says whether it misses an objective: on a busy machine a pause may.
pub(crate) fn recorded(output: &Output) -> bool {
    let document = json(output);
    let criteria = document["processes"].as_array().into_iter().flatten().flat_map(|p| {
        p["criteria"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|c| c["status"].as_str())
            .collect::<Vec<_>>()
    });
    let statuses: Vec<&str> = criteria.collect();
    let missed = statuses.iter().any(|s| matches!(*s, "warn" | "fail"));
    !statuses.is_empty() && verdict(output).0 == i32::from(missed)
}

/// A folder for one test that goes with the value.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

/// A path below a folder, as text.
pub(crate) fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A program of the machine, if it is there.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|p| p.is_file())
}

/// Whether the tests run as root.
pub(crate) fn root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().any(|l| l.starts_with("Uid:\t0\t0"))
}

/// The body of what a web server answers.
pub(crate) fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Metrics as Prometheus' own tool would have them, where it is installed.
pub(crate) fn checked_by_promtool(text: &str) {
    use std::io::Write;
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let Ok(mut check) = command.spawn() else { return };
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success(), "{text}");
}
