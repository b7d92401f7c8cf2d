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
fn a_report_is_not_written_where_a_snapshot_would_be_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.m5snap");
    let output = m5().args(["snapshot", "-p", "1", "-o"]).arg(&file).output().unwrap();
    let (code, text) = verdict(&output);
    assert!(code == 2 && text.contains("m5 snapshot --save FILE"), "{code} {text}");
    assert!(!file.exists());
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

/// What starts commands, goes on, or needs the kernel's leave, each with the codes that it may end with here.
fn others<'a>(pid: &'a str, place: &'a str, python: &'a str) -> Vec<(Vec<&'a str>, &'static [i32])> {
    let fine: &[i32] = &[0, 1, 6];
    // Without the kernel's leave they say what they lack.
    let asks: &[i32] = &[0, 1, 4, 5, 6];
    vec![
        (vec!["alloc", "-d", "200ms", "-p", pid], asks),
        (vec!["stalls", "-d", "200ms", "-p", pid], asks),
        (vec!["init", "-d", "200ms", "--save", "-", "-p", pid], fine),
        (vec!["stress", "-d", "300ms", "--save", place, "-p", pid], fine),
        (vec!["bench-run", "-n", "2", "--", python, "-c", "pass"], fine),
        (vec!["leaks", "--", python, "-c", "pass"], fine),
    ]
}

#[test]
fn what_starts_something_or_needs_leave_bears_the_same() {
    let target = sleeper();
    let python = pythons().into_iter().rfind(|p| p.executable().is_some()).expect("an interpreter");
    let python = python.executable().unwrap().display().to_string();
    let place = folder();
    let (pid, save) = (target.pid().to_string(), file(place.path(), "stress.json"));
    for (words, codes) in others(&pid, &save, &python) {
        let mut child = m5().args(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        let code = child.wait().unwrap().code();
        assert!(code.is_some_and(|c| codes.contains(&c)), "{words:?} with nobody reading: {code:?}");
        let zh =
            m5().args(&words).env("LANG", "zh_CN.UTF-8").env("COLUMNS", "40").env("NO_COLOR", "1").output();
        let zh = zh.unwrap();
        let (code, text) = verdict(&zh);
        assert!(codes.contains(&code) && !text.contains("panicked"), "{words:?}: {code} {text}");
        assert!(!zh.stdout.contains(&0x1b) && !zh.stderr.contains(&0x1b), "{words:?}");
        if matches!(code, 4 | 5) {
            assert!(text.contains("解决办法"), "{words:?}: {text}");
            continue;
        }
        let said = String::from_utf8_lossy(&zh.stdout).into_owned();
        // The file that m5 init writes is read by English and Chinese alike.
        assert!(words[0] == "init" || said.chars().any(|c| c >= '\u{4e00}'), "{words:?}: {said}");
    }
    for words in [&["watch", "--journal", "-"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let journal = file(place.path(), "journal");
        let words: Vec<&str> = words.iter().map(|w| if *w == "-" { journal.as_str() } else { w }).collect();
        let run = |more: &[&str]| m5().args(&words).args(["-d", "200ms"]).args(more).output().unwrap();
        let (code, text) = verdict(&run(&["-p", &pid]));
        assert!(code == 0 && !text.is_empty(), "{words:?}: {text}");
        assert_eq!(verdict(&run(&["-p", "2147483647"])).0, 3, "{words:?}");
    }
    let (code, text) =
        verdict(&m5().args(["watch", "--journal", "/no/such/folder/j", "-p", &pid]).output().unwrap());
    assert!(
        code == 6 && text.matches("/no/such/folder/j").count() == 1 && text.contains("--journal"),
        "{text}"
    );
}

#[test]
fn a_report_that_has_no_place_is_refused_before_anything_is_begun() {
    let target = sleeper();
    let place = folder();
    let (pid, begun) = (target.pid().to_string(), place.path().join("begun"));
    let mark = format!("touch '{}'", begun.display());
    let began = ["sh", "-c", &mark];
    for words in [
        vec!["baseline", "-d", "24h", "-p", &pid],
        vec!["gc", "--set", "1000,10,10", "-p", &pid],
        vec!["alloc", "-d", "24h", "-p", &pid],
        vec!["stalls", "-d", "24h", "-p", &pid],
        vec!["stress", "-d", "24h", "-p", &pid],
        vec!["init", "-d", "24h", "-p", &pid],
        vec!["trim", "-p", &pid],
        vec!["watch", "-p", &pid],
        vec!["serve", "--listen", "127.0.0.1:0", "-p", &pid],
        [&["tune", "--"], &began[..]].concat(),
        [&["leaks", "--"], &began[..]].concat(),
        [&["bench-run", "--"], &began[..]].concat(),
        [&["baseline", "-d", "24h", "--"], &began[..]].concat(),
    ] {
        let out =
            m5().args(["-o", "/no/such/folder/report"]).args(&words).current_dir(&place).output().unwrap();
        let (code, text) = verdict(&out);
        assert!(
            code == 6 && text.contains("/no/such/folder") && text.contains("-o"),
            "{words:?}: {code} {text}"
        );
        assert!(!begun.exists(), "{words:?}");
    }
    let left: Vec<_> = fs::read_dir(&place).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A named pipe is a place for a report: whoever reads it gets all of it, and no end before it.
#[test]
fn a_pipe_with_a_name_takes_a_report() {
    let place = folder();
    let pipe = file(place.path(), "pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let (code, text) = verdict(&m5().args(["rules", "-o", &pipe]).output().unwrap());
    assert_eq!(code, 0, "{text}");
    assert!(reader.join().unwrap().contains("groups:"));
}

#[test]
fn a_target_that_somebody_stopped_is_called_stopped() {
    let target = sleeper();
    let pid = target.pid().to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    let stat = format!("/proc/{pid}/stat");
    while !fs::read_to_string(&stat).unwrap().rsplit(") ").next().unwrap().starts_with('T') {
        std::thread::yield_now();
    }
    for words in [
        &["health", "-d", "200ms"][..],
        &["baseline", "-d", "200ms"],
        &["gc", "-d", "200ms"],
        &["gc", "--show"],
        &["init", "-d", "200ms", "--save", "-"],
        &["diff", "--interval", "200ms"],
        &["alloc", "-d", "200ms"],
        &["stalls", "-d", "200ms"],
        &["trim"],
    ] {
        let (_, text) = verdict(&m5().args(words).args(["-p", &pid]).output().unwrap());
        assert!(text.contains(&format!("kill -CONT {pid}")), "{words:?}: {text}");
        let (_, text) = verdict(&m5().args(words).args(["--lang", "zh", "-p", &pid]).output().unwrap());
        assert!(text.contains("已被暂停"), "{words:?}: {text}");
    }
}
