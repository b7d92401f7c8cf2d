//! Several interpreters in one process: each has a collector of its own, and often a thread of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{attach, drain_until};
use m5_gc::{Detail, Pause, SourceKind, TraceOptions, Tracer};
use m5_testkit::{Python, Target, pythons};

/// Each of `SUBS` interpreters runs in a thread of its own and collects when it is told to.
const SUBS: usize = 3;
const PROGRAM: &str = "
import gc, os, sys, threading
try: import _interpreters as subs
except ImportError: import _xxsubinterpreters as subs
run = getattr(subs, 'run_string', None) or subs.exec
gc.disable()
inner = '''
import gc, os, time
gc.disable()
kept = [[i] for i in range(20000)]
gc.collect()
os.write({out}, b'.')
while os.read({go}, 1) == b'g':
    for i in range(30): gc.collect(i % 2)
    for i in range(3):
        begun = time.monotonic_ns()
        gc.collect()
        os.write({out}, b'%d ' % (time.monotonic_ns() - begun))
    os.write({out}, b'.')
'''
def told(pipe):
    text = b''
    while not text.endswith(b'.'): text += os.read(pipe, 100)
    return text[:-1].decode()
workers = []
for _ in range(3):
    (go, tell), (hear, out) = os.pipe(), os.pipe()
    code = inner.format(go=go, out=out)
    threading.Thread(target=lambda code=code: run(subs.create(), code), daemon=True).start()
    told(hear)
    workers.append((tell, hear))
print('ready', flush=True)
for line in sys.stdin:
    lengths = []
    for tell, _ in workers: os.write(tell, b'g')
    for _, hear in workers: lengths += told(hear).split()
    gc.collect()
    print(*lengths, flush=True)
os._exit(0)
";

/// One round: each interpreter but the main one has collected 33 times, 3 of them in full; how long those took.
fn round(target: &mut Target, tracer: &mut Tracer) -> (Vec<Pause>, Vec<u64>) {
    let mut pauses = Vec::new();
    let lengths = drain_until(tracer, &mut pauses, || {
        target.say("go");
        target.numbers()
    });
    (pauses, lengths)
}

fn with_subinterpreters() -> Vec<Python> {
    pythons().into_iter().filter(|p| p.minor() >= (3, 9)).collect()
}

/// Up to 3.12 only a collection tells which thread runs an interpreter; one register looks for them in turn.
fn warm_up(python: &Python, target: &mut Target, tracer: &mut Tracer) {
    let rounds = if python.minor() < (3, 13) { SUBS } else { 0 };
    (0..rounds).for_each(|_| _ = round(target, tracer));
}

#[test]
fn no_full_collection_of_any_interpreter_is_missed_whatever_the_budget() {
    for python in with_subinterpreters() {
        for max_overhead in [None, Some(0.0), Some(0.01)] {
            let name = format!("{} at {max_overhead:?}", python.name);
            let mut target = Target::start(&python, PROGRAM);
            assert_eq!(target.line(), "ready", "{name}");
            let source = Some(SourceKind::Watchpoint);
            let mut tracer = attach(target.pid(), &TraceOptions { source, max_overhead, children: false });
            warm_up(&python, &mut target, &mut tracer);
            let before = tracer.coverage();
            let (pauses, lengths) = round(&mut target, &mut tracer);
            let coverage = tracer.coverage();
            let happened = |g: usize| coverage.generations[g].happened - before.generations[g].happened;
            assert_eq!([0, 1, 2].map(happened), [45, 45, 3 * SUBS as u64 + 1], "{name}: {coverage:?}");
            assert_eq!(coverage.unwatched, before.unwatched, "{name}");
            let full: Vec<&Pause> = pauses.iter().filter(|p| p.generation == Some(2)).collect();
            let of = |interpreter: i64| full.iter().filter(|p| p.interpreter == interpreter).count();
            assert_eq!([0, 1, 2, 3].map(of), [1, 3, 3, 3], "{name}: {coverage:?} {full:?}");
            // The truth holds what other threads took of a shared lock, too.
            let seen: u64 = full.iter().filter(|p| p.interpreter > 0).map(|p| p.duration_ns).sum();
            let truth: u64 = lengths.iter().sum();
            let slack = uncertainty(&mut tracer);
            assert!(seen <= truth + slack + 1_000_000, "{name}: {seen} of {truth} ± {slack}");
            if max_overhead.is_none() {
                assert_eq!(pauses.len(), 33 * SUBS + 1, "{name}: {coverage:?}");
            }
        }
    }
}

#[test]
fn the_other_sources_count_every_interpreter_too() {
    for python in with_subinterpreters() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready", "{}", python.name);
        let ring = (python.minor() >= (3, 15)).then_some(SourceKind::Ring);
        for source in [Some(SourceKind::Poll), ring].into_iter().flatten() {
            let options = TraceOptions { source: Some(source), ..TraceOptions::default() };
            let mut tracer = attach(target.pid(), &options);
            round(&mut target, &mut tracer);
            let coverage = tracer.coverage();
            assert_eq!(coverage.happened(), 33 * SUBS as u64 + 1, "{}: {coverage:?}", python.name);
        }
    }
}

#[test]
fn one_that_the_main_thread_runs_shares_its_registers() {
    let program = "
import gc, sys
try: import _interpreters as subs
except ImportError: import _xxsubinterpreters as subs
run = getattr(subs, 'run_string', None) or subs.exec
gc.disable()
sub = subs.create()
run(sub, 'import gc; gc.disable()')
print('ready', flush=True)
for line in sys.stdin:
    gc.collect()
    run(sub, 'for i in range(8): gc.collect(0 if i % 2 else 2)')
    print('done', flush=True)
";
    for python in with_subinterpreters() {
        for max_overhead in [None, Some(0.0)] {
            let name = format!("{} at {max_overhead:?}", python.name);
            let mut target = Target::start(&python, program);
            assert_eq!(target.line(), "ready", "{name}");
            let source = Some(SourceKind::Watchpoint);
            let mut tracer = attach(target.pid(), &TraceOptions { source, max_overhead, children: false });
            let mut pauses = Vec::new();
            drain_until(&mut tracer, &mut pauses, || {
                target.say("go");
                assert_eq!(target.line(), "done", "{name}");
            });
            let mine = pauses.iter().filter(|p| p.interpreter == 0 && p.generation == Some(2)).count();
            assert_eq!(mine, 1, "{name}: {pauses:?}");
            let further = pauses.iter().filter(|p| p.interpreter > 0);
            // In a window its flag has the one register, so that only the counters label what they can.
            let full = further.clone().filter(|p| p.generation != Some(0)).count();
            assert!(further.count() == 8 || full >= 4, "{name}: {pauses:?}");
            assert_eq!(tracer.coverage().happened(), 9, "{name}");
        }
    }
}

/// The executor makes its interpreters in its own threads and ends them at its end. In the first step each of them
/// is at work at the same time.
const POOL: &str = "
import gc, os, sys
from concurrent.futures import InterpreterPoolExecutor
gc.disable()
(arrived, arrive), (leave, left), (hear, out) = os.pipe(), os.pipe(), os.pipe()
meet = f'import gc, os; gc.disable(); os.write({arrive}, b\"x\"); os.read({leave}, 1)'
work = f'''
import gc, os, time
kept = [[i] for i in range(20000)]
text = b\"\"
for i in range(3):
    gc.collect(0); gc.collect(1)
    begun = time.monotonic_ns(); gc.collect()
    text += b\"%d \" % (time.monotonic_ns() - begun)
os.write({out}, text)
'''
pool = InterpreterPoolExecutor(3)
print('ready', flush=True); sys.stdin.readline()
met = [pool.submit(exec, meet, {}) for _ in range(3)]
for _ in range(3): os.read(arrived, 1)
print('met', flush=True); sys.stdin.readline()
os.write(left, b'xxx')
for future in met: future.result()
print('left', flush=True)
for line in sys.stdin:
    if line == 'end\\n': break
    list(pool.map(exec, [work] * 12, [{}] * 12))
    print(os.read(hear, 60000).decode(), flush=True)
pool.shutdown()
print('ended', flush=True)
sys.stdin.readline()
";

#[test]
fn a_pool_of_interpreters_that_begins_and_ends() {
    for python in pythons().into_iter().filter(|p| p.minor() >= (3, 14)) {
        let name = &python.name;
        let mut target = Target::start(&python, POOL);
        assert_eq!(target.line(), "ready", "{name}");
        let source = Some(SourceKind::Watchpoint);
        let mut tracer = attach(target.pid(), &TraceOptions { source, max_overhead: None, children: false });
        let mut first = Vec::new();
        for (go, done) in [("begin", "met"), ("leave", "left")] {
            drain_until(&mut tracer, &mut first, || {
                target.say(go);
                assert_eq!(target.line(), done, "{name}");
            });
        }
        let before = tracer.coverage();
        let (pauses, lengths) = round(&mut target, &mut tracer);
        let after = tracer.coverage();
        let happened = |g: usize| after.generations[g].happened - before.generations[g].happened;
        assert_eq!([0, 1, 2].map(happened), [36; 3], "{name}: {before:?} {after:?}");
        assert_eq!(pauses.len(), 108, "{name}: {before:?} {after:?}");
        let full = pauses.iter().filter(|p| p.generation == Some(2));
        let (seen, truth) = (full.clone().map(|p| p.duration_ns).sum::<u64>(), lengths.iter().sum::<u64>());
        let slack = uncertainty(&mut tracer);
        assert_eq!((full.count(), after.unwatched), (36, before.unwatched), "{name}");
        assert!(seen <= truth + slack && seen + slack > truth / 2, "{name}: {seen} of {truth} ± {slack}");
        // Those that end collect at their end.
        let mut last = Vec::new();
        drain_until(&mut tracer, &mut last, || {
            target.say("end");
            assert_eq!(target.line(), "ended", "{name}");
        });
        let ended = tracer.coverage();
        assert!(ended.generations[2].seen > after.generations[2].seen, "{name}: {ended:?}");
    }
}

/// What is not known of the lengths of the pauses so far.
fn uncertainty(tracer: &mut Tracer) -> u64 {
    let mut details: Vec<Detail> = Vec::new();
    tracer.details(&mut details);
    details.iter().filter_map(|d| d.uncertainty_ns).sum()
}
