//! Every bad input: a clear error that names the remedy, and its exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_process::Process;
use m5_testkit::{Python, Target, pythons};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{clean, file, folder, json, m5, root, run, verdict, which};

const SLEEPER: &str = "import sys; print('ready'); sys.stdin.read()";

fn sleeper() -> Target {
    let mut target = Target::start(pythons().last().expect("an interpreter"), SLEEPER);
    assert_eq!(target.line(), "ready");
    target
}

#[test]
fn no_such_process() {
    for args in
        [vec!["health", "-p", "2147483647"], vec!["baseline", "2147483647"], vec!["snapshot", "2147483647"]]
    {
        let (code, text) = verdict(&run(&args));
        assert_eq!(code, 3, "{args:?} {text}");
        assert!(text.contains("no process with PID 2147483647") && text.contains("m5 list"), "{text}");
    }
}

#[test]
fn not_python() {
    let cat = Target::spawn(Command::new("cat"));
    let pid = cat.pid().to_string();
    for command in ["health", "baseline", "why"] {
        let (code, text) = verdict(&run(&[command, "-p", &pid]));
        assert_eq!(code, 5, "{text}");
        assert!(text.contains("is not a CPython") && text.contains("m5 list"), "{text}");
    }
}

#[test]
fn what_a_process_is_instead_of_python_is_said() {
    let mut target = Target::start(
        pythons().last().expect("an interpreter"),
        "
import os, sys
ended = os.fork()
if not ended: os._exit(0)
os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
print(os.getpid(), ended, flush=True); sys.stdin.read()
",
    );
    let (pid, ended): (i32, i32) = {
        let pids: Vec<i32> = target.numbers();
        (pids[0], pids[1])
    };
    let (code, text) = verdict(&run(&["health", "-p", &ended.to_string()]));
    assert!(code == 3 && text.contains("zombie") && text.contains(&format!("PID {pid}")), "{code} {text}");
    let mut shell = Command::new("sh")
        .args(["-c", &format!("'{}' -c 'print(flush=True); input()'; :", python().display())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    for command in ["health", "gc", "snapshot", "dump"] {
        let (code, text) = verdict(&run(&[command, "-p", &shell.id().to_string()]));
        let said = text.contains("is sh, which runs no interpreter itself") || command == "snapshot";
        assert!((code == 5 || command == "snapshot") && said, "{command}: {code} {text}");
    }
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

const FIRST_THREAD_ENDS: &str = "
import ctypes, gc, threading, time
class Node: pass
def work():
    while True:
        for i in range(2000): node = Node(); node.me = node
        gc.collect(); time.sleep(0.005)
threading.Thread(target=work).start()
print('ready', flush=True)
ctypes.CDLL(None).pthread_exit(None)
";

#[test]
fn a_process_whose_first_thread_ended_is_read_by_one_that_goes_on() {
    let able = |p: &&Python| p.command().args(["-c", "import ctypes"]).stderr(Stdio::null()).status();
    let mut python = pythons().into_iter().filter(|p| able(&p).is_ok_and(|s| s.success()));
    let python = python.rfind(|p| p.executable().is_some()).expect("an interpreter with ctypes");
    let mut target = Target::start(&python, FIRST_THREAD_ENDS);
    assert_eq!(target.line(), "ready");
    let (pid, process) = (target.pid().to_string(), Process::open(target.pid()).unwrap());
    while process.alive() {
        std::thread::yield_now();
    }
    for command in ["health", "dump", "gc --show", "snapshot", "snapshot --method freeze --max-pause 20s"] {
        let out = m5().args(command.split(' ')).args(["-p", &pid]).output().unwrap();
        let (code, text) = verdict(&out);
        assert!(code == 0 && text.contains("main thread"), "{command}: {code} {text}");
    }
    let out = m5().args(["gc", "-d", "500ms", "--json", "-p", &pid]).output().unwrap();
    let report = json(&out);
    let polled = report["source"] == "poll";
    assert!(report["gc"]["happened"].as_u64() > Some(0), "{report}");
    assert!(polled || report["gc"]["seen"].as_u64() > Some(0), "{report}");
}

/// An interpreter that is started as it is.
fn python() -> PathBuf {
    let found = pythons().into_iter().rev().find_map(|p| p.executable().map(PathBuf::from));
    found.expect("an interpreter")
}

#[test]
fn what_was_watched_for_less_than_was_asked_for_is_incomplete() {
    for command in ["baseline", "gc"] {
        let program = "import sys, time; print('ready', flush=True); sys.stdin.readline(); time.sleep(1)";
        let mut target = Target::start(pythons().last().expect("an interpreter"), program);
        assert_eq!(target.line(), "ready");
        target.say("go");
        let (code, text) = verdict(&run(&[command, "-d", "1h", "-p", &target.pid().to_string()]));
        // It may have ended before anything was seen.
        assert!(matches!(code, 3 | 6), "{command}: {code} {text}");
    }
    let python = python();
    let sleep = ["-c", "import time; time.sleep(1)"];
    let launched = ["baseline", "-d", "1h", "--", python.to_str().unwrap(), sleep[0], sleep[1]];
    let (code, text) = verdict(&run(&launched));
    assert_eq!(code, 0, "a command that m5 started may end: {text}");
}

#[test]
fn a_missed_objective_is_told_by_the_code_of_a_baseline() {
    let place = folder();
    let settings = file(place.path(), "m5.toml");
    fs::write(&settings, "[objectives.rss_peak_bytes]\npass = \"1MB\"\n").unwrap();
    let target = sleeper();
    let args = ["baseline", "-d", "200ms", "--config", &settings, "-p", &target.pid().to_string()];
    let (code, text) = verdict(&run(&args));
    assert_eq!(code, 1, "{text}");
}

#[test]
fn bad_usage() {
    for (args, word) in [
        (vec!["baseline", "-d", "5x", "1"], "unknown unit `x`"),
        (vec!["baseline", "-d", "0", "1"], "above zero"),
        (vec!["baseline", "-p", "-4"], "-4"),
        (vec!["baseline", "-p", "0"], "a PID is from 1"),
        (vec!["compare", "a", "b", "--threshold", "x"], "not a percentage"),
        (vec!["health", "--format", "html", "1"], "no such format"),
        (vec!["nonsense"], "nonsense"),
        (vec!["health", "1", "2"], "looks at one process"),
    ] {
        let (code, text) = verdict(&run(&args));
        assert_eq!(code, 2, "{args:?} {text}");
        assert!(text.contains(word), "{args:?} {text}");
    }
}

#[test]
fn another_users_process() {
    let Some(setpriv) = which("setpriv").filter(|_| root()) else {
        eprintln!("skipped: needs root and setpriv");
        return;
    };
    // Where the binary lies may be closed to others.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("m5");
    m5_testkit::copy_program(env!("CARGO_BIN_EXE_m5").as_ref(), &binary);
    let target = sleeper();
    let as_nobody = |lang: &str| {
        let mut command = clean(Command::new(&setpriv));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        command.args(["--lang", lang, "health", "-p", &target.pid().to_string()]).current_dir("/");
        verdict(&command.output().unwrap())
    };
    let (code, text) = as_nobody("en");
    assert_eq!(code, 4, "{text}");
    for word in ["no permission", "uid 0", "cap_sys_ptrace", "cap_perfmon"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let (code, text) = as_nobody("zh");
    assert!(code == 4 && text.contains("没有权限"), "{text}");
    let mut list = clean(Command::new(&setpriv));
    list.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).arg("list").current_dir("/");
    let output = list.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|l| l.trim_start().starts_with(&target.pid().to_string())).unwrap();
    assert!(line.contains(" no ") && text.contains("cap_sys_ptrace"), "{text}");
    // What is left on for days says it by itself, once.
    for (lang, words) in [("en", "not read, only memory"), ("zh", "无法读取")] {
        let mut serve = clean(Command::new(&setpriv));
        serve.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).current_dir("/");
        serve.args(["serve", "--lang", lang, "--listen", "127.0.0.1:0", "--interval", "100ms", "-d", "1s"]);
        let (code, text) = verdict(&serve.args(["-p", &target.pid().to_string()]).output().unwrap());
        assert_eq!(code, 0, "{text}");
        assert_eq!(text.matches(words).count(), 1, "{text}");
        assert!(text.contains(&format!("{} (", target.pid())) && text.contains("cap_sys_ptrace"), "{text}");
    }
}

/// A program that has `_PyRuntime` of a size that no CPython has.
#[test]
fn an_unknown_interpreter_is_refused_and_still_measured() {
    let place = folder();
    let (source, program) = (place.path().join("x.rs"), place.path().join("x"));
    fs::write(
        &source,
        "#[unsafe(no_mangle)] #[used] pub static mut _PyRuntime: [u64; 777] = [7; 777];\n\
         fn main() { println!(\"ready\"); let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap(); }",
    )
    .unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc).args(["--edition", "2024", "-o"]).arg(&program).arg(&source).status();
    assert!(built.unwrap().success());
    let mut target = Target::spawn(Command::new(&program));
    assert_eq!(target.line(), "ready");
    let output = run(&["baseline", "-d", "100ms", "--json", "-p", &target.pid().to_string()]);
    let (code, text) = verdict(&output);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("does not know") && text.contains("6216"), "{text}");
    let process = &support::json(&output)["processes"][0];
    assert!(process["derived"]["memory"]["rss"]["last"].as_f64().unwrap() > 0.0);
    assert_eq!(process["unread"]["reason"], "unsupported");
    assert!(process["derived"]["gc"].is_null(), "{process}");
}

#[test]
fn who_types_a_name_is_told_how_to_find_its_pid() {
    for args in
        [["health", "gunicorn"], ["why", "gunicorn"], ["diff", "--pid=gunicorn"], ["gc", "-pgunicorn"]]
    {
        let (code, text) = verdict(&run(&args));
        assert_eq!(code, 2, "{args:?} {text}");
        assert!(text.contains("m5 list --name '*gunicorn*'"), "{args:?} {text}");
    }
    let (code, text) = verdict(&run(&["health", "99999999999"]));
    assert!(code == 2 && text.contains("from 1 to"), "{text}");
}

#[test]
fn settings_that_are_not_there() {
    for args in [vec!["rules"], vec!["watch", "-p", "1"], vec!["health", "-p", "1"]] {
        let args = [args, vec!["--config", "/no/such.toml"]].concat();
        let (code, text) = verdict(&run(&args));
        assert_eq!(code, 5, "{args:?} {text}");
        assert!(text.contains("/no/such.toml") && text.contains("m5 init"), "{args:?} {text}");
    }
}

#[test]
fn what_is_stopped_is_listed_as_such_and_no_name_is_no_empty_machine() {
    let target = sleeper();
    let listed = |id: i32| {
        let list = support::json(&run(&["list", "--json"]));
        let found = list["processes"].as_array().unwrap().iter().find(|p| p["pid"] == id).cloned();
        found.expect("the target is listed")
    };
    assert!(listed(target.pid())["stopped"].is_null());
    let pid = target.pid().to_string();
    let sent = std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    assert!(sent.success());
    // It is told, not yet stopped, when the call is back.
    while listed(target.pid())["stopped"].is_null() {
        std::thread::yield_now();
    }
    let out = run(&["list", "--lang", "en"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains(&format!("kill -CONT {}", target.pid())), "{text}");
    let out = run(&["list", "--lang", "en", "--name", "no such name"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("of other names"), "{text}");
}

#[test]
fn files_that_cannot_be_used() {
    let place = folder();
    let at = |name: &str| file(place.path(), name);
    fs::write(at("cut.json"), r#"{"schema":"m5.baseline/1","m5_ver"#).unwrap();
    fs::write(at("old.json"), r#"{"schema":"m5.baseline/0","samples":[]}"#).unwrap();
    fs::write(at("other.json"), r#"{"schema":"m5.health/1"}"#).unwrap();
    fs::write(at("none.json"), r#"{"a":1}"#).unwrap();
    fs::write(at("noise.json"), [0xff, 0xfe, 0, 1]).unwrap();
    fs::write(at("empty.json"), "").unwrap();
    fs::write(at("m5.toml"), "[objectives]\n").unwrap();
    for (name, word) in [
        ("missing.json", "No such file"),
        ("cut.json", "EOF"),
        ("old.json", "m5.baseline/0"),
        ("other.json", "m5.health/1"),
        ("none.json", "no recording"),
        ("noise.json", "no recording"),
        ("m5.toml", "--config"),
        ("empty.json", "EOF"),
        ("", "directory"),
    ] {
        for args in [vec!["check".to_owned(), at(name)], vec!["compare".to_owned(), at(name), at(name)]] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let (code, text) = verdict(&run(&args));
            assert_eq!(code, 5, "{args:?} {text}");
            assert!(text.contains(word) && text.contains("what to do"), "{args:?} {text}");
        }
    }
}

#[test]
fn nowhere_to_write() {
    let target = sleeper();
    let pid = target.pid().to_string();
    for place in [["--save", "/dev/full"], ["--output", "/dev/full"], ["--save", "/no/such/folder/x.json"]] {
        let mut args = vec!["baseline", "-d", "50ms", "-p", &pid];
        args.extend(place);
        let (code, text) = verdict(&run(&args));
        assert_eq!(code, 6, "{args:?} {text}");
        assert!(text.contains("cannot write") && text.contains(place[1]) && !text.contains(".m5-"), "{text}");
    }
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = m5().args(["snapshot", "-p", &pid]).stdout(full).output().unwrap();
    assert_eq!(verdict(&output).0, 6);
}

#[test]
fn a_settings_file_with_a_mistake() {
    let place = folder();
    let config = file(place.path(), "m5.toml");
    fs::write(&config, "[objectives]\nrss = { pass = 1 }").unwrap();
    let (code, text) = verdict(&run(&["health", "--config", &config, "-p", "1"]));
    assert!(code == 2 && text.contains("m5.toml") && text.contains("rss"), "{code} {text}");
    let (code, text) = verdict(&run(&["health", "--config", "/no/m5.toml", "-p", "1"]));
    assert!(code == 5 && text.contains("/no/m5.toml"), "{code} {text}");
}

#[test]
fn a_command_that_does_not_start_or_is_no_python() {
    let (code, text) = verdict(&run(&["baseline", "--", "/no/such/program"]));
    assert!(code == 2 && text.contains("/no/such/program"), "{code} {text}");
    let (code, text) = verdict(&run(&["baseline", "--", "true"]));
    assert!(code == 3 && text.contains("ended before"), "{code} {text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = m5().arg("list").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(verdict(&output), (0, String::new()));
}

#[test]
fn help_names_the_exit_codes() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && (0..=6).all(|code| text.contains(&format!("\n  {code}  "))), "{text}");
}
