//! Kinds of programs, each under every command that stops, calls into or traps its target: afterwards each answers that
//! none of its own results was wrong, and stands as it stood: nobody's tracee, with the signals, limits, descriptors and
//! children that are its own. Who is stopped stays stopped, who is traced stays traced by its own tracer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
#[path = "support/kinds.rs"]
mod kinds;
mod support;

use harm::{children, ends, lives, ready, signal, states, until};
use kinds::{BEGIN, END, KINDS};
use m5_testkit::{Python, Target, copy_program, pythons};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::{json, m5, root, which};

/// Every command that does more than read. All but the first two may say that they cannot.
const COMMANDS: [&[&str]; 8] = [
    &["snapshot", "--json", "--top", "1", "--method", "fork", "--max-pause", "20s"],
    &["snapshot", "--json", "--top", "1", "--method", "freeze", "--max-pause", "20s"],
    &["snapshot", "--json", "--top", "1", "--method", "live"],
    &["dump"],
    &["trim", "--min", "1MB", "--recheck", "0"],
    &["gc", "--json", "-d", "200ms"],
    &["alloc", "-d", "200ms"],
    &["stalls", "-d", "200ms"],
];

/// How a process stands: what m5 must not have changed of it.
fn standing(pid: i32, settled: bool) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    const FIELDS: [&str; 8] =
        ["TracerPid:", "Uid:", "SigBlk:", "SigIgn:", "SigCgt:", "Seccomp:", "NoNewPrivs:", "VmLck:"];
    let status = read("status");
    let lines = status.lines().filter(|line| FIELDS.iter().any(|field| line.starts_with(field)));
    let mut out: Vec<String> = lines.map(str::to_owned).collect();
    out.extend([
        read("limits"),
        read("oom_score_adj"),
        read("sched").lines().next().unwrap_or("").to_owned(),
    ]);
    if settled {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let mut links: Vec<String> = links.map(|l| format!("{l:?} {:?}", fs::read_link(l.path()))).collect();
        links.sort();
        out.extend(links);
        out.push(format!("{} threads, children {:?}", states(pid).len(), children(pid)));
    }
    out
}

/// Runs a command to its end, and says how it ended.
fn run(mut m5: Command, args: &[&str], pid: i32) -> (i32, Output) {
    let output = m5.args(args).args(["--lang", "en", "-p", &pid.to_string()]).output().unwrap();
    (output.status.code().unwrap_or_else(|| panic!("{args:?} was killed: {output:?}")), output)
}

/// Whether a command may end like this on a process that lives.
fn honest(args: &[&str], code: i32, output: &Output) -> bool {
    // An error says why on standard error, an incomplete report in itself.
    let said = !output.stderr.is_empty() || code == 6 && !output.stdout.is_empty() || code < 2;
    match args[0] {
        // On a busy machine a stop may take too long; then the next method is there.
        "snapshot" => code == 0 || [5, 6].contains(&code) && said,
        _ => [0, 1, 5, 6].contains(&code) && said,
    }
}

fn each_kind(python: &Python, commands: &[&[&str]]) {
    let next = std::sync::Mutex::new(KINDS.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, body, settled)) = { next.lock().unwrap().next() } {
                    let name = format!("{}, {name}", python.name);
                    let mut target = ready(python, &format!("{BEGIN}{body}{END}"));
                    let pid = target.pid();
                    let before = standing(pid, *settled);
                    for args in commands {
                        let (code, output) = run(m5(), args, pid);
                        assert!(honest(args, code, &output), "{name}, {args:?}: {code} {output:?}");
                        lives(&mut target);
                    }
                    let same = until(Duration::from_secs(20), || standing(pid, *settled) == before);
                    assert!(same, "{name}: {:?} was {before:?}", standing(pid, *settled));
                }
            });
        }
    });
}

#[test]
fn the_oldest_interpreter_in_every_kind_of_program() {
    // What traps it is asked of the newest.
    each_kind(ends().first().unwrap(), COMMANDS.get(..6).unwrap());
}

#[test]
fn the_newest_interpreter_in_every_kind_of_program() {
    each_kind(ends().last().unwrap(), &COMMANDS);
}

#[test]
fn who_is_stopped_stays_stopped() {
    for python in ends() {
        let mut target = ready(&python, &format!("{BEGIN}{END}"));
        let pid = target.pid();
        signal(pid, libc::SIGSTOP);
        let stopped = || states(pid).iter().all(|state| *state == 'T');
        assert!(until(Duration::from_secs(20), stopped));
        for args in COMMANDS {
            let (code, output) = run(m5(), args, pid);
            assert!([0, 1, 5, 6].contains(&code), "{args:?}: {code} {output:?}");
            assert!(until(Duration::from_secs(20), stopped), "{args:?} let it go: {:?}", states(pid));
            assert!(children(pid).is_empty(), "{args:?}");
        }
        signal(pid, libc::SIGCONT);
        lives(&mut target);
    }
}

/// Attaches to a process as a debugger does, without stopping it, and lets it go at its own end.
const TRACER: &str = "
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
assert libc.ptrace(0x4206, int(sys.stdin.readline()), None, None) == 0, ctypes.get_errno()
print('ready')
for line in sys.stdin: print('alive')
";

#[test]
fn who_is_traced_stays_its_tracers() {
    for python in ends() {
        let mut target = ready(&python, &format!("{BEGIN}{END}"));
        let pid = target.pid();
        let mut tracer = Target::start(&python, TRACER);
        tracer.say(&pid.to_string());
        assert_eq!(tracer.line(), "ready");
        let before = standing(pid, true);
        for args in COMMANDS {
            let (code, output) = run(m5(), args, pid);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let stops = args.contains(&"fork") || args.contains(&"freeze") || args[0] == "trim";
            match stops {
                true => assert!(code == 5 && said.contains("is attached"), "{args:?}: {code} {said}"),
                false => assert!([0, 1, 5, 6].contains(&code), "{args:?}: {code} {said}"),
            }
            assert_eq!(standing(pid, true), before, "{args:?}");
            lives(&mut target);
        }
        // Without a method of one's own it is read while it runs.
        let (_, output) = run(m5(), &["snapshot", "--json", "--top", "1"], pid);
        assert_eq!(json(&output)["info"]["method"], "live");
        lives(&mut target);
        lives(&mut tracer);
    }
}

/// Stands in `vfork`, which nothing interrupts, until somebody opens the pipe that its child wants to read.
const BETWEEN: &str = "
print('ready')
sys.stdin.readline()
pid = os.posix_spawn('/bin/true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, PATH, os.O_RDONLY, 0)])
check(os.waitpid(pid, 0)[1] == 0)
print('back')
for line in sys.stdin: print('alive' if not wrong else wrong)
";

#[test]
fn who_waits_for_a_child_to_execute_goes_on_waiting() {
    let folder = support::folder();
    for python in ends().into_iter().filter(|p| p.minor() >= (3, 8)) {
        let path = folder.path().join(format!("pipe-{}-{}", python.minor().0, python.minor().1));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let program = format!("{BEGIN}PATH = {:?}{BETWEEN}", path.display().to_string());
        let mut target = ready(&python, &program);
        let pid = target.pid();
        target.say("go");
        let waits = || states(pid) == ['D'];
        assert!(until(Duration::from_secs(20), waits), "{}: {:?}", python.name, states(pid));
        let child = children(pid);
        for args in COMMANDS {
            let (code, output) = run(m5(), args, pid);
            assert!([0, 1, 5, 6].contains(&code), "{args:?}: {code} {output:?}");
            assert!(waits(), "{args:?}: {:?}", states(pid));
            assert_eq!(children(pid), child, "{args:?}");
        }
        fs::write(&path, "").unwrap();
        assert_eq!(target.line(), "back", "{}", python.name);
        lives(&mut target);
    }
}

/// A command as somebody else, who has no rights but over what is theirs.
fn as_nobody(command: &Command) -> Command {
    const NOBODY: &str = "65534";
    let mut other = Command::new("setpriv");
    other.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all"]);
    other.arg(command.get_program()).args(command.get_args());
    other
}

#[test]
fn whoever_owns_a_process_may_look_at_it_without_any_privilege() {
    if !root() || which("setpriv").is_none() {
        return eprintln!("left out: nobody can be made here");
    }
    // Where everybody may read it, unlike this build.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = folder.path().join("m5");
    copy_program(std::path::Path::new(env!("CARGO_BIN_EXE_m5")), &own);
    let may = |python: &Python| {
        let mut probe = python.command();
        let mut probe = as_nobody(probe.arg("--version"));
        probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let Some(python) = pythons().into_iter().rfind(|p| p.name.starts_with('/') && may(p)) else {
        return eprintln!("left out: no interpreter that everybody may run");
    };
    let mut command = python.command();
    command.args(["-I", "-u", "-c", &format!("{BEGIN}{END}")]);
    let mut target = Target::spawn(as_nobody(&command));
    assert_eq!(target.line(), "ready");
    let pid = target.pid();
    let restricted = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|s| s.trim() != "0");
    let before = standing(pid, true);
    for args in COMMANDS {
        let m5 = support::clean(as_nobody(&Command::new(&own)));
        let (code, output) = run(m5, args, pid);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match (args[0], restricted) {
            ("snapshot", false) => assert_eq!(code, 0, "{args:?}: {said}"),
            _ => assert!([0, 1, 4, 5, 6].contains(&code), "{args:?}: {code} {said}"),
        }
        // Whoever may not is told what helps.
        assert!(code != 4 || said.lines().count() >= 2, "{args:?}: {said}");
        assert_eq!(standing(pid, true), before, "{args:?}");
        lives(&mut target);
    }
    // Another's process is refused, and stays as it is.
    let mut other = ready(&python, &format!("{BEGIN}{END}"));
    for args in COMMANDS {
        let m5 = support::clean(as_nobody(&Command::new(&own)));
        let (code, output) = run(m5, args, other.pid());
        assert_eq!(code, 4, "{args:?}: {output:?}");
        lives(&mut other);
    }
}

/// Both m5 and its target in a namespace of processes of their own, where the target is number 1 and has no parent.
#[test]
fn a_target_that_is_the_first_of_its_namespace() {
    let unshare = |command: &Command| {
        let mut other = Command::new("unshare");
        other.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        other.arg(command.get_program()).args(command.get_args());
        other
    };
    let may = || unshare(&Command::new("true")).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if which("unshare").is_none() || which("nsenter").is_none() || !may() {
        return eprintln!("left out: no namespace of processes can be made here");
    }
    for python in ends() {
        let mut command = python.command();
        command.args(["-I", "-u", "-c", &format!("{BEGIN}{END}")]);
        let mut target = Target::spawn(unshare(&command));
        assert_eq!(target.line(), "ready");
        let outer = target.pid();
        let [first] = children(outer)[..] else { panic!("{:?}", children(outer)) };
        for inside in [true, false] {
            for args in COMMANDS {
                let here = m5();
                let (m5, pid) = match inside {
                    true => {
                        let mut enter = Command::new("nsenter");
                        enter.args(["-t", &first.to_string(), "-p", "-m"]).arg(here.get_program());
                        (support::clean(enter), 1)
                    }
                    false => (here, first),
                };
                let (code, output) = run(m5, args, pid);
                assert!(honest(args, code, &output), "{} {args:?}: {code} {output:?}", python.name);
                target.say("?");
                assert_eq!(target.line(), "alive", "{} {args:?}", python.name);
                assert!(children(first).is_empty(), "{} {args:?}", python.name);
            }
        }
    }
}
