//! `m5 tune` as its user types it: what helps a program is found, proved and can be pasted; runs are made once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::pythons;
use support::{json, run, verdict};

/// Six threads that need their memory one after the other and live on: with an arena each, six times as much.
const PROGRAM: &str = "
import threading, time
turns = [threading.Event() for _ in range(7)]
turns[0].set()
over, kept, text = threading.Event(), [], b'x'
def work(number):
    turns[number].wait()
    blocks = [text * 3000 for _ in range(5000)]
    kept.append(blocks[-1])
    del blocks
    turns[number + 1].set()
    over.wait()
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for thread in threads: thread.start()
turns[6].wait()
time.sleep(0.5)
over.set()
";

#[test]
fn what_helps_is_proved_and_runs_are_made_once() {
    let python = pythons().into_iter().find(|p| p.root().is_none()).unwrap().name;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("runs.jsonl");
    let log_name = log.to_str().unwrap();
    let only = "arenas-1,gc-10000,pymalloc-off";
    let arguments =
        ["tune", "--only", only, "--warmup", "100ms", "--goal", "rss,peak", "--continue", log_name];
    let with = |form: &str| {
        let command = ["--", &python, "-c", PROGRAM];
        run(&arguments.iter().copied().chain([form]).chain(command).collect::<Vec<_>>())
    };
    let out = with("--json");
    let doc = json(&out);
    assert_eq!((verdict(&out).0, &doc["schema"]), (0, &"m5.tune/1".into()), "{doc}");
    assert_eq!(doc["recommended"], serde_json::json!([["MALLOC_ARENA_MAX", "1"]]), "{doc}");
    let tried = doc["tried"].as_array().unwrap();
    assert!(tried.iter().all(|t| t["stage"] != "failed"), "{doc}");
    let base = tried[0]["runs"].as_array().unwrap();
    assert!(base.iter().all(|run| run["rss_bytes"].as_f64() > Some(8e7)), "{doc}");
    // A run whose collector was not found in time says that its pauses are not known.
    assert!(base.iter().any(|run| run["pause_seconds"].is_number()), "{doc}");

    let before = std::fs::read_to_string(&log).unwrap();
    let again = with("--lang=en");
    let text = String::from_utf8(again.stdout.clone()).unwrap();
    assert!(verdict(&again).0 == 0 && text.contains("Environment=\"MALLOC_ARENA_MAX=1\""), "{text}");
    assert!(text.contains("it changes RSS"), "{text}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), before, "what is known is not run again");
    let (code, said) = verdict(&run(&["tune", "--continue", log_name, "--", "true"]));
    assert!(code == 2 && said.contains("another command"), "{code} {said}");
}

#[test]
fn what_cannot_be_tried_is_said() {
    let (code, said) = verdict(&run(&["tune", "--only", "warp-drive", "--", "true"]));
    assert!(code == 2 && said.contains("warp-drive") && said.contains("arenas-2"), "{code} {said}");
    let (code, said) = verdict(&run(&["tune", "--", "false"]));
    assert!(code == 6 && said.contains("could not be measured: ended with exit status"), "{code} {said}");
    // What the command sets for itself would hide what is tried.
    let set = ["tune", "--only", "arenas-2", "--", "env", "MALLOC_ARENA_MAX=1", "true"];
    let (code, said) = verdict(&run(&set));
    assert!(code == 2 && said.contains("none can be tried"), "{code} {said}");
    assert_eq!(verdict(&run(&["tune"])).0, 2);
}
