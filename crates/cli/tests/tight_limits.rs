//! m5 under limits of its own: few open files, no memory, full and read-only places, a `/proc` that hides. Every command ends
//! with a word and a right code, and the target goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use std::path::Path;
use std::process::{Command, Output};
use support::{clean, folder, run, verdict};

const PROGRAM: &str = "
import gc, sys, threading
stop = threading.Event()
for _ in range(60): threading.Thread(target=stop.wait, daemon=True).start()
kept = [[i] for i in range(20000)]
print('ready')
for line in sys.stdin: print(*gc.get_threshold())
";

fn target() -> Target {
    let mut target = Target::start(pythons().last().unwrap(), PROGRAM);
    assert_eq!(target.line(), "ready");
    target
}

/// What every command that looks at a process is asked for here.
fn commands(pid: &str) -> Vec<Vec<&str>> {
    let short = ["-d", "200ms"];
    let mut all: Vec<Vec<&str>> = vec![vec!["list"]];
    for command in ["health", "snapshot", "trim", "dump"] {
        all.push(vec![command, "-p", pid]);
    }
    for command in ["gc", "baseline"] {
        all.push([&[command, "-p", pid][..], &short].concat());
    }
    all
}

/// Runs m5 behind a few words of a shell.
fn behind(words: &str, args: &[&str]) -> Output {
    let mut shell = clean(Command::new("sh"));
    shell.args(["-c", &format!("{words} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_m5")]);
    shell.args(args).args(["--lang", "en"]).output().unwrap()
}

/// It ended by itself, without a stack of calls, and with a word where not all is well.
fn told(output: &Output, what: &str) -> i32 {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("{what}: {:?}: {said}", output.status));
    assert!(!said.contains("panicked") && !said.contains("memory allocation of"), "{what}: {said}");
    assert!((0..=6).contains(&code), "{what}: {code}: {said}");
    assert!(code < 2 || !said.is_empty() || !output.stdout.is_empty(), "{what}: {code} without a word");
    code
}

fn lives(target: &mut Target) -> String {
    target.say("?");
    target.line()
}

#[test]
fn few_open_files_are_told_and_nothing_is_taken_for_absent() {
    let mut target = target();
    let pid = target.pid().to_string();
    // Whatever else is open here: with so many it starts and can open hardly anything more.
    let starts = |most: u32| behind(&format!("ulimit -n {most}"), &["--version"]).status.success();
    let Some(least) = (4..200).find(|most| starts(*most)) else {
        println!("left out: the program never starts under a limit of open files");
        return;
    };
    for args in commands(&pid) {
        let output = behind(&format!("ulimit -n {least}"), &args);
        let (code, said) = verdict(&output);
        assert!(code == 5 && said.contains("ulimit -n"), "{args:?}: {code}: {said}");
        // Sixty threads have room in these, one after the other.
        let output = behind(&format!("ulimit -n {}", least + 60), &args);
        assert_ne!(told(&output, &format!("{args:?}")), 5, "{args:?}: {output:?}");
    }
    lives(&mut target);
}

#[test]
fn without_memory_m5_ends_with_a_word() {
    let mut target = target();
    let pid = target.pid().to_string();
    // What the program alone takes; with less not even its first instruction runs.
    let starts = |kib: u64| behind(&format!("ulimit -v {kib}"), &["--version"]).status.success();
    let Some(least) = (1..200).map(|i| i * (8 << 10)).find(|kib| starts(*kib)) else {
        println!("left out: the program never starts under a limit of addresses");
        return;
    };
    let mut ended = 0;
    for args in commands(&pid) {
        for more in [1 << 10, 6 << 10, 24 << 10] {
            let what = format!("{args:?} with {more} KiB");
            let output = behind(&format!("ulimit -v {}", least + more), &args);
            ended += u32::from(told(&output, &what) == 5);
            lives(&mut target);
        }
    }
    // A machine with many processors has many threads.
    let limit = format!("ulimit -v {} && export RAYON_NUM_THREADS=64", least + (40 << 10));
    let output = behind(&limit, &["snapshot", "-p", &pid]);
    assert_eq!(told(&output, "many threads"), 5, "{output:?}");
    lives(&mut target);
    assert!(ended > 0, "memory was enough for everything");
}

#[test]
fn full_places_are_errors() {
    let mut target = target();
    let pid = target.pid().to_string();
    for args in [
        &["snapshot", "-p", &pid, "-o", "/dev/full"][..],
        &["snapshot", "-p", &pid, "--save", "/dev/full"],
        &["baseline", "-p", &pid, "-d", "200ms", "--save", "/dev/full"],
        &["gc", "-p", &pid, "-d", "200ms", "--json", "-o", "/dev/full"],
    ] {
        let (code, said) = verdict(&run(args));
        assert!(code == 6 && said.contains("/dev/full"), "{args:?}: {code}: {said}");
    }
    let mut full = clean(Command::new("sh"));
    full.args(["-c", "exec \"$@\" >/dev/full", "sh", env!("CARGO_BIN_EXE_m5")]);
    let (code, said) = verdict(&full.args(["snapshot", "--json", "-p", &pid]).output().unwrap());
    assert_eq!(code, 6, "{said}");
    lives(&mut target);
}

/// Whether a command with mounts of its own can be had: root, and the kernel lets it.
fn mounts(words: &str) -> Option<Command> {
    let mut shell = clean(Command::new("unshare"));
    shell.args(["-m", "sh", "-c", &format!("{words} && exec \"$@\""), "sh"]);
    let mut trial = Command::new("unshare");
    let works = trial.args(["-m", "sh", "-c", words]).output().is_ok_and(|o| o.status.success());
    if !works {
        println!("left out: {words}");
    }
    works.then_some(shell)
}

#[test]
fn where_nothing_can_be_written_nothing_is_changed() {
    let mut target = target();
    let pid = target.pid().to_string();
    let before = lives(&mut target);
    // What lies there (m5 itself, perhaps) stays in sight.
    let read_only =
        "for d in /run /tmp; do mount --bind $d $d && mount -o remount,ro,bind $d || exit 1; done";
    let with = |args: &[&str]| {
        let mut command = mounts(read_only)?;
        for name in
            ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"]
        {
            command.env_remove(name);
        }
        Some(command.arg(env!("CARGO_BIN_EXE_m5")).args(args).args(["--lang", "en"]).output().unwrap())
    };
    for args in commands(&pid) {
        let Some(output) = with(&args) else { return };
        assert_ne!(told(&output, &format!("{args:?}")), 5, "{args:?}: {output:?}");
    }
    // What is to be changed is written down first, or not changed.
    let output = with(&["gc", "-p", &pid, "--set", "709,10,10"]).unwrap();
    assert!(told(&output, "gc --set") > 1, "{output:?}");
    assert_eq!(lives(&mut target), before);
}

#[test]
fn a_hidden_process_is_not_called_ended() {
    let target = target();
    let pid = target.pid().to_string();
    let words =
        "mount -t proc -o hidepid=2 proc /proc && setpriv --reuid 65534 --regid 65534 --clear-groups true";
    let Some(mut command) = mounts(words) else { return };
    let folder = folder();
    let m5 = folder.path().join("m5");
    std::fs::copy(env!("CARGO_BIN_EXE_m5"), &m5).unwrap();
    command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let mut reached = Command::new("setpriv");
    reached.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&m5).arg("--version");
    if !reached.output().is_ok_and(|o| o.status.success()) || !Path::new("/proc/self").exists() {
        println!("left out: another user cannot reach the program");
        return;
    }
    command
        .args(["sh", "-c", "\"$0\" list --lang en && exec \"$0\" health --lang en -p \"$1\""])
        .arg(&m5)
        .arg(&pid);
    let output = command.output().unwrap();
    let (code, said) = verdict(&output);
    assert!(code == 4 && said.contains("hidepid"), "{code}: {said}");
    // Nor does a list without it pass for a whole one.
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.contains("hidepid") && !listed.contains(&format!("{pid} ")), "{listed}");
}
