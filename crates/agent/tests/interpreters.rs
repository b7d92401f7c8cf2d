//! A process of several interpreters: the objectives of the collector are held against each of them, and all are counted
//! by what watches for days.
#![allow(clippy::unwrap_used, clippy::panic)]

use m5_agent::derive::complete;
use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_agent::record::{RecordOptions, record};
use m5_process::Process;
use m5_report::doc::Criterion;
use m5_stats::{Objectives, Profile, Status};
use m5_testkit::{Python, Target, pythons};
use std::time::Duration;

/// One interpreter beside the main one, in a thread of its own, collects as often as it is told; the main one never does.
const PROGRAM: &str = "
import gc, os, sys, threading
try: import _interpreters as subs
except ImportError: import _xxsubinterpreters as subs
run = getattr(subs, 'run_string', None) or subs.exec
gc.disable()
inner = '''
import gc, os
gc.disable()
os.write({out}, b'.')
while os.read({go}, 1) == b'g':
    for i in range(40): gc.collect()
    os.write({out}, b'.')
'''
(go, tell), (hear, out) = os.pipe(), os.pipe()
code = inner.format(go=go, out=out)
threading.Thread(target=lambda: run(subs.create(), code), daemon=True).start()
os.read(hear, 1)
print('ready', flush=True)
for line in sys.stdin:
    os.write(tell, b'g')
    os.read(hear, 1)
    print('done', flush=True)
os._exit(0)
";

/// The same by the executor of 3.14: the only worker collects.
const POOL: &str = "
import gc, os, sys
from concurrent.futures import InterpreterPoolExecutor
gc.disable()
pool = InterpreterPoolExecutor(1)
work = 'import gc; gc.disable(); [gc.collect() for i in range(40)]'
pool.submit(exec, 'import gc; gc.disable()').result()
print('ready', flush=True)
for line in sys.stdin:
    pool.submit(exec, work).result()
    print('done', flush=True)
os._exit(0)
";

fn cases() -> Vec<(Python, &'static str)> {
    let all = pythons().into_iter().filter(|p| p.minor() >= (3, 9));
    let pools = pythons().into_iter().filter(|p| p.minor() >= (3, 14));
    all.map(|p| (p, PROGRAM)).chain(pools.map(|p| (p, POOL))).collect()
}

fn start(python: &Python, program: &str) -> Target {
    let mut target = Target::start(python, program);
    assert_eq!(target.line(), "ready", "{}", python.name);
    target
}

#[test]
fn each_interpreter_is_held_against_the_objectives_of_collections() {
    for (python, program) in cases() {
        let mut target = start(&python, program);
        let options = RecordOptions {
            duration: Duration::from_secs(300),
            interval: Duration::from_millis(100),
            children: false,
            pauses: Some(true),
            max_overhead: None,
            stacks_above: None,
            workload: None,
        };
        let (mut rounds, process) = (0, Process::open(target.pid()).unwrap());
        // Long enough for a rate below the objective where one collects once, and for three samples.
        let recorded = record(&[process], &options, &mut |progress| {
            if rounds < 2 {
                target.say("go");
                assert_eq!(target.line(), "done");
                rounds += 1;
            }
            progress.elapsed_seconds < 1.0
        });
        let mut recorded = recorded.unwrap();
        complete(&mut recorded, &Objectives::of(Profile::Trading).into());
        let process = &recorded.processes[0];
        let name = format!("{}: {:?}", python.name, process.criteria);
        let find = |interpreter: Option<i64>, name: &str| -> &Criterion {
            let found = |c: &&Criterion| c.interpreter == interpreter && c.name == name;
            process.criteria.iter().find(found).unwrap_or_else(|| panic!("{name}"))
        };
        let ids: Vec<i64> = process.criteria.iter().filter_map(|c| c.interpreter).collect();
        let other = ids.iter().copied().max().unwrap();
        assert!(other > 0 && ids.contains(&0), "{name}");
        let [main, sub, all] = [Some(0), Some(other), None].map(|id| find(id, "gc_gen2_per_second"));
        assert_eq!((main.status, main.value), (Status::Ok, Some(0.0)), "{name}");
        assert!(sub.missed() && all.missed() && sub.value > Some(0.0), "{name}");
        let seconds = process.pauses.as_ref().unwrap().coverage.wall_ns as f64 / 1e9;
        assert!((sub.value.unwrap() * seconds - 80.0).abs() < 0.5, "{name}");
        let paused = find(Some(other), "gc_pause_p95_seconds");
        assert!(paused.value > Some(0.0) && find(Some(0), "gc_pause_p95_seconds").value.is_none(), "{name}");
    }
}

#[test]
fn what_serves_and_watches_counts_all_of_them() {
    for (python, program) in cases() {
        let mut target = start(&python, program);
        let identity = Process::open(target.pid()).unwrap().identity();
        let selection = Selection { processes: vec![identity], names: Vec::new() };
        let mut pool = Pool::new(PoolOptions { selection, max_overhead: Some(1.0), traced: 1, limit: None });
        pool.refresh();
        let mut full = || {
            pool.drain();
            pool.sample(1);
            pool.members()[0].gc.unwrap().generations[2].collections
        };
        let before = full();
        for round in 1..=3 {
            target.say("go");
            assert_eq!(target.line(), "done", "{}", python.name);
            assert_eq!(full() - before, 40 * round, "{}", python.name);
        }
    }
}
