//! The live truth: what m5 reads from outside against what `gc` says inside, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::Interpreter;
use m5_target::Process;
use m5_testkit::{Target, pythons};
use std::process::Command;

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
    for python in pythons() {
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
fn older_interpreters_and_other_programs_are_refused() {
    let cat = Target::spawn(Command::new("cat"));
    let process = Process::open(cat.pid()).unwrap();
    assert!(matches!(Interpreter::attach(&process), Err(m5_cpython::Error::NotPython { .. })));
}
