//! `--spool`: m5's large buffers lie in a file without a name. What is said is the same; nothing is left, however m5
//! ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::Group;
use m5_testkit::{Target, pythons};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{json, m5, run};

const PROGRAM: &str = "
import sys
class Row:
    def __init__(self, i): self.number, self.text, self.more = i, str(i) * 3, [i]
rows = [Row(i) for i in range(120000)]
print('ready', flush=True)
sys.stdin.readline()
print('alive', flush=True)
";

/// Objects of which m5 makes more than 192 MiB.
const LARGE: &str = "
import sys, gc
gc.disable()
rows = [(i, i / 3) for i in range(1500000)]
print('ready', flush=True)
sys.stdin.readline()
print('alive', flush=True)
";

fn target() -> Target {
    target_of(PROGRAM)
}

fn target_of(program: &str) -> Target {
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
    let mut target = Target::start(&python, program);
    assert_eq!(target.line(), "ready");
    target
}

/// A folder on a disk; none where even the build lies in memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn the_same_is_said_and_nothing_is_left() {
    let (target, folder) = (target(), folder());
    let pid = target.pid().to_string();
    let path = folder.path().to_str().unwrap();
    let take = |more: &[&str]| {
        let mut words = vec!["snapshot", "--json", "--max-pause", "10s", "-p", &pid, "--method"];
        words.extend(more);
        let output = run(&words);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json(&output)
    };
    let (plain, spooled) = (take(&["fork"]), take(&["fork", "--spool", path]));
    let frozen = take(&["freeze", "--spool", path]);
    assert!(plain["heap"]["objects"].as_u64().unwrap() > 300_000);
    // Names are hashed anew by each run.
    let figures = |document: &serde_json::Value| -> Vec<String> {
        let types = document["heap"]["types"].as_array().unwrap().iter();
        types
            .map(|t| format!("{} {} {} {}", t["type_name"], t["count"], t["bytes"], t["retained_bytes"]))
            .collect()
    };
    assert_eq!(plain["heap"]["objects"], spooled["heap"]["objects"]);
    assert_eq!(figures(&plain), figures(&spooled));
    assert_eq!(figures(&plain), figures(&frozen));
    assert_eq!(entries(folder.path()), 0);
}

/// Nobody says where: what m5 makes of a large target lies where the results go, if that is a disk; and it is said.
#[test]
fn where_much_is_needed_it_lies_in_a_file_unasked() {
    let (target, folder) = (target_of(LARGE), folder());
    let (pid, saved) = (target.pid().to_string(), folder.path().join("heap.m5snap"));
    let path = folder.path().to_str().unwrap();
    for (spool, in_file) in [("auto", true), ("none", false)] {
        let mut words = vec!["snapshot", "--lang", "en", "--json", "--method", "fork", "--max-pause", "10s"];
        words.extend(["-p", &pid, "--save", saved.to_str().unwrap(), "--spool", spool]);
        let mut child = m5().args(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let maps = format!("/proc/{}/maps", child.id());
        let mut used = false;
        while child.try_wait().unwrap().is_none() {
            used |= fs::read_to_string(&maps).is_ok_and(|maps| maps.contains(path));
        }
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{error}");
        if error.contains("no folder on a disk") {
            println!("left out: nothing here is known to lie on a disk");
            return;
        }
        assert_eq!((used, error.contains("unnamed file")), (in_file, in_file), "{spool}: {error}");
    }
    assert_eq!(entries(folder.path()), 1, "but for the snapshot");
}

/// Of a small one nothing is said, and it lies in memory.
#[test]
fn where_little_is_needed_it_lies_in_memory() {
    let target = target();
    let output = run(&["snapshot", "--lang", "en", "--json", "-p", &target.pid().to_string()]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !error.contains("m5 itself needs"), "{error}");
}

/// A disk that nobody asked for and that runs full: once more in memory.
#[test]
fn a_disk_that_runs_full_unasked_is_given_up() {
    let (mut target, folder) = (target_of(LARGE), folder());
    let mut shell = Command::new("sh");
    // Blocks of 512 bytes: 64 MiB.
    shell.args(["-c", "ulimit -f 131072 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_m5"), "snapshot"]);
    shell.args(["--lang", "en", "--json", "--max-pause", "10s", "-p", &target.pid().to_string()]);
    let output = support::clean(shell).env("TMPDIR", folder.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.contains("no more room") || error.contains("no folder on a disk"), "{error}");
    assert!(json(&output)["heap"]["objects"].as_u64().unwrap() > 1_500_000);
    assert_eq!(entries(folder.path()), 0);
    target.say("?");
    assert_eq!(target.line(), "alive");
}

#[test]
fn a_killed_m5_leaves_nothing() {
    let (mut target, folder) = (target(), folder());
    let (pid, path) = (target.pid().to_string(), folder.path().to_str().unwrap());
    for _ in 0..3 {
        let mut words = vec!["snapshot", "--json", "--method", "fork", "--max-pause", "10s", "-p", &pid];
        words.extend(["--spool", path]);
        let mut child = m5().args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let maps = format!("/proc/{}/maps", child.id());
        let until = Instant::now() + Duration::from_secs(60);
        // A buffer of its lies in the folder; it may be done before that is seen.
        let used = || fs::read_to_string(&maps).is_ok_and(|maps| maps.contains(path));
        while !used() && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "no buffer lies in the folder");
        }
        assert_eq!(entries(folder.path()), 0, "it has a name");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(entries(folder.path()), 0);
    }
    target.say("?");
    assert_eq!(target.line(), "alive");
}

#[test]
fn a_folder_that_does_not_do_is_refused() {
    let target = target();
    let pid = target.pid().to_string();
    for (folder, word) in [("/nowhere/at/all", "cannot be made"), ("/dev/shm", "in memory")] {
        if folder == "/dev/shm" && !Path::new(folder).is_dir() {
            continue;
        }
        let output = run(&["snapshot", "--lang", "en", "-p", &pid, "--spool", folder]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(folder) && error.contains(word) && error.contains("--spool"), "{error}");
    }
}

/// A disk that runs full in the middle, as a limit on the size of files makes it: an error that says so, no signal.
#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let (mut target, folder) = (target(), folder());
    let (pid, path) = (target.pid().to_string(), folder.path().to_str().unwrap());
    let limited = |words: &[&str]| {
        let mut shell = Command::new("sh");
        // Blocks of 512 bytes: 4 MiB.
        shell.args([
            "-c",
            "ulimit -f 8192 && exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_m5"),
            "snapshot",
            "--lang",
            "en",
        ]);
        support::clean(shell).args(["-p", &pid]).args(words).output().unwrap()
    };
    let output = limited(&["--json", "--spool", path]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("did not fit") && error.contains("--spool"), "{error}");
    // A file of its own that may not become that large either leaves nothing behind.
    let heap = folder.path().join("heap.m5snap");
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -f 64 && exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_m5"),
            "snapshot",
            "--json",
            "-p",
            &pid,
            "--save",
        ])
        .arg(&heap)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert_eq!(entries(folder.path()), 0);
    target.say("?");
    assert_eq!(target.line(), "alive");
}

/// In a group that has room for a part of what a capture takes: refused with a word on `--spool`, and done with it.
#[test]
fn a_group_with_little_room_is_enough() {
    let Some(group) = Group::new("spool") else { return };
    let (target, folder) = (target(), folder());
    let pid = target.pid().to_string();
    group.limit(120 << 20);
    let take = |more: &[&str]| {
        let mut here = m5();
        here.args(["snapshot", "--lang", "en", "--json", "--method", "live", "-p", &pid]).args(more);
        group.inside(&here).stdin(Stdio::null()).output().unwrap()
    };
    let refused = take(&[]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{error}");
    assert!(error.contains("--spool"), "{error}");
    let done = take(&["--spool", folder.path().to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(json(&done)["heap"]["objects"].as_u64().unwrap() > 300_000);
}

/// Snapshot files and core files too.
#[test]
fn files_are_read_with_buffers_in_the_folder() {
    let (target, folder) = (target(), folder());
    let pid = target.pid().to_string();
    let (heap, core) = (folder.path().join("heap.m5snap"), folder.path().join("core"));
    let (heap, core) = (heap.to_str().unwrap(), core.to_str().unwrap());
    assert_eq!(run(&["snapshot", "--json", "-p", &pid, "--save", heap]).status.code(), Some(0));
    m5_testkit::write_core(target.pid(), Path::new(core));
    let spool = tempfile::tempdir_in(folder.path()).unwrap();
    let with = ["--json", "--spool", spool.path().to_str().unwrap()];
    let objects = |words: &[&str]| {
        let output = run(&[words, &with].concat());
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        json(&output)["heap"]["objects"].as_u64()
    };
    let known = objects(&["snapshot", "--load", heap]);
    assert!(known.is_some_and(|n| n > 300_000));
    assert_eq!(objects(&["snapshot", "--core", core]), known);
    assert_eq!(run(&[&["diff", heap, heap][..], &with].concat()).status.code(), Some(0));
    assert_eq!(entries(spool.path()), 0);
}

/// Holds objects for buffers that are worth a file, and keeps one list in each iteration.
const KEEPS: &str = "
import sys
if not hasattr(sys, 'kept'):
    class Row:
        def __init__(self, i): self.number, self.text, self.more = i, str(i) * 3, [i]
    sys.rows = [Row(i) for i in range(60000)]
    sys.kept = []
sys.kept.append([len(sys.kept)])
";

fn leaks(more: &[&str]) -> Command {
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
    let mut command = m5();
    command.args(["leaks", "--lang", "en", "--json", "-n", "20", "--processes", "1"]).args(more);
    command.arg("--").arg(python.executable().unwrap()).args(["-c", KEEPS]);
    command
}

/// What is kept and who holds it.
fn told(output: &std::process::Output) -> (Option<i32>, serde_json::Value, String) {
    let document = json(output);
    let first = &document["kept"]["diff"]["culprits"][0];
    let held = format!("{} by {}", first["type_name"], first["holder"]["path"]);
    (output.status.code(), document["leaking"].clone(), held)
}

/// Ctrl-C, as a terminal sends it to the whole group, and SIGKILL to m5 alone; in the end it says what it says without.
#[test]
fn leaks_says_the_same_however_the_one_before_ended() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    for signal in ["INT", "KILL"] {
        let mut command = leaks(&["--spool", path]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        let maps = format!("/proc/{}/maps", child.id());
        let used = || fs::read_to_string(&maps).is_ok_and(|maps| maps.contains(path));
        let seen = harm::until(Duration::from_secs(300), || used() || child.try_wait().unwrap().is_some());
        assert!(seen, "no buffer lies in the folder");
        assert_eq!(entries(folder.path()), 0, "it has a name");
        let whom = if signal == "INT" { format!("-{}", child.id()) } else { child.id().to_string() };
        let _ =
            Command::new("kill").args(["-s", signal, "--", &whom]).stderr(Stdio::null()).status().unwrap();
        child.wait().unwrap();
        assert_eq!(entries(folder.path()), 0);
    }
    let (plain, spooled) = (leaks(&[]).output().unwrap(), leaks(&["--spool", path]).output().unwrap());
    assert_eq!(told(&plain), told(&spooled), "{plain:?} {spooled:?}");
    assert_eq!((plain.status.code(), &json(&plain)["leaking"]), (Some(1), &true.into()));
    assert!(told(&plain).2.contains("sys.kept"), "{}", told(&plain).2);
    assert_eq!(entries(folder.path()), 0);
}

/// A folder that does not do is told before the work begins.
#[test]
fn leaks_does_not_begin_with_a_folder_that_does_not_do() {
    let folder = folder();
    let (marker, shut) = (folder.path().join("ran"), folder.path().join("shut"));
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
    // Root may write anywhere, but not there.
    let shut = if support::root() { Path::new("/proc") } else { shut.as_path() };
    for (place, word) in [(Path::new("/nowhere/at/all"), "cannot be made"), (shut, "cannot be made")] {
        let program = format!("open({:?}, 'w').close()", marker.display().to_string());
        let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
        let mut command = m5();
        command.args(["leaks", "--lang", "en", "-n", "2", "--spool"]).arg(place).arg("--");
        let output = command.arg(python.executable().unwrap()).args(["-c", &program]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(word) && error.contains("give --spool a folder on a disk"), "{error}");
        assert!(!marker.exists(), "the work began");
    }
}

/// A disk that runs full in the middle: the leak is told, and why nobody looked at who holds it; the work came to its end.
#[test]
fn leaks_tells_what_did_not_fit() {
    let folder = folder();
    let whole = leaks(&["--spool", folder.path().to_str().unwrap()]);
    let mut shell = Command::new("sh");
    // Blocks of 512 bytes: 1 MiB.
    shell.args(["-c", "ulimit -f 2048 && exec \"$@\"", "sh"]).arg(whole.get_program()).args(whole.get_args());
    let output = support::clean(shell).output().unwrap();
    let document = json(&output);
    assert_eq!((output.status.code(), &document["leaking"]), (Some(1), &true.into()), "{document}");
    let unseen = document["kept_unseen"].as_str().unwrap();
    assert!(unseen.contains("did not fit") && unseen.contains("give --spool a folder on a disk"), "{unseen}");
    assert_eq!(entries(folder.path()), 0);
}
