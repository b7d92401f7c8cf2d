//! Objectives of services by name: every command that judges asks one place, and says whose it took.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "support/watching.rs"]
mod watching;

use m5_testkit::{Python, Target, pythons};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::{file, folder, get, json, m5, verdict};

const SLEEPS: &str = "import sys; print('ready', flush=True); sys.stdin.readline()";
/// No Python is as small as the batch has to be; nobody says how large the web may be.
const SETTINGS: &str = "
[[services]]
name = 'batch*'
[services.objectives]
rss_peak_bytes = { pass = '1MB', alert = '2MB' }
watchdog_rss_bytes = { pass = '1MB' }
growth_24h_ratio = false
";

struct Services {
    place: tempfile::TempDir,
    batch: Target,
    web: Target,
}

fn services() -> Services {
    let place = folder();
    fs::write(place.path().join("m5.toml"), SETTINGS).unwrap();
    let mut both = ["batch_night", "web"].map(|name| {
        fs::write(place.path().join(format!("{name}.py")), SLEEPS).unwrap();
        let mut command = python().command();
        command.arg(format!("{name}.py")).current_dir(place.path());
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        Some(target)
    });
    let [batch, web] = &mut both;
    Services { place, batch: batch.take().unwrap(), web: web.take().unwrap() }
}

fn python() -> Python {
    pythons().into_iter().rfind(|p| p.executable().is_some() && p.minor() >= (3, 9)).unwrap()
}

fn whose(from: &Value) -> (Option<&str>, Option<&str>) {
    (from["file"].as_str(), from["service"].as_str())
}

const BATCH: (Option<&str>, Option<&str>) = (Some("m5.toml"), Some("batch*"));
const ALL: (Option<&str>, Option<&str>) = (Some("m5.toml"), None);

#[test]
fn every_command_that_judges_takes_the_services_own() {
    let both = services();
    let place = both.place.path();
    let saved = file(place, "recording.json");
    let soak = ["stress", "-d", "1s", "--hours-per-check", "0.0001", "--fresh", "--json"];
    for (pid, own, code) in [(both.batch.pid(), BATCH, 1), (both.web.pid(), ALL, 0)] {
        let pid = pid.to_string();
        let run = |words: &[&str], named: &[&str]| {
            m5().args(words).args(named).current_dir(place).output().expect("m5 starts")
        };
        let health = run(&["health", "-d", "500ms", "--json"], &["-p", &pid]);
        assert_eq!(whose(&json(&health)["objectives_from"]), own, "{health:?}");
        assert_eq!(verdict(&health).0, code, "{health:?}");
        let baseline = run(&["baseline", "-d", "1s", "--json", "--save", &saved], &["-p", &pid]);
        let process = &json(&baseline)["processes"][0];
        assert_eq!(whose(&process["objectives_from"]), own, "{process}");
        let check = json(&run(&["check", "--json"], &[&saved]));
        assert_eq!(whose(&check["processes"][0]["objectives_from"]), own, "{check}");
        let missed = |c: &&Value| c["name"] == "rss_peak_bytes" && c["status"] == "fail";
        let criteria = check["processes"][0]["criteria"].as_array().unwrap();
        assert_eq!(criteria.iter().any(|c| missed(&c)), own == BATCH, "{check}");
        let page = file(place, "page.html");
        run(&["baseline", "-d", "500ms", "--html", &page], &["-p", &pid]);
        let told = fs::read_to_string(&page).unwrap().contains("batch*");
        assert_eq!(told, own == BATCH, "the saved page says whose");
        let gc = json(&run(&["gc", "-d", "500ms", "--json"], &["-p", &pid]));
        assert_eq!(whose(&gc["objectives_from"]), own, "{gc}");
        let why = json(&run(&["why", "-d", "1s", "--json"], &["-p", &pid]));
        assert_eq!(whose(&why["objectives_from"]), own, "{why}");
        let found = why["findings"].as_array().unwrap();
        let told = found.iter().any(|f| f["criterion"]["name"] == "rss_peak_bytes");
        assert_eq!(told, own == BATCH, "{why}");
        let stress = json(&run(&soak, &["-p", &pid, "--save", &file(place, "soak.json")]));
        assert_eq!(whose(&stress["objectives_from"]), own, "{stress}");
        // What is not judged has no level, and is read back as that.
        assert_eq!(stress["plan"]["max_growth_24h_ratio"].is_null(), own == BATCH, "{stress}");
    }
}

#[test]
fn a_soak_test_is_resumed_where_an_objective_is_not_judged() {
    let both = services();
    let place = both.place.path();
    let pid = both.batch.pid().to_string();
    let soak = |duration: &str| {
        m5().args(["stress", "-d", duration, "--hours-per-check", "0.001", "--json", "-p", &pid])
            .args(["--save", &file(place, "soak.json")])
            .current_dir(place)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let first = soak("60s");
    // It keeps what it has once a check was made.
    let kept =
        || fs::read_to_string(place.join("soak.json")).is_ok_and(|text| text.contains("\"t_seconds\""));
    assert!(until(kept), "nothing was kept");
    let killed = std::process::Command::new("kill").args(["-INT", &first.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let first = first.wait_with_output().unwrap();
    assert_eq!(verdict(&first).0, 6, "{first:?}");
    let mut again = Ends(soak("60s"));
    let mut line = String::new();
    BufReader::new(again.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("soak.json"), "it goes on: {line}");
}

#[test]
fn recordings_of_before_the_name_was_written_down_are_known_by_their_command() {
    let both = services();
    let place = both.place.path();
    let saved = file(place, "old.json");
    let pid = both.batch.pid().to_string();
    m5().args(["baseline", "-d", "1s", "--save", &saved, "-p", &pid]).current_dir(place).output().unwrap();
    let mut old: Value = serde_json::from_str(&fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(old["processes"][0]["service"], "batch_night");
    old["processes"][0].as_object_mut().unwrap().remove("service");
    fs::write(&saved, old.to_string()).unwrap();
    let check = m5().args(["check", &saved]).current_dir(place).output().unwrap();
    let text = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(text.contains("m5.toml · [[services]] name = \"batch*\""), "{text}");
}

#[test]
fn the_page_draws_the_lines_of_each_service() {
    let both = services();
    let pids = [&both.batch, &both.web].map(|t| t.pid().to_string());
    let mut serve = m5();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--interval", "200ms", "-p", &pids[0], "-p", &pids[1]]);
    let mut serve = Ends(serve.current_dir(both.place.path()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(serve.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("{line}"));
    let address = address.split('/').next().unwrap().trim();
    let mut page = Value::Null;
    let drawn = until(|| {
        page = serde_json::from_str(&get(address, "/data/processes.json")).unwrap_or_default();
        page["processes"].as_array().is_some_and(|all| all.len() == 2)
    });
    assert!(drawn, "{page}");
    let of =
        |name: &str| page["processes"].as_array().unwrap().iter().find(|p| p["service"] == name).unwrap();
    assert_eq!(of("batch_night")["objectives"]["rss_peak_bytes"], 1_048_576.0);
    assert!(of("batch_night")["objectives_from"]["zh"].as_str().unwrap().contains("batch*"));
    assert!(of("web")["objectives"]["rss_peak_bytes"].is_null(), "{page}");
    assert!(!of("web")["objectives_from"]["en"].as_str().unwrap().contains("batch"), "{page}");
}

#[test]
fn the_watchdog_acts_at_the_level_of_each_service() {
    let both = services();
    let pids = [&both.batch, &both.web].map(|t| t.pid().to_string());
    let _watch = watching::watch(both.place.path(), &["-p", &pids[0], "-p", &pids[1]]);
    let rule = |line: &Value| line["event"] == "rule";
    let lines = watching::until(both.place.path(), |lines| lines.iter().any(rule));
    let fired: Vec<&str> = lines.iter().filter(|l| rule(l)).filter_map(|l| l["process"].as_str()).collect();
    assert!(fired.iter().all(|process| *process == "batch_night/0"), "{lines:#?}");
    let level = lines.iter().find(|l| rule(l)).map(|l| l["level"].clone());
    assert_eq!(level, Some(Value::from(1_048_576.0)), "{lines:#?}");
}

/// Opens one process in `m5 top` on a pty and waits for the words of its objectives.
const TOP: &str = r#"
import os, pty, select, sys, time
m5, pid = sys.argv[1:]
child, fd = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm-256color", NO_COLOR="1")
    os.execv(m5, [m5, "top", "-p", pid, "--lang", "en", "--interval", "200ms"])
import fcntl, struct, termios
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
seen, end = b"", time.monotonic() + 60
def read_until(word):
    global seen
    while word not in seen:
        if time.monotonic() > end:
            sys.exit(f"no {word!r} in {seen!r}")
        if select.select([fd], [], [], 0.2)[0]:
            seen += os.read(fd, 65536)
read_until(pid.encode())
os.write(fd, b"\r")
read_until(b"batch*")
assert b"missed" in seen and b"1.0" in seen, seen
os.write(fd, b"q")
_, status = os.waitpid(child, 0)
print("code", os.waitstatus_to_exitcode(status))
"#;

#[test]
fn top_says_what_is_missed_and_whose_objective_it_is() {
    let both = services();
    let pid = both.batch.pid().to_string();
    let out = python()
        .command()
        .args(["-I", "-c", TOP, env!("CARGO_BIN_EXE_m5"), &pid])
        .current_dir(both.place.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("code 0"), "{text}");
}

/// Ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(mut what: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn rules_of_the_watchdog_may_name_their_service() {
    let both = services();
    let rules =
        "[[watch.rule]]\nname = 'web-large'\nservice = 'web'\nmetric = 'rss'\nlevel = '1MB'\nactions = []\n";
    let path: &Path = both.place.path();
    fs::write(path.join("m5.toml"), rules).unwrap();
    let pids = [&both.batch, &both.web].map(|t| t.pid().to_string());
    let _watch = watching::watch(path, &["-p", &pids[0], "-p", &pids[1]]);
    let rule = |line: &Value| line["event"] == "rule";
    let lines = watching::until(path, |lines| lines.iter().any(rule));
    assert!(lines.iter().filter(|l| rule(l)).all(|l| l["process"] == "web/0"), "{lines:#?}");
}
