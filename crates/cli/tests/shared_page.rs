//! The page that a process shares, written here by hand as `docs/shared-page.md` says, read from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use m5_testkit::{Target, pythons};
use serde_json::Value;
use support::{json, run};

/// Writes a page of three entries, forks a child that shares it, and waits.
const PUBLISHING: &str = r#"
import mmap, os, struct, sys, time
fd = os.memfd_create("m5mem")
os.ftruncate(fd, 65536)
page = mmap.mmap(fd, 65536)
os.close(fd)
entries = [
    ('m5mem_cache_hits_total{cache="prices"}', 12345.0),
    ('m5mem_cache_misses_total{cache="prices"}', float("nan")),
    ('m5mem_ws_connections{pool="feed",state="open"}', 3.0),
    ('no name', 1.0),
]
for i, (name, value) in enumerate(entries):
    struct.pack_into("<120sd", page, 64 + 128 * i, name.encode(), value)
struct.pack_into("<IIIIIxxxxQ", page, 8, int(sys.argv[1]), 64, 128, len(entries), os.getpid(), 0)
struct.pack_into("<Q", page, 32, time.monotonic_ns())
page[:8] = b"m5mem\0\0\0"
child = os.fork()
if child == 0:
    time.sleep(600)
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
os.kill(child, 9)
os.waitpid(child, 0)
"#;

fn application(pid: i32) -> Value {
    json(&run(&["health", "-d", "200ms", "--json", "-p", &pid.to_string()]))["application"].clone()
}

fn publishing(layout: &str) -> (Target, i32) {
    let python = pythons().into_iter().find(|p| p.minor().1 >= 8).unwrap();
    let mut command = python.command();
    command.args(["-c", PUBLISHING, layout]);
    let mut target = Target::spawn(command);
    let child = target.line().parse().unwrap();
    (target, child)
}

#[test]
fn what_a_process_says_is_read_from_outside() {
    let (target, child) = publishing("1");
    let said = application(target.pid());
    let values = said["values"].as_array().unwrap();
    assert_eq!(values.len(), 3, "{said}");
    assert_eq!(values[0]["name"], "m5mem_cache_hits_total");
    assert_eq!(values[0]["labels"]["cache"], "prices");
    assert_eq!(values[0]["value"], 12345.0);
    assert_eq!(values[1]["value"], Value::Null);
    assert_eq!(said["unreadable"], 1);
    assert!((0.0..600.0).contains(&said["age_seconds"].as_f64().unwrap()));
    // The child maps the same page and did not write it.
    assert_eq!(application(child), Value::Null);
    let text = run(&["health", "-d", "200ms", "--lang", "en", "-p", &target.pid().to_string()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("cache prices  hits 12345 · misses –"), "{text}");
}

#[test]
fn a_newer_page_is_refused_with_its_reason() {
    let (target, _) = publishing("2");
    let said = application(target.pid());
    assert!(said["unread"].as_str().unwrap().contains("update m5"), "{said}");
}
