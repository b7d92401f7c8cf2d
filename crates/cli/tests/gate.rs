//! The gates: runs in fresh processes, saved runs, what an iteration keeps, and their exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{file, folder, json, run, verdict};

fn python() -> String {
    let pythons = m5_testkit::pythons();
    pythons.iter().find(|p| !p.name.contains("chroot")).map(|p| p.name.clone()).expect("a plain interpreter")
}

fn objects(n: u32) -> String {
    format!("x = [[i] for i in range({n})]")
}

#[test]
fn more_memory_fails_and_the_same_passes() {
    let (python, folder) = (python(), folder());
    let (old, new) = (file(folder.path(), "old.json"), file(folder.path(), "new.json"));
    let base = format!("{python} -c '{}'", objects(60_000));
    let arguments = ["bench-run", "--json", "--save", &new, "--save-base", &old, "--base", &base, "--"];
    let worse = run(&[&arguments[..], &[&python, "-c", &objects(90_000)]].concat());
    assert_eq!(verdict(&worse).0, 1, "{worse:?}");
    assert_eq!(json(&worse)["verdict"], "regression");
    let same = run(&[&arguments[..7], &[&base, "--", &python, "-c", &objects(60_000)]].concat());
    assert_eq!(verdict(&same).0, 0, "{same:?}");

    let again = run(&["compare", &new, &old, "--format", "markdown"]);
    assert_eq!(verdict(&again).0, 0, "{again:?}");
    assert!(String::from_utf8_lossy(&again.stdout).contains("| ✅ |"));
    let saved = run(&["bench-run", "--json", "--base-runs", &old, "--", &python, "-c", &objects(90_000)]);
    assert_eq!(verdict(&saved).0, 1, "{saved:?}");
}

#[test]
fn a_peak_that_goes_again_fails_unless_it_is_allowed() {
    let python = python();
    let base = format!("{python} -c pass");
    let gate = |more: &[&str]| {
        let command = ["--base", &base, "--", &python, "-c", "x = b'm5' * 30_000_000; del x"];
        run(&[&["bench-run", "--json"], more, &command].concat())
    };
    let refused = gate(&[]);
    assert_eq!(verdict(&refused).0, 1, "{refused:?}");
    let failed: Vec<_> = json(&refused)["metrics"].as_array().unwrap().clone();
    let failed = failed.iter().filter(|m| m["verdict"] == "regression" && m["decides"] == true);
    assert_eq!(failed.map(|m| m["name"].clone()).collect::<Vec<_>>(), ["peak_rss_bytes"]);
    let allowed = gate(&["--peak-threshold", "2000"]);
    assert_eq!(verdict(&allowed).0, 0, "{allowed:?}");
    assert_eq!(json(&allowed)["peak_threshold"], 20.0);
}

#[test]
fn what_measures_nothing_fails() {
    let missing = run(&["bench-run", "--format", "github", "--base", "true", "--", "true"]);
    assert_eq!(verdict(&missing).0, 1, "{missing:?}");
    assert!(String::from_utf8_lossy(&missing.stdout).contains("::error"));
    let (code, said) = verdict(&run(&["bench-run", "-n", "1", "--", "false"]));
    assert!(code == 6 && said.contains("false"), "{code} {said}");
}

#[test]
fn an_iteration_that_keeps_something_is_named() {
    let python = python();
    let kept = "import sys; sys.kept = getattr(sys, 'kept', []); sys.kept.append([])";
    let leaks = run(&["leaks", "-n", "20", "--json", "--", &python, "-c", kept]);
    assert_eq!((verdict(&leaks).0, &json(&leaks)["leaking"]), (1, &serde_json::json!(true)), "{leaks:?}");
    let held = json(&leaks)["kept"]["diff"]["culprits"][0]["holder"]["name"].clone();
    assert_eq!(held, "sys.kept", "{leaks:?}");
    let none = run(&["leaks", "-n", "20", "--", &python, "-c", "x = [[]]"]);
    assert_eq!(verdict(&none).0, 0, "{none:?}");
    assert_eq!(verdict(&run(&["leaks", "--", "true"])).0, 2);
}

/// Names that are looked up once each: Python's own cache of them has room for 4,096.
const NAMES: &str = "
import sys, itertools
class Order: total = 1
sys.numbers = getattr(sys, 'numbers', None) or itertools.count()
sys.order = getattr(sys, 'order', None) or Order()
for _ in range(3):
    getattr(sys.order, ''.join(['tot', 'al']))
    getattr(sys.order, 'line_%d' % next(sys.numbers), None)
";

/// A cache with a limit, which an iteration gives one entry.
fn cache(limit: u32, more: &str) -> String {
    format!(
        "import sys, functools as f\n\
         sys.c = getattr(sys, 'c', None) or f.lru_cache({limit})(lambda i: [i])\n\
         sys.n = getattr(sys, 'n', 0) + 1\n\
         sys.c(sys.n)\n{more}"
    )
}

#[test]
fn what_the_interpreter_caches_for_itself_is_no_leak() {
    for python in m5_testkit::pythons().iter().filter(|p| !p.name.contains("chroot")) {
        let names = run(&["leaks", "-n", "50", "--json", "--", &python.name, "-c", NAMES]);
        assert_eq!(verdict(&names).0, 0, "{}: {names:?}", python.name);
    }
}

#[test]
fn a_cache_that_fills_is_no_leak_and_what_leaks_beside_it_is() {
    let python = python();
    let leaks =
        |code: &str| run(&["leaks", "-n", "100", "--processes", "1", "--json", "--", &python, "-c", code]);
    // It is full after some thousand iterations, and those are run.
    let full = leaks(&cache(2_500, ""));
    assert_eq!(verdict(&full).0, 0, "{full:?}");
    // It is not full after any number that is run here.
    let fills = leaks(&cache(100_000, ""));
    let told = json(&fills);
    assert_eq!(
        (verdict(&fills).0, &told["leaking"], &told["bounded"]),
        (6, &serde_json::Value::Null, &true.into()),
        "{fills:?}"
    );
    assert_eq!(told["kept"]["diff"]["culprits"][0]["holder"]["limit"], 100_000, "{fills:?}");
    let beside = leaks(&cache(100_000, "sys.kept = getattr(sys, 'kept', []); sys.kept.append([])"));
    assert_eq!((verdict(&beside).0, &json(&beside)["leaking"]), (1, &true.into()), "{beside:?}");
}
