//! What a new user meets in the first hour: names, the list, objectives for a service that nobody described.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use std::fs;
use std::process::Command;
use support::{file, folder, json, run, verdict};

/// Workers in every way that `multiprocessing` starts them, and a fork; each says its pid.
const PARENT: &str = "
import multiprocessing, os, sys
def work(queue, end):
    queue.put(os.getpid())
    end.wait(300)
if __name__ == '__main__':
    pids, ends, workers = [], [], []
    for method in ('spawn', 'forkserver', 'fork'):
        context = multiprocessing.get_context(method)
        queue, end = context.SimpleQueue(), context.Event()
        worker = context.Process(target=work, args=(queue, end), daemon=True)
        worker.start()
        pids.append(queue.get())
        ends.append(end)
        workers.append(worker)
    print(*pids, flush=True)
    sys.stdin.readline()
    for end in ends: end.set()
    for worker in workers: worker.join()
";
const SLEEPS: &str = "import sys; print('ready', flush=True); sys.stdin.readline()";

fn python() -> Python {
    pythons().into_iter().rfind(|p| p.executable().is_some()).unwrap()
}

fn start(words: &[&str], place: &std::path::Path) -> Target {
    let mut command: Command = python().command();
    command.args(words).current_dir(place);
    Target::spawn(command)
}

fn named(list: &Value, pid: i32) -> String {
    let all = list["processes"].as_array().unwrap();
    let found = all.iter().find(|p| p["pid"] == pid).unwrap_or_else(|| panic!("{pid} is not in {list}"));
    found["name"].as_str().unwrap().to_owned()
}

#[test]
fn workers_are_called_after_their_parent_and_any_script_is_its_own_name() {
    let place = folder();
    fs::write(place.path().join("引擎.py"), PARENT).unwrap();
    fs::create_dir(place.path().join("策略")).unwrap();
    fs::write(place.path().join("策略/__main__.py"), SLEEPS).unwrap();
    let mut parent = start(&["引擎.py"], place.path());
    let workers: Vec<i32> = parent.numbers();
    let mut module = start(&["-m", "策略"], place.path());
    module.line();
    let list = json(&run(&["list", "--json"]));
    assert_eq!((named(&list, parent.pid()), named(&list, module.pid())), ("引擎".into(), "策略".into()));
    for worker in &workers {
        assert_eq!(named(&list, *worker), "引擎/worker");
    }
    let some = json(&run(&["list", "--json", "--name", "引擎*", "--sort", "rss"]));
    let pids: Vec<i64> =
        some["processes"].as_array().unwrap().iter().map(|p| p["pid"].as_i64().unwrap()).collect();
    assert!(workers.iter().all(|w| pids.contains(&(*w).into())) && !pids.contains(&module.pid().into()));
    let sizes: Vec<u64> =
        some["processes"].as_array().unwrap().iter().map(|p| p["rss_bytes"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    let text = String::from_utf8_lossy(&run(&["list", "--name", "引擎*"]).stdout).into_owned();
    assert!(text.contains("└ 引擎/worker"), "{text}");
    // A worker is called so wherever it is told of, and not by the code that made it one.
    let worker = workers[0].to_string();
    for command in [&["health", "-d", "300ms"][..], &["why", "-d", "500ms"], &["dump"], &["snapshot"]] {
        let output = run(&[command, &["--lang", "en", "-p", &worker]].concat());
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = told.contains("multiprocessing.spawn import");
        assert!(told.contains("引擎/worker · ") && !code, "{command:?}: {output:?}");
    }
    // With several to choose from, they are offered by name.
    let (code, said) = verdict(&run(&["health"]));
    assert!(code == 2 && said.contains(&format!("{} (引擎)", parent.pid())), "{code} {said}");
    parent.say("");
    assert!(parent.child().wait().unwrap().success());
}

/// Starts its service as a program of one file does: from a library that only the child has.
const ONE_FILE: &str = r#"
use std::ffi::{CString, c_char, c_int, c_void};
unsafe extern "C" {
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}
fn main() {
    let words: Vec<CString> = std::env::args().map(|w| CString::new(w).unwrap()).collect();
    unsafe {
        let child = fork();
        if child > 0 {
            waitpid(child, std::ptr::null_mut(), 0);
            return;
        }
        let begin = dlsym(dlopen(words[1].as_ptr(), 0x102), c"Py_BytesMain".as_ptr());
        let begin: extern "C" fn(c_int, *const *const c_char) -> c_int = std::mem::transmute(begin);
        let own = [words[0].as_ptr(), c"-c".as_ptr(), words[2].as_ptr(), std::ptr::null()];
        std::process::exit(begin(3, own.as_ptr()));
    }
}
"#;

#[test]
fn a_program_of_one_file_is_no_worker_of_what_unpacked_it() {
    const SHARED: &str = "import sys, os, sysconfig as c; \
        p = os.path.join(c.get_config_var('LIBDIR'), c.get_config_var('INSTSONAME')); \
        print(p if '.so' in p and os.path.exists(p) else '-'); print(sys.base_prefix)";
    let found = pythons().into_iter().filter(|p| p.executable().is_some()).find_map(|python| {
        let output = python.command().args(["-c", SHARED]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (library, home) = text.trim().split_once('\n')?;
        (library != "-").then(|| (library.to_owned(), home.to_owned()))
    });
    let Some((library, home)) = found else {
        eprintln!("skipped: no interpreter with a library of its own");
        return;
    };
    let place = folder();
    let (source, program) = (place.path().join("x.rs"), place.path().join("engine"));
    fs::write(&source, ONE_FILE).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc).args(["--edition", "2024", "-o"]).arg(&program).arg(&source).status();
    assert!(built.unwrap().success());
    let mut command = Command::new(&program);
    let own = "import os, sys; print(os.getpid(), flush=True); sys.stdin.readline()";
    let mut target = Target::spawn({
        command.args([&library, own]).env("PYTHONHOME", home);
        command
    });
    let child: i32 = target.line().parse().unwrap();
    let list = json(&run(&["list", "--json"]));
    assert_eq!(named(&list, child), "engine");
    target.say("");
    assert!(target.child().wait().unwrap().success());
}

#[test]
fn init_writes_objectives_that_the_service_meets_and_replaces_nothing() {
    let place = folder();
    let mut target = start(&["-c", SLEEPS], place.path());
    target.line();
    let (pid, path) = (target.pid().to_string(), file(place.path(), "m5.toml"));
    let output = run(&["init", "-p", &pid, "-d", "300ms", "--save", &path]);
    assert_eq!(verdict(&output).0, 0, "{output:?}");
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains("rss_peak_bytes = {") && written.contains("open_fds = {"), "{written}");
    let health = json(&run(&["health", "-j", "-d", "300ms", "-p", &pid, "--config", &path]));
    assert_eq!(health["healthy"], true, "{health}");
    assert_eq!(health["objectives_from"], serde_json::json!({ "profile": "general", "file": path }));
    let (code, said) = verdict(&run(&["init", "-p", &pid, "-d", "100ms", "--save", &path]));
    assert!(code == 2 && said.contains("--force"), "{code} {said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    let forced = run(&["init", "-p", &pid, "-d", "100ms", "--force", "--save", &path]);
    assert_eq!(verdict(&forced).0, 0, "{forced:?}");
    let shown = run(&["init", "-p", &pid, "-d", "100ms", "--save", "-"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("[objectives]"), "{shown:?}");
}

/// More than the trading engine may have, and nothing that any service may not.
const LARGE: &str = "
import sys
block = bytearray(100 << 20)
for i in range(0, len(block), 4096): block[i] = 1
print('ready', flush=True)
sys.stdin.readline()
";

#[test]
fn a_large_service_is_healthy_unless_it_is_said_to_be_a_small_one() {
    let place = folder();
    let mut target = start(&["-c", LARGE], place.path());
    target.line();
    let pid = target.pid().to_string();
    let words = ["health", "-d", "300ms", "-p", &pid];
    let output = run(&[&words[..], &["--json"]].concat());
    let health = json(&output);
    assert_eq!((verdict(&output).0, &health["healthy"]), (0, &true.into()), "{health}");
    let share =
        health["criteria"].as_array().unwrap().iter().find(|c| c["name"] == "rss_limit_ratio").unwrap();
    let peak = share["value"].as_f64().unwrap() * share["whole"].as_f64().unwrap();
    assert!(share["status"] == "ok" && peak > 100.0 * 1_048_576.0, "{share}");
    for (lang, word) in [("en", "`m5 init -p"), ("zh", "通用目标")] {
        let text = run(&[&words[..], &["--lang", lang]].concat());
        assert!(String::from_utf8_lossy(&text.stdout).contains(word), "{text:?}");
    }
    let output = run(&[&words[..], &["--json", "--profile", "trading"]].concat());
    let health = json(&output);
    assert_eq!((verdict(&output).0, &health["objectives_from"]["profile"]), (1, &"trading".into()));
    let peak = health["criteria"].as_array().unwrap().iter().find(|c| c["name"] == "rss_peak_bytes").unwrap();
    assert_eq!(peak["status"], "fail");
}

#[test]
fn a_service_that_somebody_stopped_is_called_so_and_not_healthy() {
    let mut target = Target::start(&python(), SLEEPS);
    target.line();
    let pid = target.pid().to_string();
    let health = |more: &[&str]| run(&[&["health", "-d", "300ms", "-p", &pid], more].concat());
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    let (text, document) = (health(&[]), json(&health(&["--json"])));
    assert_eq!(verdict(&text).0, 6, "{text:?}");
    let said = String::from_utf8_lossy(&text.stdout);
    assert!(said.contains(&format!("PID {pid} is stopped: kill -CONT {pid}")), "{said}");
    assert_eq!((&document["stopped"], &document["healthy"]), (&true.into(), &false.into()), "{document}");
    signal("-CONT");
    let on = health(&["--json"]);
    assert_eq!(
        (verdict(&on).0, &json(&on)["healthy"], &json(&on)["stopped"]),
        (0, &true.into(), &Value::Null)
    );
}

/// A server that was told to run an application, without the server.
#[test]
fn a_server_is_called_after_its_application_and_found_by_its_own_name() {
    let place = folder();
    fs::write(place.path().join("uvicorn"), SLEEPS).unwrap();
    let mut served = start(&["./uvicorn", "--port", "80", "shop.main:app"], place.path());
    let mut bare = start(&["./uvicorn", "--port", "80"], place.path());
    assert_eq!((served.line(), bare.line()), ("ready".into(), "ready".into()));
    for (pattern, found) in [("uvicorn*", [true, true]), ("shop.*", [true, false]), ("uvicorn", [true, true])]
    {
        let list = json(&run(&["list", "--json", "--name", pattern]));
        let all = list["processes"].as_array().unwrap();
        let there = [&served, &bare].map(|target| all.iter().any(|p| p["pid"] == target.pid()));
        assert_eq!(there, found, "{pattern}: {list}");
    }
    let list = json(&run(&["list", "--json"]));
    assert_eq!(
        (named(&list, served.pid()), named(&list, bare.pid())),
        ("shop.main".into(), "uvicorn".into())
    );
}
