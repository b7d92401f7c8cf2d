//! The ways in which Python services are started: each is listed, its pauses are seen, its heap is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use support::{folder, json, m5, verdict};

/// Collects, says its pid, and ends with its parent.
const SERVICE: &str = "
import gc, multiprocessing, os, threading, time
def main():
    gc.disable()
    def collect():
        while True:
            gc.collect(1)
            time.sleep(0.005)
    threading.Thread(target=collect, daemon=True).start()
    owner = multiprocessing.parent_process()
    owner = f'/proc/{owner.pid if owner else os.getppid()}'
    os.write(1, f'ready {os.getpid()}\\n'.encode())
    while os.path.exists(owner): time.sleep(0.05)
if __name__ == '__main__': main()
";
/// Whose worker it is: of `multiprocessing`, in each of its ways.
const WORKERS: &str = "
import multiprocessing, sys, service
if __name__ == '__main__':
    worker = multiprocessing.get_context(sys.argv[1]).Process(target=service.main, daemon=True)
    worker.start()
    worker.join()
";
/// Of a server that freezes what all workers share, and forks.
const PREFORK: &str = "
import gc, os, service
gc.collect(); gc.freeze()
if os.fork() == 0: service.main(); os._exit(0)
os.wait()
";

/// Makes the files that the table starts, beside the interpreter's own.
fn prepare(python: &Path, place: &Path) {
    fs::create_dir_all(place.join("package")).unwrap();
    fs::create_dir_all(place.join("bin")).unwrap();
    for (file, text) in [
        ("service.py", SERVICE),
        ("package/__main__.py", SERVICE),
        ("package/__init__.py", ""),
        ("workers.py", WORKERS),
        ("prefork.py", PREFORK),
    ] {
        fs::write(place.join(file), text).unwrap();
    }
    let make = |words: &[&str]| {
        let out = Command::new(python).args(words).current_dir(place).output().unwrap();
        assert!(out.status.success(), "{words:?}: {out:?}");
    };
    make(&["-m", "zipapp", "package", "-o", "service.pyz"]);
    make(&["-m", "venv", "--without-pip", "--symlinks", "linked"]);
    make(&["-m", "venv", "--without-pip", "--copies", "copied"]);
    make(&["-m", "venv", "--without-pip", "--copies", "upgraded"]);
    symlink(python, place.join("bin/trading-engine")).unwrap();
}

#[test]
fn however_it_is_started_it_is_listed_watched_and_read() {
    let python = pythons().into_iter().rev().find(|p| p.executable().is_some()).unwrap();
    let (executable, place) = (python.executable().unwrap(), folder());
    prepare(executable, place.path());
    let plain = executable.to_str().unwrap();
    let rows: [&[&str]; 11] = [
        &[plain, "service.py"],
        &[plain, "-m", "package"],
        &[plain, "service.pyz"],
        &[plain, "-"],
        &["linked/bin/python", "service.py"],
        &["copied/bin/python", "service.py"],
        &["upgraded/bin/python", "service.py"],
        &["bin/trading-engine", "service.py"],
        &[plain, "workers.py", "spawn"],
        &[plain, "workers.py", "forkserver"],
        &[plain, "prefork.py"],
    ];
    for words in rows {
        let mut command = Command::new(place.path().join(words[0]));
        command.args(&words[1..]).current_dir(place.path());
        // A script on standard input is read to its end.
        if words.contains(&"-") {
            command = Command::new("sh");
            command.args(["-c", "exec \"$0\" - < service.py", plain]).current_dir(place.path());
        }
        let mut target = Target::spawn(command);
        let line = target.line();
        let pid = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{words:?}: {line}")).to_owned();
        if words[0].starts_with("upgraded") {
            for entry in fs::read_dir(place.path().join("upgraded/bin")).unwrap().flatten() {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        looked_at(words, &pid);
    }
}

fn looked_at(words: &[&str], pid: &str) {
    let number: i64 = pid.parse().unwrap();
    let list = json(&m5().args(["list", "--json"]).output().unwrap());
    let row = list["processes"].as_array().unwrap().iter().find(|p| p["pid"] == number);
    assert!(row.is_some_and(|row| row["python"].is_string()), "{words:?}: {row:?}");
    let watched = m5().args(["gc", "-p", pid, "-d", "1s", "--json"]).output().unwrap();
    // Middle collections are many here, which is no fault of how it was started.
    assert!(matches!(verdict(&watched).0, 0 | 1), "{words:?}: {watched:?}");
    let gc = &json(&watched)["gc"];
    assert!(gc["happened"].as_u64() > Some(0), "{words:?}: {gc}");
    let read = m5().args(["snapshot", "-p", pid, "--json"]).output().unwrap();
    assert_eq!(verdict(&read).0, 0, "{words:?}: {read:?}");
    let objects = &json(&read)["heap"]["objects"];
    assert!(objects.as_u64() > Some(1000), "{words:?}: {objects}");
}
