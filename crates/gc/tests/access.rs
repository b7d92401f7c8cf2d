//! Who may watch: an ordinary user his own process; and where it is denied, the reason is named and m5 polls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

mod common;

use common::{attach, drain_until};
use m5_gc::{Choice, Obstacle, TraceOptions};
use m5_testkit::{Target, pythons};
use std::process::Command;

const STEPS: &str = "
import gc, sys
gc.disable()
print('ready', flush=True)
for line in sys.stdin:
    for i in range(30): gc.collect(i % 2)
    print('done', flush=True)
";

/// Run by the tests below in a process of its own, as another user or under a filter: attaches to the process
/// in `M5_TEST_PID`, says how and why, and, when told, how many pauses it saw.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn a_tracer() {
    let Ok(pid) = std::env::var("M5_TEST_PID") else { return };
    if let Ok(errno) = std::env::var("M5_TEST_DENY") {
        deny_perf_event_open(errno.parse().unwrap());
    }
    let mut tracer = attach(pid.parse().unwrap(), &TraceOptions::default());
    println!("\nchoice {}", serde_json::to_string(tracer.choice()).unwrap());
    println!("reason {}", tracer.reason());
    let mut pauses = Vec::new();
    drain_until(&mut tracer, &mut pauses, || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
    });
    let coverage = tracer.coverage();
    println!("seen {} {}", coverage.seen(), coverage.happened());
}

fn tracer(mut command: Command, pid: i32) -> (Target, Choice, String) {
    command.args(["--ignored", "--exact", "a_tracer", "--nocapture"]).env("M5_TEST_PID", pid.to_string());
    let mut tracer = Target::spawn(command);
    let mut after = |word: &str| loop {
        let line = tracer.line();
        if let Some(rest) = line.strip_prefix(word) {
            return rest.to_owned();
        }
    };
    let choice = serde_json::from_str(&after("choice ")).unwrap();
    let reason = after("reason ");
    (tracer, choice, reason)
}

#[test]
fn a_seccomp_filter_is_named_and_polled_around() {
    let python = pythons().into_iter().rfind(|p| p.minor() < (3, 15)).unwrap();
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS] {
        let mut target = Target::start(&python, STEPS);
        assert_eq!(target.line(), "ready");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("M5_TEST_DENY", errno.to_string());
        let (mut tracer, choice, reason) = tracer(command, target.pid());
        assert_eq!(choice, Choice::Fallback { obstacle: Obstacle::Seccomp { errno } });
        assert!(reason.contains("seccomp"), "{reason}");
        target.say("go");
        assert_eq!(target.line(), "done");
        tracer.say("");
        let line = loop {
            let line = tracer.line();
            if line.starts_with("seen") {
                break line;
            }
        };
        assert!(line.ends_with(" 30"), "counts stay exact: {line}");
    }
}

#[test]
fn an_ordinary_user_watches_his_own_process_and_nobody_elses() {
    // SAFETY: a plain question.
    if unsafe { libc::geteuid() } != 0 {
        return println!("skipped: only root can become another user");
    }
    let nobody = |program: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", program]);
        command.current_dir("/");
        command
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let exe = dir.path().join("tracer");
    m5_testkit::copy_program(&std::env::current_exe().unwrap(), &exe);
    let exe = exe.to_str().unwrap();
    let mut python = nobody("/usr/bin/python3");
    python.args(["-I", "-u", "-c", STEPS]);
    let mut target = Target::spawn(python);
    assert_eq!(target.line(), "ready");
    let (mut tracer, choice, reason) = tracer(nobody(exe), target.pid());
    let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    if choice != Choice::Best {
        assert!(paranoid.trim().parse::<i32>().unwrap() > 2, "{reason}");
        return println!("skipped: {reason}");
    }
    target.say("go");
    assert_eq!(target.line(), "done");
    tracer.say("");
    while tracer.line() != "seen 30 30" {}
}

/// A filter in the kernel's own bytecode: this one call fails, all others pass.
fn deny_perf_event_open(errno: u32) {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_perf_event_open as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `filter` points to a valid program that lives through the call; the calling thread alone, and
    // those it starts later, are bound by it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter), 0);
    }
}
