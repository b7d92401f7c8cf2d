//! `m5 alloc` as an ordinary user, on a process of its own: no program in the kernel, but the stacks of young collections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, copy_program, ends, pythons};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{clean, json, root, verdict, which};

const MAKES: &str = "
import gc
kept = []
def make():
    for _ in range(1000):
        kept.append([])
gc.set_threshold(5000, 10, 10)
print('ready', flush=True)
while True:
    make()
    if len(kept) > 100000: kept.clear()
";
const RESTS: &str = "print('ready', flush=True); input()";
const IS_OFF: &str = "import gc; gc.disable(); print('ready', flush=True); input()";

/// A command as somebody who has no rights but over what is theirs.
fn as_nobody(command: &Command) -> Command {
    let mut other = Command::new("setpriv");
    other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]);
    other.arg(command.get_program()).args(command.get_args()).current_dir("/");
    other
}

/// A command as root, without the rights that the kernel's programs need.
fn without_bpf(command: &Command) -> Command {
    let mut other = Command::new("setpriv");
    other.args(support::WITHOUT_BPF);
    other.arg(command.get_program()).args(command.get_args());
    other
}

fn may(python: &Python) -> bool {
    let mut probe = python.command();
    let mut probe = as_nobody(probe.arg("--version"));
    python.name.starts_with('/')
        && probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The oldest and the newest interpreter that everybody may run, and an m5 that everybody may.
fn stage() -> Option<(Vec<Python>, tempfile::TempDir, PathBuf)> {
    let restricted = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|s| s.trim() != "0");
    if !root() || which("setpriv").is_none() || restricted {
        return None;
    }
    let all: Vec<Python> = pythons().into_iter().filter(may).collect();
    let ends = ends(&all);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = folder.path().join("m5");
    copy_program(Path::new(env!("CARGO_BIN_EXE_m5")), &own);
    (!ends.is_empty()).then_some((ends, folder, own))
}

fn start(python: &Python, program: &str) -> Target {
    let mut command = python.command();
    let mut target = Target::spawn(as_nobody(command.args(["-I", "-u", "-c", program])));
    assert_eq!(target.line(), "ready");
    target
}

fn alloc(m5: &Path, target: &Target, args: &[&str]) -> Output {
    let mut command = clean(as_nobody(&Command::new(m5)));
    command.args(["alloc", "-p", &target.pid().to_string()]).args(args).output().unwrap()
}

#[test]
fn lines_without_any_privilege() {
    let Some((pythons, _folder, m5)) = stage() else {
        return eprintln!("left out: nobody can be made here, or may not look at own processes");
    };
    for python in &pythons {
        let target = start(python, MAKES);
        let output = alloc(&m5, &target, &["--json", "-d", "4s", "--max-overhead", "3%"]);
        let document = json(&output);
        assert_eq!((&document["schema"], &document["source"]), (&"m5.alloc/1".into(), &"collections".into()));
        let seen = &document["collections"];
        assert!(seen["happened"].as_u64() > Some(0) && seen["threshold"] == 5000, "{document}");
        assert!(seen["instead_of_kernel"].as_str().is_some_and(|why| !why.is_empty()), "{document}");
        assert!(document["bytes"].is_null() && seen["absent"]["bytes"].is_string(), "{document}");
        // A machine that is too busy may leave no sample: that is told by the code, and nothing is made up.
        let samples = document["samples"].as_u64().unwrap();
        assert_eq!(verdict(&output).0, if samples > 0 { 0 } else { 6 }, "{document}");
        if samples > 0 {
            assert_eq!(document["sites"][0]["frame"]["function"], "make", "{document}");
            assert!(document["sites"][0]["survival"].is_null(), "{document}");
        }
        for (lang, words) in [("en", ["coarser source", "CAP_BPF"]), ("zh", ["较粗的来源", "CAP_BPF"])] {
            let output = alloc(&m5, &target, &["-d", "500ms", "--lang", lang]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
    }
}

#[test]
fn root_without_the_rights_is_told_of_the_source_its_coverage_and_what_to_do() {
    let Some((pythons, _folder, m5)) = stage() else {
        return eprintln!("left out: rights cannot be dropped here");
    };
    let python = pythons.last().unwrap();
    let target = start(python, MAKES);
    let watched = |args: &[&str]| {
        let mut command = clean(without_bpf(&Command::new(&m5)));
        command.args(["alloc", "-p", &target.pid().to_string(), "-d", "2s"]).args(args).output().unwrap()
    };
    let document = json(&watched(&["--json", "--max-overhead", "3%"]));
    let seen = &document["collections"];
    assert_eq!(
        (&document["source"], &seen["rights_would_help"]),
        (&"collections".into(), &true.into()),
        "{document}"
    );
    // The share of the collections that are samples.
    let [samples, happened] = [&document["samples"], &seen["happened"]].map(|n| n.as_f64().unwrap());
    let coverage = seen["coverage"].as_f64().unwrap();
    assert!(happened > 0.0 && (coverage - (samples / happened).min(1.0)).abs() < 1e-9, "{document}");
    let said = String::from_utf8_lossy(&watched(&["--lang", "en"]).stdout).into_owned();
    for word in ["coarser source", "happened, so that", "CAP_BPF", "CAP_PERFMON", "root"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn no_collection_is_said_and_a_collector_that_is_off_refused() {
    let Some((pythons, _folder, m5)) = stage() else { return eprintln!("left out: nobody can be made here") };
    for python in &pythons {
        let output = alloc(&m5, &start(python, RESTS), &["-d", "300ms", "--lang", "en"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(verdict(&output).0 == 6 && said.contains("no collection happened"), "{said}");
        let output = alloc(&m5, &start(python, IS_OFF), &["-d", "300ms", "--lang", "en"]);
        let (code, said) = verdict(&output);
        assert!(code == 4 && said.contains("CAP_BPF") | said.contains("cap_bpf"), "{code} {said}");
    }
}

#[test]
fn what_grows_has_a_coarser_line_without_any_privilege() {
    let Some((pythons, _folder, m5)) = stage() else { return eprintln!("left out: nobody can be made here") };
    let python = pythons.last().unwrap();
    let target = start(python, MAKES);
    let id = target.pid().to_string();
    let mut command = clean(as_nobody(&Command::new(&m5)));
    let args = ["diff", "-p", &id, "--interval", "4s", "--max-overhead", "3%", "--json"];
    let output = command.args(args).output().unwrap();
    assert_eq!(verdict(&output).0, 0, "{output:?}");
    let allocations = &json(&output)["allocations"];
    assert!(allocations["reason"].is_string() && allocations["remedy"].is_string(), "{allocations}");
    // Nothing is said of survivors, which nobody saw.
    assert!(allocations["survivors"].is_null(), "{allocations}");
    let lines = &allocations["by_collections"]["lines"];
    if lines.is_null() {
        // A machine that is too busy leaves too few.
        assert!(allocations["samples"].as_u64().is_none_or(|samples| samples < 10), "{allocations}");
    } else {
        assert_eq!(lines[0]["frame"]["function"], "make", "{allocations}");
    }
}
