//! How near the watch is to the interpreter's own records, where it keeps some (3.15 and later): no callback is in the
//! target, so that nothing but the traps lies between the two.

use crate::median;
use m5_cpython::Interpreter;
use m5_gc::{Pause, SourceKind, TraceOptions, Tracer};
use m5_process::Process;
use m5_testkit::Target;
use std::process::Command;
use std::time::{Duration, Instant};

/// Collects so often a second, asleep or at work between.
const PROGRAM: &str = r#"
import gc, sys, threading, time
class Node: pass
def churn(n):
    for _ in range(n):
        a = Node(); a.me = a
kept = {i: str(i) for i in range(200000)}
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
gc.disable()
rate, asleep = float(sys.argv[1]), sys.argv[2] == 'asleep'
print('ready', flush=True)
due = time.monotonic()
while not stop.is_set():
    churn(600); gc.collect(0)
    due = max(due + 1 / rate, time.monotonic())
    if asleep: time.sleep(max(0, due - time.monotonic()))
    i = 0
    while time.monotonic() < due:
        i = (i * 1103515245 + 12345) % 200000; kept[i]
"#;
const SECONDS: Duration = Duration::from_secs(6);
/// The watch begins before the records do, by less than this, nanoseconds.
const NEAR: u64 = 200_000;

/// Prints the difference at three rates, asleep and at work between; nothing, where the interpreter keeps no records.
pub(crate) fn compare(python: &str) {
    for (rate, between) in
        [(30, "asleep"), (30, "at work"), (400, "asleep"), (400, "at work"), (4000, "at work")]
    {
        let mut command = Command::new(python);
        command.args(["-I", "-c", PROGRAM, &rate.to_string(), between]);
        let mut target = Target::spawn(command);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).expect("it lives");
        let interpreter = Interpreter::attach(&process).expect("a CPython that m5 knows");
        if interpreter.records_kept() < Some(3) {
            return;
        }
        let mut errors = errors(&process, &interpreter);
        let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        println!(
            "{rate:>6}/s {between:>8}: {} pauses, error median {:+.1} µs; its size: median {:.1} µs",
            errors.len(),
            median(&mut errors),
            median(&mut sizes)
        );
    }
}

/// What the watch says each pause is longer than the records do, microseconds.
fn errors(process: &Process, interpreter: &Interpreter) -> Vec<f64> {
    let by = |source| TraceOptions { source: Some(source), ..TraceOptions::default() };
    let trace = |source| Tracer::attach(process, interpreter, &by(source)).expect("traced");
    let (mut ring, mut watch) = (trace(SourceKind::Ring), trace(SourceKind::Watchpoint));
    let (mut recorded, mut watched): (Vec<Pause>, Vec<Pause>) = (Vec::new(), Vec::new());
    let end = Instant::now() + SECONDS;
    while Instant::now() < end {
        std::thread::sleep(ring.interval());
        ring.drain(&mut recorded).expect("it lives");
        watch.drain(&mut watched).expect("it lives");
    }
    let theirs = |mine: &Pause| {
        let from = recorded.partition_point(|r| r.start_ns < mine.start_ns);
        recorded.get(from).filter(|r| r.start_ns < mine.start_ns + mine.duration_ns + NEAR)
    };
    let error = |mine: &Pause| Some((mine.duration_ns as f64 - theirs(mine)?.duration_ns as f64) / 1e3);
    watched.iter().skip(1).filter_map(error).collect()
}
