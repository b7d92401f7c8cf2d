//! `m5 top` on a pseudo-terminal, as a person uses it.
#![allow(clippy::unwrap_used)]

use m5_testkit::{Target, pythons};
use std::process::{Command, Stdio};

/// Runs `m5 top` on a pty, waits for the target's row, presses keys, and prints what came to the screen.
const DRIVER: &str = r#"
import os, pty, select, signal, sys, time
m5, pid = sys.argv[1:]
child, fd = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm-256color", LINES="40", COLUMNS="160", NO_COLOR="1")
    os.execv(m5, [m5, "top", "--lang", "en", "--interval", "200ms"])
import fcntl, struct, termios
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
seen, mark = b"", 0
def read_until(*words, seconds=30):
    """Looks on behind the last word that was found: one read may bring several. Only cells that change are written, and
    letters may stand in their places already: so any of the words will do."""
    global seen, mark
    end = time.monotonic() + seconds
    while not any(word in seen[mark:] for word in words):
        if time.monotonic() > end:
            sys.exit(f"no {words!r} in {seen[mark:]!r}")
        if select.select([fd], [], [], 0.2)[0]:
            try:
                seen += os.read(fd, 65536)
            except OSError:
                break
    found = [(seen.index(word, mark), len(word)) for word in words if word in seen[mark:]]
    mark = sum(min(found)) if found else mark
read_until(b"SERVICE")
read_until(pid.encode())
os.write(fd, b"l")
read_until("服务".encode()[:3])
os.write(fd, b"\r")
read_until(b"PID")
os.write(fd, b"l?")
read_until(b"keys", b"choose", b"memory", b"filter", b"snapshot into", b"pause of", b"ten seconds", b"English or")
# What is waited for must not stand where it stood before.
os.write(fd, b"/" + pid.encode() + b"\rt")
read_until(b"FLOOR", seconds=60)
# What is said of the snapshot goes with the next key: it has letters in the places of what is waited for.
os.write(fd, b"k")
read_until(b"back")
# Ten seconds of allocations, and from then on anew until something else is looked at.
os.write(fd, b"a")
read_until(b"anew", b"every", b"ends it", seconds=90)
os.write(fd, b"\x1b")
read_until(b"SERVICE")
os.kill(int(pid), signal.SIGUSR1)
read_until(b"executed", seconds=60)
os.write(fd, b"q")
_, status = os.waitpid(child, 0)
print("code", os.waitstatus_to_exitcode(status))
"#;

/// Executes another program for a signal.
const PROGRAM: &str = "
import os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: os.execv('/bin/sleep', ['sleep', '600']))
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn keys_on_a_terminal() {
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/') && p.minor() >= (3, 9)).unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let pid = target.pid().to_string();
    let place = tempfile::tempdir().unwrap();
    let out = python
        .command()
        .args(["-I", "-c", DRIVER, env!("CARGO_BIN_EXE_m5"), &pid])
        .current_dir(&place)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("code 0"), "{text}");
    let saved = std::fs::read_dir(&place).unwrap().flatten().next().unwrap().file_name();
    assert!(saved.to_string_lossy().starts_with(&format!("m5-{pid}-")), "{saved:?}");
}

/// Starts `m5 top` on a pty whose other end goes away once it has drawn, and waits for its end.
const CLOSED: &str = r#"
import os, pty, sys, time
child, fd = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm-256color", LINES="40", COLUMNS="160", NO_COLOR="1")
    os.execv(sys.argv[1], [sys.argv[1], "top", "--lang", "en", "--interval", "200ms"])
import fcntl, struct, termios
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
seen = b""
while b"SERVICE" not in seen:
    seen += os.read(fd, 65536)
os.close(fd)
end = time.monotonic() + 60
while os.waitpid(child, os.WNOHANG) == (0, 0):
    if time.monotonic() > end:
        os.kill(child, 9)
        sys.exit("it goes on without a terminal")
    time.sleep(0.05)
print("ended")
"#;

#[test]
fn it_ends_with_its_terminal() {
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/') && p.minor() >= (3, 9)).unwrap();
    let out = python.command().args(["-I", "-c", CLOSED, env!("CARGO_BIN_EXE_m5")]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert_eq!(text, "ended\n");
}

#[test]
fn without_a_terminal_it_says_so() {
    let out = Command::new(env!("CARGO_BIN_EXE_m5"))
        .args(["top", "--lang", "en"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(2) && text.contains("needs a terminal"), "{text}");
}
