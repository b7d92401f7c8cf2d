//! m5 as root with some capabilities only, as containers are given them, on another user's process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use support::{clean, folder, json, root, verdict, which};

const USER: &str = "--reuid=65534 --regid=65534 --clear-groups";
const SLEEPER: &str = "import sys; print('ready', flush=True); sys.stdin.readline()";

/// Whether root has here what these tests give away: in a container it may not.
fn has_all() -> bool {
    // By their numbers: CAP_DAC_OVERRIDE, DAC_READ_SEARCH, KILL, SETGID, SETUID, SETPCAP, SYS_PTRACE, PERFMON.
    const NEEDED: [u32; 8] = [1, 2, 5, 6, 7, 8, 19, 38];
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    let held = u64::from_str_radix(held.trim(), 16).unwrap();
    NEEDED.iter().all(|number| held & (1_u64 << number) != 0)
}

/// A process of another user, and what starts m5 with capabilities; nothing where this machine has no such thing.
fn of_another_user() -> Option<(Target, PathBuf)> {
    let setpriv = which("setpriv").filter(|_| root() && has_all())?;
    let as_user = |program: &std::path::Path| {
        let mut command = clean(Command::new(&setpriv));
        command.args(USER.split(' ')).arg(program).current_dir("/");
        command
    };
    for python in pythons().iter().rev().filter_map(|p| p.executable()) {
        // Many interpreters lie where others may not look.
        let starts = as_user(python).args(["-c", "pass"]).output().is_ok_and(|out| out.status.success());
        if starts {
            let mut command = as_user(python);
            command.args(["-c", SLEEPER]);
            let mut target = Target::spawn(command);
            assert_eq!(target.line(), "ready");
            return Some((target, setpriv));
        }
    }
    None
}

fn m5_with(setpriv: &std::path::Path, capabilities: &[&str], words: &[&str]) -> Output {
    let list: String = capabilities.iter().map(|name| format!(",+{}", name.to_lowercase())).collect();
    let mut command = clean(Command::new(setpriv));
    command.args(["--inh-caps=-all", &format!("--bounding-set=-all{list}")]).arg(env!("CARGO_BIN_EXE_m5"));
    command.args(words).output().unwrap()
}

/// Names below `/proc/PID/task/*/children`.
fn children(pid: i32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect()
}

#[test]
fn a_copy_that_could_not_be_ended_is_not_made() {
    let Some((target, setpriv)) = of_another_user() else {
        eprintln!("skipped: needs root, setpriv and an interpreter that others may start");
        return;
    };
    let pid = target.pid().to_string();
    let place = folder();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let capabilities = ["SYS_PTRACE", "PERFMON", "DAC_OVERRIDE"];
    let out = m5_with(&setpriv, &capabilities, &["snapshot", "--json", "-p", &pid]);
    let (code, text) = verdict(&out);
    assert_eq!(code, 0, "{text}");
    assert_ne!(json(&out)["info"]["method"], "fork", "{text}");
    assert_eq!(children(target.pid()), "", "a copy is left");
    let fork = m5_with(&setpriv, &capabilities, &["snapshot", "--method", "fork", "-p", &pid]);
    let (code, text) = verdict(&fork);
    assert!(code == 5 && text.contains("CAP_KILL"), "{code} {text}");
    assert_eq!(children(target.pid()), "", "a copy is left");
}

#[test]
fn what_lacks_a_capability_is_told_which() {
    let Some((target, setpriv)) = of_another_user() else { return };
    let pid = target.pid().to_string();
    let (code, text) = verdict(&m5_with(&setpriv, &["SYS_PTRACE", "PERFMON"], &["snapshot", "-p", &pid]));
    assert!(code == 4 && text.contains("cap_dac_read_search"), "{code} {text}");
}

#[test]
fn the_kubernetes_files_give_m5_what_it_needs() {
    let Some((target, setpriv)) = of_another_user() else { return };
    let pid = target.pid().to_string();
    for name in ["daemonset.yaml", "sidecar.yaml"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes").join(name);
        let text = fs::read_to_string(path).unwrap();
        let (_, list) = text.split_once("add: [").unwrap();
        let capabilities: Vec<&str> = list.split(']').next().unwrap().split(", ").collect();
        // Capabilities that are added reach root alone: of another user they stay without effect.
        assert!(text.contains("runAsUser: 0"), "{name}");
        for words in [
            &["health", "-d", "200ms", "-p"][..],
            &["gc", "-d", "200ms", "-p"],
            &["snapshot", "-p"],
            &["dump", "-p"],
        ] {
            let words = [words, &[pid.as_str()]].concat();
            let (code, said) = verdict(&m5_with(&setpriv, &capabilities, &words));
            assert!(matches!(code, 0 | 1 | 6), "{name}: {words:?}: {code} {said}");
            assert!(!said.contains("no permission"), "{name}: {words:?}: {said}");
        }
    }
}
