//! Runs a scenario in a real interpreter under watch and compares each pause with `gc.callbacks` inside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use m5_cpython::Interpreter;
use m5_gc::{Coverage, Pause, SourceKind, TraceOptions, Tracer};
use m5_process::Process;
use m5_testkit::{Python, Target, all_pythons, free_threaded_pythons, nothing_starts};
use std::sync::mpsc;
use std::time::Duration;

/// What every target begins with: garbage to make, and a log of each collection's two ends.
const PRELUDE: &str = r#"
import gc, sys, os, time, threading, weakref
class Node: pass
def churn(n):
    for _ in range(n):
        a = Node(); a.me = a
log = []
def note(phase, info, log=log, clock=time.monotonic_ns, tid=threading.get_ident):
    log.append((clock(), phase[2], info['generation'], info.get('collected', 0)))
gc.collect()
gc.callbacks.insert(0, note)
print('ready', flush=True)
sys.stdin.readline()
"#;

const FINALE: &str = r#"
gc.disable()
gc.callbacks.remove(note)
stack, pairs = [], []
for when, phase, generation, collected in log:
    if phase == 'a':
        stack.append(when)
    else:
        pairs.append((stack.pop(), when, generation, collected))
pairs.sort()
print('done', len(pairs), flush=True)
for p in pairs: print(*p)
sys.stdout.flush()
sys.stdin.readline()
"#;

/// A piece of Python to run between the log's beginning and its end.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) program: String,
}

impl Scenario {
    pub(crate) fn new(name: &'static str, body: &str) -> Self {
        Self { name, program: format!("{PRELUDE}{body}\n{FINALE}") }
    }
}

/// One collection as the target itself saw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    pub(crate) start: u64,
    pub(crate) stop: u64,
    pub(crate) generation: u8,
    pub(crate) collected: u64,
}

/// A trace of a target from "ready" to "done".
pub(crate) struct Run {
    pub(crate) kind: SourceKind,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) coverage: Coverage,
    pub(crate) truth: Vec<Truth>,
}

/// Opens a tracer on a process.
pub(crate) fn attach(pid: i32, options: &TraceOptions) -> Tracer {
    let process = Process::open(pid).unwrap();
    let interpreter = Interpreter::attach(&process).unwrap();
    let _alone = nothing_starts();
    Tracer::attach(&process, &interpreter, options).unwrap()
}

/// Runs the program and traces it until it says that it is done.
pub(crate) fn run(python: &Python, program: &str, options: &TraceOptions) -> Run {
    let mut target = Target::start(python, program);
    assert_eq!(target.line(), "ready");
    let mut tracer = attach(target.pid(), options);
    target.say("go");
    let mut pauses = Vec::new();
    let count: usize = drain_until(&mut tracer, &mut pauses, || {
        let line = target.line();
        line.strip_prefix("done ").unwrap().parse().unwrap()
    });
    let truth = (0..count).map(|_| truth(&target.numbers())).collect();
    Run { kind: tracer.kind(), pauses, coverage: tracer.coverage(), truth }
}

/// Drains at the tracer's own pace until `wait` (which blocks) returns, and once after.
pub(crate) fn drain_until<T: Send>(
    tracer: &mut Tracer,
    pauses: &mut Vec<Pause>,
    wait: impl FnOnce() -> T + Send,
) -> T {
    std::thread::scope(|scope| {
        let (done, told) = mpsc::channel();
        scope.spawn(move || done.send(wait()).unwrap());
        loop {
            let told = told.recv_timeout(tracer.interval());
            tracer.drain(pauses).unwrap();
            match told {
                Ok(value) => {
                    std::thread::sleep(Duration::from_millis(1));
                    tracer.drain(pauses).unwrap();
                    return value;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(gone) => panic!("{gone}"),
            }
        }
    })
}

pub(crate) fn truth(words: &[u64]) -> Truth {
    Truth { start: words[0], stop: words[1], generation: words[2] as u8, collected: words[3] }
}

/// Every interpreter, or those that `M5_PYTHON` names, free-threaded ones among them: as many pauses as the callbacks saw, of the same generations, at the same times.
pub(crate) fn compare(scenario: &Scenario) {
    let only = std::env::var("M5_PYTHON").unwrap_or_default();
    let all = all_pythons().into_iter().chain(free_threaded_pythons().into_iter().filter(|p| !p.musl));
    for python in all.filter(|p| p.name.contains(&only)) {
        let options = TraceOptions::default();
        let run = whole(&python, &scenario.program, &options);
        check(&format!("{} on {}", scenario.name, python.name), &run, python.free_threaded);
        if run.kind == SourceKind::Ring {
            let options = TraceOptions { source: Some(SourceKind::Watchpoint), ..options };
            let run = whole(&python, &scenario.program, &options);
            check(&format!("{} on {}", scenario.name, python.name), &run, python.free_threaded);
        }
    }
}

/// A run in which m5 lost nothing, of five: on a machine where m5 gets no processor for long the rings run over, and
/// without a GIL two threads' traps may be dated in the other order. Both are told as lost.
pub(crate) fn whole(python: &Python, program: &str, options: &TraceOptions) -> Run {
    let mut last = run(python, program, options);
    for _ in 0..4 {
        if last.kind == SourceKind::Ring || last.coverage.lost == 0 {
            break;
        }
        last = run(python, program, options);
    }
    last
}

fn check(name: &str, run: &Run, free_threaded: bool) {
    let mut pauses = run.pauses.clone();
    pauses.sort_by_key(|p| p.start_ns);
    let coverage = &run.coverage;
    assert_eq!(coverage.seen(), pauses.len() as u64, "{name}");
    assert_eq!(coverage.happened(), run.truth.len() as u64, "{name}: {coverage:?}");
    let lost = if run.kind == SourceKind::Ring { coverage.lost } else { 0 };
    assert_eq!(coverage.lost, lost, "{name}: {coverage:?}");
    assert_eq!(coverage.seen() + lost, coverage.happened(), "{name}: {coverage:?}");
    let (mut errors, mut truths) = (Vec::new(), run.truth.iter());
    for pause in &pauses {
        // The traps within a pause are taken off its length.
        let end = pause.start_ns + pause.duration_ns + 100_000;
        let truth = truths.by_ref().find(|t| t.stop >= pause.start_ns);
        let truth = truth.unwrap_or_else(|| panic!("{name}: nothing like {pause:?}"));
        assert!(truth.start <= end, "{name}: {pause:?} {truth:?}");
        // No register is left to tell collections of generation 0 and 1 that were asked for at once.
        let mixed = free_threaded && pause.generation.is_none() && truth.generation < 2;
        assert!(mixed || pause.generation == Some(truth.generation), "{name}: {pause:?} {truth:?}");
        if let Some(collected) = pause.collected {
            assert_eq!(collected, truth.collected, "{name}: {pause:?} {truth:?}");
        }
        errors.push(pause.duration_ns as i64 - (truth.stop - truth.start) as i64);
    }
    report(name, run, errors);
}

fn report(name: &str, run: &Run, mut errors: Vec<i64>) {
    let known = run.pauses.iter().filter(|p| p.collected.is_some()).count();
    errors.sort_unstable();
    let at = |q: usize| errors.get(errors.len() * q / 100).copied().unwrap_or(0) as f64 / 1e3;
    println!(
        "{name}: {:?}, {} collections equal ({known} with objects freed, {} lost), error median {:.1} µs, p10 {:.1}, p99 {:.1}",
        run.kind,
        run.pauses.len(),
        run.coverage.lost,
        at(50),
        at(10),
        at(99)
    );
}
