//! The live truth: what m5 reads from outside against what `gc` says inside, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::layout::TABLES;
use m5_cpython::{Allocators, Confidence, Error, Interpreter, Origin, PoolUse};
use m5_process::Process;
use m5_testkit::{Python, Target, all_pythons, free_threaded_pythons, pythons};
use std::process::Command;

/// Every interpreter, those without the GIL among them.
fn builds() -> Vec<Python> {
    all_pythons().into_iter().chain(free_threaded_pythons()).collect()
}

/// Generations run a different number of times each, so that swapping two shows.
const PROGRAM: &str = "
import gc, sys
gc.disable()
gc.set_threshold(701, 11, 13)
class Node: pass
for gen, times in ((0, 20), (1, 5), (2, 3)):
    for _ in range(times):
        n = Node(); n.self = n; del n
        gc.collect(gen)
stats = gc.get_stats()
print(*[s[k] for s in stats for k in ('collections', 'collected', 'uncollectable')], *gc.get_threshold(), flush=True)
sys.stdin.read()
";

#[test]
fn counters_and_thresholds_agree_with_gc_inside() {
    for python in builds() {
        let mut target = Target::start(&python, PROGRAM);
        let truth: Vec<i64> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let state = Interpreter::attach(&process).unwrap().read().unwrap();
        let mut seen = Vec::new();
        for g in &state.generations {
            seen.extend([g.collections as i64, g.collected as i64, g.uncollectable as i64]);
        }
        seen.extend(state.generations.iter().map(|g| i64::from(g.threshold)));
        assert_eq!(seen, truth, "{}", python.name);
        assert!(!state.enabled && !state.collecting, "{}", python.name);
        println!("compared with gc inside: {}", python.name);
    }
}

#[test]
fn count_and_enabled_are_those_of_this_moment() {
    let program = "
import gc, sys
gc.set_threshold(100000, 50, 70)
kept = [[] for _ in range(5000)]
gc.collect(0); gc.collect(0); gc.collect(1)
kept += [[] for _ in range(1234)]
print(*gc.get_count()[1:], flush=True)
sys.stdin.readline(); gc.disable(); print('off', flush=True); sys.stdin.read()
";
    for python in all_pythons() {
        let mut target = Target::start(&python, program);
        let truth: Vec<i32> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let state = interpreter.read().unwrap();
        assert!(state.enabled, "{}", python.name);
        assert!((1234..2000).contains(&state.generations[0].count), "{}: {state:?}", python.name);
        let seen = [state.generations[1].count, state.generations[2].count];
        assert_eq!(seen, truth[..], "{}", python.name);
        target.say("");
        target.line();
        assert!(!interpreter.read().unwrap().enabled, "{}", python.name);
    }
}

#[test]
fn the_version_is_the_interpreters_own() {
    let program = "import sys; print(sys.hexversion, flush=True); sys.stdin.read()";
    for python in builds() {
        let mut target = Target::start(&python, program);
        let truth: Vec<u32> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        assert_eq!(interpreter.version(&process).map(|v| v.0), Some(truth[0]), "{}", python.name);
        let known = TABLES.iter().any(|l| l.runtime_sizes.contains(&interpreter.runtime_size()));
        assert_eq!(interpreter.confidence() == Confidence::Exact, known, "{}", python.name);
        assert!(interpreter.origins().iter().any(|(n, o)| *n == "collecting" && *o != Origin::Table));
    }
}

/// Three interpreters with thresholds of their own.
const SUBINTERPRETERS: &str = "
import gc, sys
try: import _interpreters as subs
except ImportError: import _xxsubinterpreters as subs
run = getattr(subs, 'run_string', None) or subs.exec
gc.set_threshold(701, 11, 13)
ids = [subs.create(), subs.create()]
for n, i in enumerate(ids):
    code = f'import gc; gc.set_threshold({800 + n}, {20 + n}, {30 + n}); [gc.collect(0) for _ in range({3 + n})]'
    run(i, code)
print(*[int(i) for i in ids], flush=True)
sys.stdin.readline()
subs.destroy(ids[1])
print('destroyed', flush=True)
sys.stdin.read()
";

#[test]
fn each_subinterpreter_has_a_collector_of_its_own() {
    for python in all_pythons() {
        let mut target = Target::start(&python, SUBINTERPRETERS);
        let ids: Vec<i64> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let main = Interpreter::attach(&process).unwrap();
        let all = main.all().unwrap();
        if python.minor() == (3, 8) {
            assert_eq!(all.len(), 1, "{}", python.name);
            continue;
        }
        let seen: Vec<i64> = all.iter().map(Interpreter::id).collect();
        assert_eq!(seen, [0, ids[0], ids[1]], "{}", python.name);
        let thresholds: Vec<Vec<i32>> =
            all.iter().map(|i| i.read().unwrap().generations.iter().map(|g| g.threshold).collect()).collect();
        assert_eq!(thresholds, [[701, 11, 13], [800, 20, 30], [801, 21, 31]], "{}", python.name);
        target.say("");
        target.line();
        let seen: Vec<i64> = main.all().unwrap().iter().map(Interpreter::id).collect();
        assert_eq!(seen, [0, ids[0]], "{}", python.name);
    }
}

#[test]
fn threads_are_listed_by_their_kernel_numbers() {
    let program = "
import sys, threading
go = threading.Event()
threads = [threading.Thread(target=go.wait, daemon=True) for _ in range(3)]
for t in threads: t.start()
print(*sorted(t.native_id for t in threading.enumerate()), flush=True)
sys.stdin.read()
";
    for python in builds() {
        let mut target = Target::start(&python, program);
        let truth: Vec<i32> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let threads = Interpreter::attach(&process).unwrap().threads().unwrap();
        assert_eq!(threads.len(), truth.len(), "{}", python.name);
        if python.minor() >= (3, 11) {
            let mut seen: Vec<i32> = threads.iter().map(|t| t.tid.unwrap()).collect();
            seen.sort_unstable();
            assert_eq!(seen, truth, "{}", python.name);
        }
    }
}

#[test]
fn a_copied_and_deleted_executable_of_any_name_is_read() {
    let dir = std::env::temp_dir().join(format!("m5 deleted {}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for python in pythons().iter().filter(|p| p.executable().is_some()) {
        let copy = dir.join("engine");
        m5_testkit::copy_program(python.executable().unwrap(), &copy);
        let mut command = Command::new(&copy);
        let home = python.executable().unwrap().parent().unwrap().parent().unwrap();
        let program = "import sys; print('ready', flush=True); sys.stdin.read()";
        command.env("PYTHONHOME", home).args(["-S", "-c", program]);
        let mut target = Target::spawn(command);
        target.line();
        std::fs::remove_file(&copy).unwrap();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        assert!(interpreter.read().unwrap().enabled, "{}", python.name);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn other_programs_are_refused() {
    let cat = Target::spawn(Command::new("cat"));
    let process = Process::open(cat.pid()).unwrap();
    assert!(matches!(Interpreter::attach(&process), Err(Error::NotPython { .. })));
}

/// Small strings in many arenas, half of them dropped again, and the allocator's own count of its blocks.
const POOLS: &str = "
import sys
kept = ['%09d' % i + 'x' * 40 for i in range(200_000)]
del kept[::2]
print(sys.getallocatedblocks(), flush=True)
sys.stdin.readline()
kept = None
print(sys.getallocatedblocks(), flush=True)
sys.stdin.read()
";

#[test]
fn blocks_in_use_agree_with_the_allocator_inside() {
    for python in all_pythons() {
        let mut target = Target::start(&python, POOLS);
        let full: Vec<u64> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let allocators = Allocators::find(&process, &interpreter).expect(&python.name);
        let near = |seen: PoolUse, truth: u64| {
            // `getallocatedblocks` counts small and large blocks.
            match seen.large_blocks {
                Some(large) => {
                    assert!((seen.blocks + large).abs_diff(truth) < 30, "{}: {seen:?} {truth}", python.name);
                }
                None => assert!((100..3000).contains(&(truth - seen.blocks)), "{}: {seen:?}", python.name),
            }
            assert!(seen.block_bytes < seen.arena_bytes, "{}", python.name);
        };
        let before = allocators.read().unwrap();
        near(before, full[0]);
        assert!(before.arena_bytes > 12 << 20, "{}", python.name);
        target.say("drop");
        let empty: Vec<u64> = target.numbers();
        let after = allocators.read().unwrap();
        near(after, empty[0]);
        println!("{}: {before:?} {full:?}, then {after:?} {empty:?}", python.name);
    }
}

#[test]
fn pages_of_mimalloc_agree_with_the_allocator_inside() {
    let with_gil = pythons().into_iter().filter(|p| p.minor() >= (3, 13));
    for python in with_gil.chain(free_threaded_pythons()) {
        let mut command = python.command();
        command.args(["-u", "-c", POOLS]);
        if !python.free_threaded {
            command.env("PYTHONMALLOC", "mimalloc");
        }
        let mut target = Target::spawn(command);
        let full: Vec<u64> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let allocators = Allocators::find(&process, &interpreter).expect(&python.name);
        let before = allocators.read().unwrap();
        target.say("drop");
        let empty: Vec<u64> = target.numbers();
        let after = allocators.read().unwrap();
        println!("{}: {before:?} {full:?}, then {after:?} {empty:?}", python.name);
        // From 3.15 on memory that is not for objects comes from it, too, and is not counted inside.
        let beside = before.blocks.saturating_sub(full[0]);
        assert!(beside < if python.minor() < (3, 15) { 30 } else { 3000 }, "{}: {before:?}", python.name);
        for (seen, truth) in [(before, full[0]), (after, empty[0])] {
            assert!(seen.blocks.abs_diff(truth + beside) < 30, "{}: {seen:?} {truth}", python.name);
            assert!(seen.block_bytes < seen.arena_bytes, "{}", python.name);
        }
        assert!(before.arena_bytes > 12 << 20, "{}", python.name);
    }
}

#[test]
fn a_process_without_the_allocator_has_none() {
    for python in pythons() {
        let mut command = python.command();
        command.args(["-u", "-c", "print('ready'); import sys; sys.stdin.read()"]);
        command.env("PYTHONMALLOC", "malloc");
        let mut target = Target::spawn(command);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        assert!(Allocators::find(&process, &interpreter).is_none(), "{}", python.name);
    }
}
