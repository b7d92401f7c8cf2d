//! What a new user's terminal, language, permissions and containers do to m5: each a row with its words and exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use std::fs;
use std::process::{Command, Stdio};
use support::{clean, file, folder, m5, root, verdict, which};

const SLEEPER: &str = "import sys; print('ready', flush=True); sys.stdin.readline()";

fn sleeper() -> Target {
    let mut target = Target::start(pythons().last().expect("an interpreter"), SLEEPER);
    assert_eq!(target.line(), "ready");
    target
}

#[test]
fn the_environment_is_held_to_what_the_command_line_is() {
    let zh = ("LANG", "zh_CN.UTF-8");
    let nobody = "2147483647";
    for (words, (name, value), code, said) in [
        (vec!["health"], ("M5_PID", "abc"), 2, "M5_PID=abc"),
        (vec!["health"], ("M5_PID", "-7"), 2, "from 1 to"),
        (vec!["gc"], ("M5_PID", "7 8"), 2, "with -p"),
        (vec!["health"], ("M5_PID", nobody), 3, "no process with PID 2147483647"),
        (vec!["health"], ("M5_DURATION", "soon"), 2, "soon"),
        (vec!["list"], ("M5_FORMAT", "html"), 2, "no such format"),
        (vec!["list"], ("M5_LANG", "fr"), 2, "fr"),
        (vec!["rules"], ("M5_CONFIG", "/no/m5.toml"), 5, "/no/m5.toml"),
        (vec!["rules"], ("M5_PROFILE", "web"), 2, "trading"),
        (vec!["list"], ("M5_OUTPUT", "/no/such/folder/x"), 6, "cannot write"),
        // Each kind of mistake that the parser knows, in Chinese.
        (vec!["health", "--durationn", "1s"], zh, 2, "没有选项 --durationn"),
        (vec!["frob"], zh, 2, "没有命令 frob"),
        (vec!["compare", "a"], zh, 2, "缺少参数：<OLD>"),
        (vec!["health", "-p", "abc"], zh, 2, "--pid <PID> 的值无效：abc"),
        (vec!["list", "--color", "blue"], zh, 2, "可用的值：auto, always, never"),
        (vec!["list", "--json", "--format", "text"], zh, 2, "不能与"),
        (vec!["health", "-p"], zh, 2, "`m5 health --help`"),
        (vec!["health", "-p", nobody], zh, 3, "没有 PID 为 2147483647 的进程"),
        (vec!["top"], zh, 2, "终端"),
    ] {
        // A variable that a command does not have is none of its business.
        let durations = name == "M5_DURATION";
        let words = if durations { vec!["baseline"] } else { words };
        let output = m5().args(&words).env(name, value).output().unwrap();
        let (found, text) = verdict(&output);
        assert_eq!(found, code, "{words:?} {name}={value}: {text}");
        assert!(text.contains(said), "{words:?} {name}={value}: {text}");
        let chinese = (name, value) == zh;
        assert!(!chinese || text.starts_with("错误") && text.contains("解决办法"), "{words:?}: {text}");
    }
    let typed = m5().args(["--lang=zh", "frob"]).output().unwrap();
    assert!(verdict(&typed).1.contains("没有命令 frob"), "what was typed is asked first: {typed:?}");
    let help = m5().args(["--help"]).env("LANG", "zh_CN.UTF-8").output().unwrap();
    assert!(help.status.success() && help.stderr.is_empty(), "{help:?}");
}

/// Commands that report, each on a process or a file.
fn reports(pid: &str, recording: &str) -> Vec<Vec<String>> {
    let all: &[&[&str]] = &[
        &["list"],
        &["health", "-d", "200ms", "-p", "PID"],
        &["baseline", "-d", "200ms", "-p", "PID"],
        &["why", "-d", "200ms", "-p", "PID"],
        &["gc", "-d", "200ms", "-p", "PID"],
        &["gc", "--show", "-p", "PID"],
        &["dump", "-p", "PID"],
        &["snapshot", "-p", "PID"],
        &["diff", "-p", "PID", "--interval", "200ms"],
        &["trim", "--dry-run", "-p", "PID"],
        &["check", "FILE"],
        &["compare", "FILE", "FILE"],
        &["rules"],
        &["completions", "bash"],
    ];
    let word = |w: &&str| match *w {
        "PID" => pid.to_owned(),
        "FILE" => recording.to_owned(),
        other => other.to_owned(),
    };
    all.iter().map(|words| words.iter().map(word).collect()).collect()
}

#[test]
fn readers_that_go_away_narrow_terminals_and_places_that_cannot_be_written() {
    let target = sleeper();
    let place = folder();
    let (pid, recording) = (target.pid().to_string(), file(place.path(), "r.json"));
    m5().args(["baseline", "-d", "200ms", "--save", &recording, "-p", &pid]).output().unwrap();
    for words in reports(&pid, &recording) {
        let mut child = m5().args(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 1 | 6)), "{words:?} with nobody reading: {code:?}");
        let narrow = m5().args(&words).env("COLUMNS", "40").env("NO_COLOR", "1").output().unwrap();
        let (code, text) = verdict(&narrow);
        assert!(matches!(code, 0 | 1 | 6) && !text.contains("panicked"), "{words:?}: {code} {text}");
        assert!(!narrow.stdout.is_empty() && !narrow.stdout.contains(&0x1b), "{words:?}");
        let output = m5().args(&words).args(["-o", "/no/such/folder/report"]).output().unwrap();
        let (code, text) = verdict(&output);
        assert!(code == 6 && text.contains("/no/such/folder"), "{words:?}: {code} {text}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn a_number_from_inside_a_container_is_told_from_one_of_here() {
    let Some(unshare) = which("unshare").filter(|_| root()) else {
        eprintln!("skipped: needs root and unshare");
        return;
    };
    let inside = "
import os, sys
# Numbers in a container are small; one that nobody else has here.
for _ in range(3000):
    child = os.fork()
    if child == 0:
        if os.path.exists(f'/proc/{os.getpid()}'):
            os._exit(1)
        print(os.getpid(), flush=True)
        sys.stdin.readline()
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0: break
";
    let python = pythons().into_iter().rfind(|p| p.executable().is_some()).unwrap();
    let mut command = Command::new(unshare);
    command.args(["--pid", "--fork"]).arg(python.executable().unwrap()).args(["-c", inside]);
    let mut target = Target::spawn(clean(command));
    let number: Vec<i32> = target.numbers();
    let number = number[0];
    let (code, text) = verdict(&m5().args(["health", "-p", &number.to_string()]).output().unwrap());
    assert_eq!(code, 3, "{text}");
    let told = format!("in a container PID {number} is here PID ");
    let here = text.split(&told).nth(1).and_then(|rest| rest.split(':').next()?.parse::<i32>().ok());
    let here = here.unwrap_or_else(|| panic!("{text}"));
    let status = fs::read_to_string(format!("/proc/{here}/status")).unwrap();
    let numbers = status.lines().find_map(|l| l.strip_prefix("NSpid:")).unwrap();
    assert!(numbers.split_whitespace().last() == Some(&number.to_string()), "{numbers}");
    let health = m5().args(["health", "-d", "200ms", "-p", &here.to_string()]).output().unwrap();
    assert!(matches!(verdict(&health).0, 0 | 1), "{health:?}");
}
