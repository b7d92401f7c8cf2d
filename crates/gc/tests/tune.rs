//! Tuning from outside against what `gc` says inside, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::Interpreter;
use m5_gc::tune::{TuneError, Tuner};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};

/// Obeys each line, then says its settings and its frozen objects.
const PROGRAM: &str = "
import gc, sys
gc.set_threshold(701, 11, 13)
def say(): print(*gc.get_threshold(), int(gc.isenabled()), gc.get_freeze_count(), flush=True)
say()
for line in sys.stdin:
    exec(line)
    say()
";

struct Live {
    target: Target,
    process: Process,
    interpreter: Interpreter,
    first: Vec<i64>,
}

impl Live {
    fn start(python: &Python) -> Self {
        let mut target = Target::start(python, PROGRAM);
        let first = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        Self { target, process, interpreter, first }
    }

    fn tuner(&self, dir: &tempfile::TempDir) -> Tuner {
        Tuner::new(&self.process, &self.interpreter, dir.path().to_owned())
    }

    fn after(&mut self, line: &str) -> Vec<i64> {
        self.target.say(line);
        self.target.numbers()
    }
}

/// The incremental collector of 3.14.0 to 3.14.4 does not show the third threshold inside.
fn thresholds(python: &Python) -> usize {
    if python.version >= (3, 14, 0) && python.version <= (3, 14, 4) { 2 } else { 3 }
}

#[test]
fn set_is_obeyed_and_undone_also_by_another_m5() {
    for python in pythons() {
        let dir = tempfile::tempdir().unwrap();
        let mut live = Live::start(&python);
        assert!(matches!(live.tuner(&dir).undo(), Err(TuneError::NothingToUndo { .. })), "{}", python.name);

        let before = live.tuner(&dir).set(Some([50_000, 20, 30]), Some(false)).unwrap();
        assert_eq!(before[0].settings.thresholds, [701, 11, 13], "{}", python.name);
        let seen = thresholds(&python);
        assert_eq!(live.after("")[..seen], [50_000, 20, 30][..seen], "{}", python.name);
        assert_eq!(live.after("")[3], 0, "{}", python.name);
        live.tuner(&dir).set(Some([900, 20, 30]), Some(true)).unwrap();
        assert_eq!(live.after("")[0], 900, "{}", python.name);

        let undone = live.tuner(&dir).undo().unwrap();
        assert_eq!((undone.restored.len(), undone.changed_since.len()), (1, 0), "{}", python.name);
        let first = live.first.clone();
        assert_eq!(live.after(""), first, "{}", python.name);
        assert!(live.tuner(&dir).journal().unwrap().is_none(), "{}", python.name);
        println!("tuned: {}", python.name);
    }
}

#[test]
fn what_the_program_changed_since_is_left_alone() {
    for python in pythons() {
        let dir = tempfile::tempdir().unwrap();
        let mut live = Live::start(&python);
        live.tuner(&dir).set(Some([50_000, 20, 30]), None).unwrap();
        live.after("gc.set_threshold(1234, 5, 6)");
        let undone = live.tuner(&dir).undo().unwrap();
        assert_eq!((undone.restored.len(), undone.changed_since.len()), (0, 1), "{}", python.name);
        assert_eq!(live.after("")[..2], [1234, 5], "{}", python.name);
    }
}

#[test]
fn a_raised_threshold_really_makes_fewer_collections() {
    let work = "kept = [[] for _ in range(40000)]; del kept";
    for python in pythons() {
        let dir = tempfile::tempdir().unwrap();
        let mut live = Live::start(&python);
        let all = |live: &Live| -> u64 {
            live.interpreter.read().unwrap().generations.iter().map(|g| g.collections).sum()
        };
        let start = all(&live);
        live.after(work);
        let before = all(&live) - start;
        live.tuner(&dir).set(Some([1_000_000, 20, 30]), None).unwrap();
        let start = all(&live);
        live.after(work);
        assert!(before > 10, "{}: {before}", python.name);
        assert_eq!(all(&live) - start, 0, "{}", python.name);
    }
}

#[test]
fn subinterpreters_are_tuned_too() {
    let make = "
import gc, sys
try: import _interpreters as subs
except ImportError: import _xxsubinterpreters as subs
run = getattr(subs, 'run_string', None) or subs.exec
sub = subs.create()
run(sub, 'import gc; gc.set_threshold(801, 12, 14)')
print(1, flush=True)
for line in sys.stdin:
    run(sub, 'import gc; print(*gc.get_threshold(), flush=True)')
    print(*gc.get_threshold(), flush=True)
";
    for python in pythons().iter().filter(|p| p.minor() > (3, 8)) {
        let dir = tempfile::tempdir().unwrap();
        let mut target = Target::start(python, make);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let tuner = Tuner::new(&process, &interpreter, dir.path().to_owned());
        let before = tuner.set(Some([9000, 20, 30]), None).unwrap();
        assert_eq!(before.len(), 2, "{}", python.name);
        target.say("");
        for _ in 0..2 {
            assert_eq!(target.numbers::<i32>()[..2], [9000, 20], "{}", python.name);
        }
        assert_eq!(tuner.undo().unwrap().restored.len(), 2, "{}", python.name);
        target.say("");
        assert_eq!(target.numbers::<i32>()[..2], [801, 12], "{}", python.name);
    }
}

#[test]
fn freeze_runs_where_the_interpreter_can_and_is_refused_elsewhere() {
    let busy = "
import gc, sys, threading
kept = [[] for _ in range(10000)]
stop = []
print(1, flush=True)
t = threading.Thread(target=lambda: stop.append(sys.stdin.readline())); t.start()
while not stop: sum(range(1000))
print(gc.get_freeze_count(), int('_m5_script' in globals()), flush=True)
sys.stdin.read()
";
    for python in pythons() {
        let mut target = Target::start(&python, busy);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let tuner = Tuner::new(&process, &interpreter, dir.path().to_owned());
        let frozen = tuner.freeze(&|| true);
        if python.minor() < (3, 14) {
            assert!(matches!(frozen, Err(TuneError::NoRemote { .. })), "{}: {frozen:?}", python.name);
            continue;
        }
        let frozen = frozen.unwrap();
        assert!(frozen.before == 0 && frozen.after > 10_000, "{}: {frozen:?}", python.name);
        assert!(interpreter.frozen().unwrap(), "{}", python.name);
        assert!(tuner.journal().unwrap().unwrap().frozen);
        let thawed = tuner.unfreeze().unwrap();
        assert!(thawed.before > 10_000 && thawed.after == 0, "{}: {thawed:?}", python.name);
        assert!(!interpreter.frozen().unwrap(), "{}", python.name);
        assert!(tuner.journal().unwrap().is_none(), "all is as it was");
        // Asked to stop at once, it leaves nothing frozen; asked to stop once it is done, it takes it back.
        for early in [true, false] {
            let go_on = || !early && !interpreter.frozen().unwrap();
            let stopped = tuner.freeze(&go_on);
            assert!(matches!(stopped, Err(TuneError::Interrupted { .. })), "{}: {stopped:?}", python.name);
            assert!(!interpreter.frozen().unwrap() && tuner.journal().unwrap().is_none(), "{}", python.name);
        }
        tuner.freeze(&|| true).unwrap();
        assert!(tuner.journal().unwrap().unwrap().exchange.is_none(), "no folder is left");
        target.say("");
        let inside: Vec<u64> = target.numbers();
        assert!(inside[0] > 10_000 && inside[1] == 0, "{}: {inside:?}", python.name);
    }
}

#[test]
fn a_process_that_forbids_remote_debugging_is_left_alone() {
    for python in pythons().iter().filter(|p| p.minor() >= (3, 14)) {
        let mut command = python.command();
        command.args(["-X", "disable-remote-debug", "-c", PROGRAM]);
        let mut target = Target::spawn(command);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let refused = Tuner::new(&process, &interpreter, dir.path().to_owned()).freeze(&|| true);
        assert!(matches!(refused, Err(TuneError::RemoteDisabled { .. })), "{}: {refused:?}", python.name);
    }
}

/// Executes its own file anew for the line `again`; the new one has the settings that the old one began with.
const AGAIN: &str = "
import gc, os, sys
gc.set_threshold(701, 11, 13)
if len(sys.argv) > 2: gc.freeze()
def say(): print(*gc.get_threshold(), int(gc.isenabled()), int(gc.get_freeze_count() > 0), flush=True)
say()
for line in sys.stdin:
    if line == 'again\\n': os.execv(sys.executable, [sys.executable, '-I', '-u', '-c', sys.argv[1], sys.argv[1], 'x'])
    exec(line)
    say()
";

#[test]
fn what_is_executed_next_is_never_written_to() {
    for python in pythons() {
        let name = &python.name;
        let mut command = python.command();
        command.args(["-I", "-u", "-c", AGAIN, AGAIN]);
        let mut target = Target::spawn(command);
        let _: Vec<i32> = target.numbers();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let tuner = |i: &Interpreter| Tuner::new(&process, i, dir.path().to_owned());
        let old = tuner(&interpreter);
        let before = old.set(Some([50_000, 20, 30]), Some(false)).unwrap();
        if python.minor() >= (3, 14) {
            // A thread that waits for input runs the script once it has some.
            std::thread::scope(|scope| {
                let frozen = scope.spawn(|| old.freeze(&|| true));
                while !frozen.is_finished() {
                    target.say("pass");
                    let _: Vec<i32> = target.numbers();
                }
                frozen.join().unwrap().unwrap();
            });
        }
        target.say("again");
        let fresh: Vec<i32> = target.numbers();
        // Who looked at the old one writes nothing, and what was written down of it is void.
        for refused in [old.set(Some([1, 2, 3]), None).map(|_| ()), old.unfreeze().map(|_| ())] {
            let honest = matches!(refused, Err(TuneError::Replaced { .. } | TuneError::NoRemote { .. }));
            // Its memory is no more: that it cannot be read says so as well.
            assert!(honest || matches!(refused, Err(TuneError::Cpython(_))), "{name}: {refused:?}");
        }
        target.say("gc.set_threshold(50_000, 20, 30)");
        assert_eq!(target.numbers::<i32>()[0], 50_000, "{name}");
        let attached = Interpreter::attach(&process).unwrap();
        let undone = tuner(&attached).undo();
        assert!(matches!(undone, Err(TuneError::NothingToUndo { .. })), "{name}: {undone:?}");
        old.restore(&before).unwrap();
        target.say("gc.set_threshold(701, 11, 13)");
        assert_eq!(target.numbers::<i32>(), fresh, "{name}: its own settings, and frozen by itself");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{name}: nothing is left written down");
    }
}
