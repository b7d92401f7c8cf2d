//! The collectors of all interpreters of a process as one: each counts for itself (3.9 and later).

use m5_cpython::{GcState, Interpreter};
use std::collections::HashMap;

/// What each of the others counted when it was last there.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    others: HashMap<i64, GcState>,
    /// What those that have ended counted.
    ended: Option<GcState>,
}

impl Interpreters {
    /// The counters of all together; settings and flags are the main interpreter's.
    pub(crate) fn together(&mut self, main: &Interpreter, state: &GcState) -> GcState {
        let alone = main.newest().is_ok_and(|newest| newest == main.address());
        if alone && self.others.is_empty() {
            return self.sum(state);
        }
        let Ok(listed) = main.all() else { return self.sum(state) };
        let there = |id: &i64| listed.iter().any(|i| i.id() == *id);
        for (_, gone) in self.others.extract_if(|id, _| !there(id)) {
            self.ended = Some(self.ended.map_or(gone, |ended| add(ended, &gone)));
        }
        for other in listed.iter().filter(|i| i.id() != 0) {
            if let Ok(state) = other.read() {
                self.others.insert(other.id(), state);
            }
        }
        self.sum(state)
    }

    fn sum(&self, main: &GcState) -> GcState {
        self.others.values().chain(&self.ended).fold(*main, add)
    }
}

/// Their counters in one.
fn add(mut sum: GcState, other: &GcState) -> GcState {
    for (sum, more) in sum.generations.iter_mut().zip(&other.generations) {
        sum.collections += more.collections;
        sum.collected += more.collected;
        sum.uncollectable += more.uncollectable;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::Process;
    use m5_testkit::{Target, pythons};

    const PROGRAM: &str = "
import gc, sys
try: import _interpreters as I
except ImportError: import _xxsubinterpreters as I
run = getattr(I, 'run_string', None) or I.exec
gc.disable()
kept = I.create()
run(kept, 'import gc; gc.disable()')
print('ready', flush=True); sys.stdin.readline()
for _ in range(3): gc.collect(0)
run(kept, 'import gc\\nfor _ in range(5): gc.collect(0)')
print('done', flush=True); sys.stdin.readline()
I.destroy(kept)
print('gone', flush=True); sys.stdin.readline()
";

    #[test]
    fn what_each_interpreter_counted_is_counted_once_and_kept() {
        for python in pythons().into_iter().filter(|p| p.minor() >= (3, 9)) {
            let mut target = Target::start(&python, PROGRAM);
            assert_eq!(target.line(), "ready", "{}", python.name);
            let main = Interpreter::attach(&Process::open(target.pid()).unwrap()).unwrap();
            let mut all = Interpreters::default();
            let mut young = || all.together(&main, &main.read().unwrap()).generations[0].collections;
            let before = young();
            target.say("go");
            assert_eq!(target.line(), "done", "{}", python.name);
            assert_eq!(young() - before, 8, "{}", python.name);
            assert!(young() - before >= 8, "{}", python.name);
            target.say("go");
            assert_eq!(target.line(), "gone", "{}", python.name);
            assert!(young() - before >= 8, "{}", python.name);
        }
    }
}
