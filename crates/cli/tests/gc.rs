//! `m5 gc` on real processes: reports, settings by hand, and trials that are taken back on every way out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::{descriptors, until};
use m5_testkit::{SLOW_COLLECTION, Target, minor_versions, pythons, side_by_side};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{file, folder, json, m5, verdict};

/// Collects the generations at a ratio of 100 : 10 : 1, and obeys lines beside it.
const COLLECTOR: &str = "
import gc, sys, threading
gc.set_threshold(701, 11, 13)
kept = [[i] for i in range(20000)]
def collect():
    n = 0
    while True:
        n += 1
        gc.collect(2 if n % 100 == 0 else 1 if n % 10 == 0 else 0)
        wait.wait(0.001)
wait = threading.Event()
threading.Thread(target=collect, daemon=True).start()
print('ready', flush=True)
for line in sys.stdin:
    print(*gc.get_threshold(), flush=True)
";

/// Allocates all the time, so that the thresholds matter.
const ALLOCATOR: &str = "
import gc, sys, threading
gc.set_threshold(701, 11, 13)
class Node: pass
kept = [[i] for i in range(200000)]
def work():
    while True:
        for _ in range(200):
            n = Node(); n.me = n
        wait.wait(0.002)
wait = threading.Event()
threading.Thread(target=work, daemon=True).start()
print('ready', flush=True)
for line in sys.stdin:
    print(*gc.get_threshold(), flush=True)
";

fn start(program: &str) -> Target {
    let python = pythons().into_iter().find(|p| p.minor() >= (3, 9)).unwrap();
    let mut target = Target::start(&python, program);
    target.line();
    target
}

fn thresholds(target: &mut Target) -> Vec<i32> {
    target.say("");
    target.numbers()
}

#[test]
fn every_interpreter_is_reported_with_all_its_generations() {
    side_by_side(&pythons(), |python| {
        let mut target = Target::start(python, COLLECTOR);
        target.line();
        let pid = target.pid().to_string();
        let out = m5()
            .args(["gc", "-p", &pid, "-d", "1s", "--max-overhead", "100%", "--json", "--profile", "trading"])
            .output()
            .unwrap();
        let (code, said) = verdict(&out);
        assert_eq!(code, 1, "{}: so many collections miss the objectives: {said}", python.name);
        let report = json(&out);
        assert_eq!(report["schema"], "m5.gc/1");
        assert_eq!(report["settings"][0]["settings"]["thresholds"][0], 701, "{}", python.name);
        let count = |g: usize| report["gc"]["generations"][g]["collections"].as_u64().unwrap();
        assert!(count(0) > 5 * count(1) && count(1) > count(2), "{}: {}", python.name, report["gc"]);
        let (seen, happened) = (&report["gc"]["seen"], &report["gc"]["happened"]);
        assert!(seen.as_u64().unwrap() > 0 && happened.as_u64().unwrap() > 0, "{}", python.name);
        println!("reported: {}", python.name);
    });
}

#[test]
fn text_in_both_languages_and_every_form_hold_the_same_run() {
    let target = start(COLLECTOR);
    let (pid, dir) = (target.pid().to_string(), folder());
    let prom = file(dir.path(), "gc.prom");
    let args = ["gc", "-p", &pid, "-d", "500ms", "--log", "--prometheus", &prom];
    let out = m5().args(args).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("🗑️ GC report of PID") && text.contains("Gen0: "), "{text}");
    let log = String::from_utf8(out.stderr).unwrap();
    assert!(log.lines().any(|l| l.starts_with("gc pid=") && l.contains(" gen=0 pause=")), "{log}");
    let metrics = std::fs::read_to_string(&prom).unwrap();
    assert!(metrics.contains("gc_pause_duration_seconds_bucket{pid="), "{metrics}");
    assert!(metrics.contains("gc_collections_by_generation_total{pid="), "{metrics}");

    let zh = m5().args(["gc", "-p", &pid, "-d", "300ms", "--lang", "zh"]).output().unwrap();
    let zh = String::from_utf8(zh.stdout).unwrap();
    for word in ["GC性能分析报告", "监控时长", "总暂停时间", "平均暂停", "GC频率", "分代统计"]
    {
        assert!(zh.contains(word), "{zh}");
    }
    let trace = json(&m5().args(["gc", "-p", &pid, "-d", "300ms", "-f", "chrome"]).output().unwrap());
    let events = trace["traceEvents"].as_array().unwrap();
    for (kind, name) in [("X", "gc 0"), ("C", "RSS"), ("C", "collections"), ("M", "process_name")] {
        assert!(events.iter().any(|e| e["ph"] == kind && e["name"] == name), "{kind} {name}");
    }
}

#[test]
fn only_long_pauses_are_logged_where_asked() {
    let target = start(COLLECTOR);
    let pid = target.pid().to_string();
    // As the guide types it, metrics are somewhere on loopback, and m5 says where.
    let out = m5().args(["gc", "-p", &pid, "-d", "300ms", "--above", "5s", "--prometheus"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!said.contains("gc pid=") && said.contains("Metrics at http://127.0.0.1:"), "{said}");
}

/// Allocates in one known function until the collector runs, over enough objects for a long pause.
const LONG: &str = "
import gc, threading
gc.set_threshold(700, 10, 10)
kept = [[i] for i in range(400000)]
def allocates_until_collected():
    rows = []
    for i in range(3000): rows.append([i])
    gc.collect(2)
def serve():
    while True:
        allocates_until_collected()
        wait.wait(0.01)
wait = threading.Event()
threading.Thread(target=serve, daemon=True).start()
print('ready', flush=True)
input()
";

#[test]
fn a_long_pause_names_the_function_that_collected() {
    side_by_side(&minor_versions(), |python| {
        let mut target = Target::start(python, LONG);
        target.line();
        let pid = target.pid().to_string();
        let args = ["gc", "-p", &pid, "-d", "1500ms", "--log", "--max-overhead", "100%", "--stacks", "4ms"];
        let look = || {
            let out = m5().args(args).arg("--json").output().unwrap();
            let report = json(&out);
            let caught = report["long_pauses"]["longest"]
                .as_array()
                .is_some_and(|all| all.iter().any(|p| p["stack"][0]["function"].is_string()));
            (out, report, caught)
        };
        // A stack is read while the pause lasts: a busy machine may give m5 no processor then.
        let mut looks = (0..10).map(|_| look());
        let (out, report) = looks
            .find_map(|(o, r, caught)| (caught || r["source"] == "poll").then_some((o, r)))
            .unwrap_or_else(|| panic!("{}: no stack of any long pause", python.name));
        let long = &report["long_pauses"];
        assert_eq!(long["limit_seconds"], 0.004, "{}", python.name);
        let pauses = long["longest"].as_array().unwrap();
        if report["source"] == "poll" {
            return println!("{}: skipped, polling reads no stacks: {}", python.name, report["choice"]);
        }
        assert!(long["count"].as_u64().unwrap() > 0, "{}: {report}", python.name);
        let stacks: Vec<_> = pauses.iter().filter_map(|p| p["stack"][0]["function"].as_str()).collect();
        // One that the pause did not outlast would be the caller's; it is not kept.
        let right = stacks.iter().all(|f| f.ends_with("allocates_until_collected"));
        assert!(right, "{}: {stacks:?}", python.name);
        let log = verdict(&out).1;
        assert!(log.contains(" in=allocates_until_collected at=<string>:"), "{}: {log}", python.name);
        println!("{}: {} of {} long pauses have a stack", python.name, stacks.len(), pauses.len());
    });
}

#[test]
fn long_pauses_have_a_section_of_the_text() {
    let target = start(LONG);
    let pid = target.pid().to_string();
    let args = ["gc", "-p", &pid, "-d", "500ms", "--max-overhead", "100%", "--stacks", "--lang", "en"];
    let text = String::from_utf8(m5().args(args).output().unwrap().stdout).unwrap();
    let polled = text.contains("polling instead");
    assert!(polled || text.contains("Pauses of 10.00 ms and longer: "), "{text}");
}

/// Short collections, all of them from one line.
const SHORT: &str = "
import gc, time
gc.disable()
def asks():
    gc.collect(0)
print('ready', flush=True)
while True:
    asks()
    time.sleep(0.002)
";

#[test]
fn the_kernel_tells_where_the_shortest_collection_began() {
    let target = start(SHORT);
    let pid = target.pid().to_string();
    let args = ["gc", "-p", &pid, "-d", "2s", "--stacks", "1us", "--max-overhead", "100%", "--json"];
    let output = m5().args(args).output().unwrap();
    let long = &json(&output)["long_pauses"];
    if let Some(why) = long["stacks_read"].as_str() {
        assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{why}");
        return eprintln!("left out: {why}");
    }
    let pauses = long["longest"].as_array().unwrap();
    assert!(pauses.len() >= 10, "{long}");
    // The first ones may have begun before all was watched.
    let told = pauses.iter().filter(|p| p["stack_at_start"] == true).count();
    assert!(told * 10 >= pauses.len() * 9, "{long}");
    for pause in pauses.iter().filter(|p| p["stack_at_start"] == true) {
        let functions: Vec<&str> =
            pause["stack"].as_array().unwrap().iter().filter_map(|f| f["function"].as_str()).collect();
        assert_eq!(functions, ["asks", "<module>"], "{pause}");
    }
}

#[test]
fn a_limit_without_a_unit_is_taken_for_a_pid_and_refused() {
    let (code, said) = verdict(&m5().args(["gc", "--stacks", "1234"]).output().unwrap());
    assert!(code == 2 && said.contains("-p 1234"), "{said}");
}

#[test]
fn the_source_is_named_and_what_denied_a_better_one() {
    let python = pythons().into_iter().rfind(|p| p.minor() < (3, 15)).unwrap();
    let mut target = Target::start(&python, COLLECTOR);
    target.line();
    let pid = target.pid().to_string();
    let best = json(&m5().args(["gc", "-p", &pid, "-d", "300ms", "--json"]).output().unwrap());
    assert_eq!(best["source"], best["gc"]["source"]);
    assert!(best["choice"]["because"].is_string(), "{best}");
    // Too few open files for a watch, whatever else is open: m5 polls, says why, and what helps.
    let few = |lang: &str, more: &[&str]| {
        let mut shell = support::clean(Command::new("sh"));
        shell.args(["-c", "ulimit -n 32 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_m5")]);
        shell.args(["gc", "-p", &pid, "-d", "300ms", "--lang", lang]).args(more).output().unwrap()
    };
    let report = json(&few("en", &["--json"]));
    if best["source"] == "watchpoint" {
        assert_eq!(report["choice"]["obstacle"]["kind"], "file_limit", "{}", report["choice"]);
    }
    assert_eq!((&report["source"], &report["choice"]["because"]), (&"poll".into(), &"fallback".into()));
    let english = String::from_utf8(few("en", &[]).stdout).unwrap();
    assert!(english.contains("why this source: no hardware watchpoints, polling instead:"), "{english}");
    let chinese = String::from_utf8(few("zh", &[]).stdout).unwrap();
    assert!(chinese.contains("选用原因: 无法使用硬件观察点，改为轮询："), "{chinese}");
}

/// Events of the kernel that a process has open.
fn events(pid: u32) -> usize {
    descriptors(pid).filter(|link| link.to_string_lossy().contains("[perf_event]")).count()
}

/// Registers belong to a thread: who comes second gets what is left, and says so.
#[test]
fn what_another_watch_holds_is_said() {
    let python = pythons().into_iter().rfind(|p| p.minor() < (3, 13) && !p.free_threaded).unwrap();
    let mut target = Target::start(&python, COLLECTOR);
    target.line();
    let pid = target.pid().to_string();
    let alone = json(&m5().args(["gc", "-p", &pid, "-d", "300ms", "--json"]).output().unwrap());
    if alone["source"] != "watchpoint" {
        return;
    }
    assert_eq!(alone["choice"]["because"], "best", "{}", alone["choice"]);
    let mut first =
        m5().args(["gc", "-p", &pid, "-d", "10m", "--json"]).stdout(Stdio::null()).spawn().unwrap();
    // It opened a ring for each processor, and the events of its registers: who comes while it does may get them before it.
    let processors = std::thread::available_parallelism().unwrap().get();
    until(Duration::from_secs(60), || events(first.id()) >= processors + 3);
    let second = (0..60).find_map(|_| {
        let said = json(&m5().args(["gc", "-p", &pid, "-d", "500ms", "--json"]).output().unwrap());
        (said["choice"]["because"] != "best").then_some(said)
    });
    let text = m5().args(["gc", "-p", &pid, "-d", "300ms", "--lang", "en"]).output().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let second = second.expect("it got what the other one holds");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(second["choice"]["free"].as_u64() < second["choice"]["wanted"].as_u64(), "{}", second["choice"]);
    if second["choice"]["because"] == "counters" {
        // One register is enough for a program in the kernel: it tells every generation.
        let seen = |g: usize| second["gc"]["generations"][g]["seen"].as_u64().unwrap_or(0);
        assert!(text.contains("a program in the kernel reads the generation"), "{text}");
        assert!(seen(0) > 0 && seen(1) > 0, "{}", second["gc"]);
        return;
    }
    assert_eq!(second["choice"]["because"], "few_registers", "{}", second["choice"]);
    assert!(text.contains("debug registers that they take could be had"), "{text}");
    assert!(text.contains("end what else watches this process"), "{text}");
}

/// A watch that ends within a collection says so: in the report, the page and the document, in both languages.
#[test]
fn a_collection_that_outlasts_the_watch_is_told() {
    let mut target = start(&format!("{SLOW_COLLECTION}collect()"));
    let pid = target.pid().to_string();
    let state = folder();
    let page = file(state.path(), "page.html");
    let run = |more: &[&str]| m5().args(["gc", "-p", &pid, "-d", "300ms"]).args(more).output().unwrap();
    let report = json(&run(&["--json"]));
    assert!(report["gc"]["unfinished_seconds"].as_f64().unwrap() > 0.0, "{}", report["gc"]);
    assert_eq!(report["gc"]["longest_known"], false, "{}", report["gc"]);
    assert_eq!((&report["gc"]["happened"], &report["gc"]["seen"]), (&0.into(), &0.into()));
    let text = |out: std::process::Output| String::from_utf8(out.stdout).unwrap();
    let english = text(run(&["--lang", "en", "--html", &page]));
    assert!(english.contains("had not ended after") && english.contains("at least 0"), "{english}");
    assert!(text(run(&["--lang", "zh"])).contains("仍未完成"));
    assert!(std::fs::read_to_string(&page).unwrap().contains("had not ended after"));
    target.say("");
}

#[test]
fn a_command_is_started_watched_and_stopped() {
    let python = pythons().into_iter().find(|p| p.executable().is_some()).unwrap();
    let python = python.executable().unwrap();
    let program = "import gc, time\nwhile True:\n gc.collect(0); time.sleep(0.001)";
    let out = m5().args(["gc", "-d", "400ms", "--json", "--"]).arg(python).args(["-c", program]).output();
    let report = json(&out.unwrap());
    assert!(report["gc"]["generations"][0]["collections"].as_u64().unwrap() > 0);
    let pid = report["identity"]["pid"].as_i64().unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn settings_are_shown_set_and_put_back() {
    let mut target = start(COLLECTOR);
    let (pid, state) = (target.pid().to_string(), folder());
    let gc = |args: &[&str]| {
        let out = m5().env("XDG_STATE_HOME", state.path()).args(["gc", "-p", &pid]).args(args).output();
        out.unwrap()
    };
    assert_eq!(verdict(&gc(&["--undo"])).0, 2);
    let (code, said) = verdict(&gc(&["--set", "50000,20,100"]));
    assert!(code == 0 && said.contains("to (50000, 20, 100) (were (701, 11, 13))"), "{said}");
    assert_eq!(thresholds(&mut target)[..2], [50_000, 20]);
    let shown = json(&gc(&["--show", "--json"]));
    assert_eq!(shown["changed_by_m5"][0]["before"]["thresholds"][1], 11);
    let (code, _) = verdict(&gc(&["--disable"]));
    assert_eq!(code, 0);
    let undone = json(&gc(&["--undo", "--json"]));
    assert_eq!(undone["undone"]["restored"][0]["settings"]["enabled"], true);
    assert_eq!(thresholds(&mut target)[..2], [701, 11]);
}

#[test]
fn freezing_an_older_interpreter_is_refused_with_the_way_out() {
    let target = start(COLLECTOR);
    let (code, said) =
        verdict(&m5().args(["gc", "--freeze", "-p", &target.pid().to_string()]).output().unwrap());
    assert!(code == 5 && said.contains("3.14") && said.contains("m5mem"), "{said}");
}

#[test]
fn wrong_usage() {
    for args in [
        vec!["gc", "--set", "1,2", "-p", "1"],
        vec!["gc", "--set", "-1,2,3", "-p", "1"],
        vec!["gc", "--keep", "-p", "1"],
        vec!["gc", "--show", "--undo", "-p", "1"],
        vec!["gc", "--max-rss", "40MB", "-p", "1"],
        vec!["gc", "--above", "5x", "-p", "1"],
    ] {
        assert_eq!(m5().args(&args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
    let none = m5().args(["gc", "--show", "-p", "2147483647"]).output().unwrap();
    assert_eq!(none.status.code(), Some(3));
}

/// Starts a trial that would run for minutes and waits until the thresholds are changed.
fn trial(pid: &str, state: &std::path::Path) -> Child {
    let mut command = m5();
    command.env("XDG_STATE_HOME", state).args(["gc", "--optimize", "-d", "3s", "-p", pid]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let announced = lines.map_while(Result::ok).any(|l| l.starts_with("Measuring for"));
    assert!(announced, "a trial begins");
    child
}

#[test]
fn an_interrupted_trial_is_taken_back() {
    let mut target = start(ALLOCATOR);
    let (pid, state) = (target.pid().to_string(), folder());
    let mut child = trial(&pid, state.path());
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(matches!(child.wait().unwrap().code(), Some(1 | 6)));
    assert_eq!(thresholds(&mut target)[..2], [701, 11]);
}

#[test]
fn a_killed_trial_can_be_undone_by_another_m5() {
    let mut target = start(ALLOCATOR);
    let (pid, state) = (target.pid().to_string(), folder());
    let mut child = trial(&pid, state.path());
    while thresholds(&mut target)[..3] == [701, 11, 13] {}
    child.kill().unwrap();
    child.wait().unwrap();
    let out = m5().env("XDG_STATE_HOME", state.path()).args(["gc", "--undo", "-p", &pid]).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert_eq!(thresholds(&mut target)[..2], [701, 11]);
}
