//! The process that works: makes cyclic garbage at full speed, as much as it is told to.

use m5_testkit::Target;
use std::process::Command;

const PROGRAM: &str = r#"
import gc, resource, sys, time
class Node:
    __slots__ = ('me', '__weakref__')
kept = [Node() for _ in range(20000)]
every = 0
# Without a GIL 0 switches off that it waits for a quarter more objects, whatever the threshold.
old = 50 if getattr(sys, '_is_gil_enabled', lambda: True)() else 0
def work(n):
    while every and n > every:
        churn(every); time.sleep(0); time.sleep(1e-6); n -= every
    churn(n)
def churn(n):
    for _ in range(n):
        a = Node(); a.me = a
def switches():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_nvcsw + used.ru_nivcsw
def collections(): return sum(s['collections'] for s in gc.get_stats())
count = 0
def counting(phase, info):
    global count
    count += 1
log = []
def note(phase, info, log=log, clock=time.monotonic_ns):
    log.append((clock(), phase == 'start', info['generation']))
for line in sys.stdin:
    word, n = line.split()
    if word == 'threshold':
        gc.collect(); gc.set_threshold(int(n), old, 1000)
    elif word == 'every':
        every = int(n)
    elif word == 'callbacks':
        gc.callbacks[:] = {'0': [], 'count': [counting], 'note': [note]}[n]
        log.clear()
    elif word == 'work':
        before, rests, cpu = collections(), switches(), time.process_time()
        work(int(n))
        print(time.process_time() - cpu, collections() - before, switches() - rests, flush=True)
    elif word == 'log':
        print(len(log) // 2)
        for a, b in zip(log[::2], log[1::2]): print(a[0], b[0], a[2])
        sys.stdout.flush()
"#;

/// The process, by what it can be told.
pub(crate) struct Worker(Target);

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) cpu: f64,
    pub(crate) collections: u64,
    /// Times that it was taken off its processor, by itself or not.
    pub(crate) switches: u64,
}

impl Worker {
    pub(crate) fn start(python: &str) -> Self {
        let mut command = Command::new(python);
        command.args(["-I", "-u", "-c", PROGRAM]);
        Self(Target::spawn(command))
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.pid()
    }

    /// Objects that it makes in a CPU second.
    pub(crate) fn speed(&mut self) -> f64 {
        self.threshold(100_000);
        self.work(1_000_000);
        let work = 3_000_000;
        work as f64 / self.work(work).cpu
    }

    /// Collect after so many new objects.
    pub(crate) fn threshold(&mut self, objects: u64) {
        self.0.say(&format!("threshold {objects}"));
    }

    /// Rest for a moment after so many new objects; 0 never.
    pub(crate) fn rest_every(&mut self, objects: u64) {
        self.0.say(&format!("every {objects}"));
    }

    /// `0`, `count` or `note`.
    pub(crate) fn callbacks(&mut self, which: &str) {
        self.0.say(&format!("callbacks {which}"));
    }

    /// Works, and waits for the end of it.
    pub(crate) fn work(&mut self, objects: u64) -> Done {
        self.0.say(&format!("work {objects}"));
        let numbers: Vec<f64> = self.0.numbers();
        Done { cpu: numbers[0], collections: numbers[1] as u64, switches: numbers[2] as u64 }
    }

    /// Start, stop and generation of each collection since `note` was set.
    pub(crate) fn log(&mut self) -> Vec<[u64; 3]> {
        self.0.say("log 0");
        let count: Vec<usize> = self.0.numbers();
        (0..count[0]).map(|_| self.0.numbers::<u64>().try_into().expect("three numbers")).collect()
    }
}
