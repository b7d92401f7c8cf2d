//! The exporter on a real process: what a scrape says against what the process says of itself.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "
import gc, sys
gc.disable()
print('ready', flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        gc.collect(2)
    print(gc.get_stats()[2]['collections'], flush=True)
";

struct Exporter {
    child: Child,
    address: String,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(arguments: &[&str]) -> Exporter {
    let mut child = Command::new(env!("CARGO_BIN_EXE_m5"))
        .args(["serve", "--lang", "en", "--listen", "127.0.0.1:0", "--interval", "200ms"])
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("{line}"));
    Exporter { child, address: address.split('/').next().unwrap().to_owned() }
}

fn get(exporter: &Exporter, path: &str) -> String {
    support::get(&exporter.address, path)
}

fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find(|l| l.starts_with(name))?.rsplit(' ').next()?.parse().ok()
}

fn until(exporter: &Exporter, what: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = get(exporter, "/metrics");
        if what(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_scrape_tells_the_truth_on_every_interpreter() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let exporter = serve(&["-p", &target.pid().to_string()]);
        until(&exporter, |text| value(text, "process_memory_rss_bytes").is_some());
        // Three: as many as the records of 3.15 hold between two looks.
        target.say("3");
        let truth: Vec<f64> = target.numbers();
        let name = "gc_collections_by_generation_total{service=\"python\",slot=\"0\",generation=\"2\"}";
        let text = until(&exporter, |text| value(text, name) == Some(truth[0]));
        if text.contains("gc_pause_duration_seconds_count") {
            let name = "gc_pause_duration_seconds_count{service=\"python\",slot=\"0\",generation=\"2\"}";
            until(&exporter, |text| value(text, name) == Some(3.0));
        }
        println!("{}: exact pauses {}", python.name, text.contains("gc_pause_duration_seconds_count"));
    }
}

#[test]
fn prometheus_accepts_it_and_a_gone_process_goes_from_it() {
    let python = pythons().into_iter().next_back().unwrap();
    let mut target = Target::start(&python, PROGRAM);
    assert_eq!(target.line(), "ready");
    let exporter = serve(&["-p", &target.pid().to_string(), "--pid-label"]);
    let label = format!("pid=\"{}\"", target.pid());
    let text = until(&exporter, |text| text.contains(&label));
    assert!(get(&exporter, "/data/processes.json").contains("\"schema\":\"m5.page/1\""));
    support::checked_by_promtool(&text);
    target.child().kill().unwrap();
    target.child().wait().unwrap();
    until(&exporter, |text| !text.contains(&label) && text.contains("m5_processes 0"));
}

/// Turns so many times as it is told, each of so many seconds at least. A look at one descriptor is no loop's: there are two.
const TURNS: &str = "
import os, select, sys, time
poll = select.poll()
poll.register(0, select.POLLIN)
poll.register(os.pipe()[0], select.POLLIN)
print('ready', flush=True)
for line in sys.stdin:
    turns, seconds = line.split()
    for _ in range(int(turns)):
        poll.poll(0)
        if float(seconds): time.sleep(float(seconds))
    print('done', flush=True)
";

#[test]
fn turns_of_event_loops_are_exported_of_those_that_ask_for_it() {
    let folder = support::folder();
    let config = support::file(folder.path(), "m5.toml");
    for python in pythons() {
        let mut target = Target::start(&python, TURNS);
        assert_eq!(target.line(), "ready");
        let asks = |asks: bool| {
            let text = format!("[[services]]\nname = 'python*'\nevent_loop_turns = {asks}\n");
            std::fs::write(&config, text).unwrap();
            serve(&["-p", &target.pid().to_string(), "--config", &config, "--max-overhead", "100%"])
        };
        let without = asks(false);
        let text = until(&without, |text| value(text, "process_memory_rss_bytes").is_some());
        assert!(!text.contains("m5_event_loop_watched{") && !text.contains("event_loop_turn_seconds_count{"));
        drop(without);
        let exporter = asks(true);
        let text = until(&exporter, |text| value(text, "m5_event_loop_watched").is_some());
        if value(&text, "m5_event_loop_watched") == Some(0.0) {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{python:?}: {text}");
            eprintln!("skipped: programs in the kernel are not allowed here");
            return;
        }
        // The first wait begins the first turn, and the last begins one that goes on.
        target.say("201 0");
        assert_eq!(target.line(), "done");
        let name = "event_loop_turn_seconds_count{service=\"python\",slot=\"0\"}";
        until(&exporter, |text| value(text, name) == Some(200.0));
        target.say("4 0.03");
        assert_eq!(target.line(), "done");
        let text = until(&exporter, |text| value(text, name) == Some(204.0));
        let bucket = |le: &str| {
            let name = format!("event_loop_turn_seconds_bucket{{service=\"python\",slot=\"0\",le=\"{le}\"}}");
            value(&text, &name)
        };
        // Three of 30 ms at least; the fourth lasted from before them.
        let short = bucket("0.025").unwrap();
        assert!(short <= 201.0 && bucket("+Inf") == Some(204.0), "{python:?}: {text}");
        assert!(value(&text, "event_loop_turn_seconds_sum").is_some_and(|sum| sum >= 0.09), "{text}");
        let coverage = value(&text, "m5_event_loop_turns_coverage_ratio").unwrap();
        assert!(coverage > 0.0 && coverage <= 1.0, "{text}");
    }
}

#[test]
fn beyond_loopback_is_refused_without_secret_and_encryption() {
    let folder = support::folder();
    let token = support::file(folder.path(), "token");
    std::fs::write(&token, "s3cret").unwrap();
    let all = ["serve", "--lang", "en", "--listen", "0.0.0.0:0", "-d", "1s"];
    for more in [vec![], vec!["--token-file", &token]] {
        let (code, said) = support::verdict(&support::run(&[&all[..], &more].concat()));
        assert!(code == 2 && said.contains("reachable from other machines"), "{said}");
    }
    let empty = support::file(folder.path(), "empty");
    std::fs::write(&empty, "").unwrap();
    let words = ["serve", "--lang", "en", "--listen", "127.0.0.1:0", "--token-file", &empty];
    let (code, said) = support::verdict(&support::run(&words));
    assert!(code == 2 && said.contains("holds no token"), "{said}");
}

#[test]
fn neither_command_line_nor_environment_is_shown() {
    let python = pythons().into_iter().next_back().unwrap();
    let mut command = python.command();
    command.args(["-I", "-u", "-c", PROGRAM, "s3cret-word", "--password=s3cret-flag"]);
    command.env("API_KEY", "s3cret-variable");
    let mut target = Target::spawn(command);
    assert_eq!(target.line(), "ready");
    let exporter = serve(&["-p", &target.pid().to_string(), "--pid-label"]);
    let text = until(&exporter, |text| text.contains("process_memory_rss_bytes{"));
    for shown in [text, get(&exporter, "/"), get(&exporter, "/data/processes.json")] {
        assert!(!shown.is_empty() && !shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn a_process_that_executes_itself_anew_is_read_anew() {
    const AGAIN: &str = "
import gc, os, sys
gc.disable()
for _ in range(int(sys.argv[2])):
    gc.collect(2)
print(gc.get_stats()[2]['collections'], flush=True)
sys.stdin.readline()
os.execv(sys.executable, [sys.executable, '-I', '-u', '-c', sys.argv[1], sys.argv[1], str(int(sys.argv[2]) - 1)])
";
    let python = pythons().into_iter().rfind(|p| p.name.starts_with('/')).unwrap();
    let mut command = python.command();
    command.args(["-I", "-u", "-c", AGAIN, AGAIN, "9"]);
    let mut target = Target::spawn(command);
    let mut truth: Vec<f64> = target.numbers();
    let exporter = serve(&["-p", &target.pid().to_string()]);
    let name = "gc_collections_by_generation_total{service=\"python\",slot=\"0\",generation=\"2\"}";
    for _ in 0..5 {
        until(&exporter, |text| value(text, name) == Some(truth[0]));
        target.say("again");
        let before = std::mem::replace(&mut truth, target.numbers());
        assert!(truth[0] < before[0], "its counters restart");
    }
    until(&exporter, |text| value(text, name) == Some(truth[0]));
}

#[test]
fn ten_thousand_descriptors_are_counted() {
    const MANY: &str = "
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if hard != resource.RLIM_INFINITY and hard < 10100:
    print(0)
else:
    resource.setrlimit(resource.RLIMIT_NOFILE, (10100, hard))
    files = [os.open('/dev/null', os.O_RDONLY) for _ in range(10000)]
    print(len(os.listdir('/proc/self/fd')) - 1)
sys.stdin.read()
";
    let python = pythons().into_iter().next_back().unwrap();
    let mut target = Target::start(&python, MANY);
    let truth: Vec<f64> = target.numbers();
    if truth[0] == 0.0 {
        println!("left out: the hard limit of descriptors is below 10,100");
        return;
    }
    let exporter = serve(&["-p", &target.pid().to_string()]);
    until(&exporter, |text| value(text, "process_open_fds") == Some(truth[0]));
}
