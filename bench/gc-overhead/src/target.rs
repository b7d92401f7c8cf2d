//! The process that works: makes cyclic garbage at full speed, as much as it is told to.

use m5_testkit::Target;
use std::process::Command;

const PROGRAM: &str = r#"
import gc, resource, sys, time
class Node:
    __slots__ = ('me', '__weakref__')
kept = [Node() for _ in range(20000)]
every = spin = 0
# Without a GIL 0 switches off that it waits for a quarter more objects, whatever the threshold.
old = 50 if getattr(sys, '_is_gil_enabled', lambda: True)() else 0
def work(n):
    while every and n > every:
        churn(every); time.sleep(0); time.sleep(1e-6); n -= every
    churn(n)
def churn(n):
    for _ in range(n // 10):
        for _ in range(10):
            a = Node(); a.me = a
        for _ in range(spin): pass
def switches():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_nvcsw + used.ru_nivcsw
def collections(): return sum(s['collections'] for s in gc.get_stats())
count = 0
def counting(phase, info):
    global count
    count += 1
for line in sys.stdin:
    word, n = line.split()
    if word == 'threshold':
        gc.collect(); gc.set_threshold(int(n), old, 1000)
    elif word == 'every':
        every = int(n)
    elif word == 'spin':
        spin = int(n)
    elif word == 'callbacks':
        gc.callbacks[:] = {'0': [], 'count': [counting]}[n]
    elif word == 'work':
        before, rests, cpu = collections(), switches(), time.process_time()
        work(int(n))
        print(time.process_time() - cpu, collections() - before, switches() - rests, flush=True)
"#;

/// New objects from one collection to the next: few, for what they take of the caches would be noise.
const OBJECTS: u64 = 1000;
/// What it calculates between them at first, how often that is set right, and collections that tell what is right.
const FIRST: u64 = 100;
const TRIES: u32 = 2;
const SEEN: u64 = 30;

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

    /// Collect so often a CPU second, a few objects at a time: how long it calculates between is found by trying. Returns the
    /// objects that it makes in a CPU second.
    pub(crate) fn collect_at(&mut self, rate: f64) -> f64 {
        self.rest_every(0);
        self.0.say(&format!("threshold {OBJECTS}"));
        let nothing = self.each(0);
        let mut spin = FIRST;
        for _ in 0..TRIES {
            let more = (self.each(spin) - nothing) / spin as f64;
            spin = ((1.0 / rate - nothing) / more).round().max(1.0) as u64;
        }
        OBJECTS as f64 / self.each(spin)
    }

    /// CPU seconds from one collection to the next with so much to calculate between.
    fn each(&mut self, spin: u64) -> f64 {
        self.0.say(&format!("spin {spin}"));
        let done = self.work(SEEN * OBJECTS);
        done.cpu / done.collections.max(1) as f64
    }

    /// Rest for a moment after so many new objects; 0 never.
    pub(crate) fn rest_every(&mut self, objects: u64) {
        self.0.say(&format!("every {objects}"));
    }

    /// `0` or `count`.
    pub(crate) fn callbacks(&mut self, which: &str) {
        self.0.say(&format!("callbacks {which}"));
    }

    /// Works, and waits for the end of it.
    pub(crate) fn work(&mut self, objects: u64) -> Done {
        self.0.say(&format!("work {objects}"));
        let numbers: Vec<f64> = self.0.numbers();
        Done { cpu: numbers[0], collections: numbers[1] as u64, switches: numbers[2] as u64 }
    }
}
