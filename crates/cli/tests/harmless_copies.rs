//! Programs that a copy of them would harm: none is made, m5 says why, and takes another way by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
#[path = "support/kinds.rs"]
mod kinds;
mod support;

use harm::{Group, ends, lives, newest, ready};
use kinds::{BEGIN, END, HANDS_CALLS_OVER, HEARS_OF_COPIES, HUGE_PAGES};
use m5_testkit::{Python, Target};
use std::path::Path;
use std::process::{Command, Output};
use support::{json, m5, root, which};

fn snapshot(mut m5: Command, pid: i32, more: &[&str]) -> Output {
    m5.args(["snapshot", "--lang", "en", "--json", "--top", "1", "--max-pause", "20s"]);
    m5.args(more).args(["-p", &pid.to_string()]).output().unwrap()
}

/// Such a program; `None` where the machine has nothing of the kind.
fn special(python: &Python, kind: &str) -> Option<Target> {
    let mut target = ready(python, &format!("{BEGIN}{kind}\nprint('ready')\nprint(special){END}"));
    let (is_special, ready) = (target.line() == "True", target.line());
    assert_eq!(ready, "ready");
    is_special.then_some(target)
}

/// Starts a program (`sys.argv[1:]`) for which the kernel does not say whose calls it hands over: before 6.4 none does.
const OLDER_KERNEL: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
ptrace = {'x86_64': 101, 'aarch64': 117}[os.uname().machine]
steps = [bpf(0x20, 0, 0, 0), bpf(0x15, 0, 3, ptrace), bpf(0x20, 0, 0, 16), bpf(0x15, 0, 1, 0x4211)]
steps += [bpf(6, 0, 0, 0x50005), bpf(6, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b''.join(steps))
class Program(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
program = Program(len(steps), ctypes.addressof(text))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

fn on_an_older_kernel() -> Command {
    let mut command = newest().command();
    command.args(["-I", "-c", OLDER_KERNEL]).arg(m5().get_program());
    support::clean(command)
}

/// No copy is made, for this reason, and without a method of one's own it is frozen; `None` where nothing is of the kind.
fn is_refused(python: &Python, kind: &str, word: &str, m5: impl Fn() -> Command) -> Option<Target> {
    let Some(mut target) = special(python, kind) else {
        eprintln!("left out on {}: nothing of the kind here ({word})", python.name);
        return None;
    };
    let output = snapshot(m5(), target.pid(), &["--method", "fork"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(5) && said.contains(word), "{}: {said}", python.name);
    lives(&mut target);
    let document = json(&snapshot(m5(), target.pid(), &[]));
    assert_eq!(document["info"]["method"], "freeze", "{}", document["info"]);
    lives(&mut target);
    Some(target)
}

/// Nor does anything else that m5 does harm it.
fn is_not_copied(kind: &str, word: &str) {
    for python in ends() {
        let Some(mut target) = is_refused(&python, kind, word, m5) else { continue };
        let others: [&[&str]; 4] = [
            &["trim", "--min", "1MB", "--recheck", "0"],
            &["alloc", "-d", "200ms"],
            &["gc", "-d", "200ms"],
            &["dump"],
        ];
        for args in others {
            let output = m5().args(args).args(["-p", &target.pid().to_string()]).output().unwrap();
            assert!(matches!(output.status.code(), Some(0 | 1 | 5 | 6)), "{args:?}: {output:?}");
            lives(&mut target);
        }
    }
}

#[test]
fn who_has_its_calls_handed_to_itself_is_not_made_to_call() {
    const WORD: &str = "PR_SET_SYSCALL_USER_DISPATCH";
    is_not_copied(HANDS_CALLS_OVER, WORD);
    is_refused(&newest(), HANDS_CALLS_OVER, WORD, on_an_older_kernel);
}

#[test]
fn who_is_told_of_copies_is_not_copied() {
    is_not_copied(HEARS_OF_COPIES, "userfaultfd");
}

#[test]
fn who_has_huge_pages_of_its_own_is_not_copied() {
    is_not_copied(HUGE_PAGES, "huge pages");
}

/// As in a container beside the target's, in one pod: m5 sees its own group, and neither the target's nor its limit.
#[test]
fn limits_that_cannot_be_seen_are_taken_for_near() {
    let Some(group) = Group::new("unseen") else { return };
    let Some(own) = Group::new("seen") else { return };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--cgroup"]);
        command
    };
    let may = unshare().arg("true").status().is_ok_and(|status| status.success());
    if !root() || which("unshare").is_none() || !may {
        return eprintln!("left out: no namespaces can be made here");
    }
    let python = newest();
    let mut target = ready(&python, &format!("{BEGIN}{END}"));
    group.take(target.pid());
    let own = own.path().display().to_string();
    let mounted = Path::new(&own).parent().unwrap().display().to_string();
    let beside = || {
        let mut command = Command::new("sh");
        let script = "echo $$ > \"$0/cgroup.procs\" && exec unshare --cgroup --mount sh -c \
            'mount --bind \"$0\" \"$1\" && shift && exec \"$@\"' \"$0\" \"$@\"";
        command.args(["-c", script, &own, &mounted]).arg(m5().get_program());
        support::clean(command)
    };
    let document = json(&snapshot(beside(), target.pid(), &[]));
    assert_eq!(document["info"]["method"], "freeze", "{}", document["info"]);
    assert!(document["info"]["notes"].to_string().contains("cannot be seen"), "{}", document["info"]);
    lives(&mut target);
    let output = snapshot(beside(), target.pid(), &["--method", "fork"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(5) && said.contains("cannot be seen"), "{said}");
    lives(&mut target);
}
