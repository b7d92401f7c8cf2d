//! Builds without the GIL: what other threads pay for a collection, against threads inside that look at the clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{attach, drain_until};
use m5_gc::{Detail, SourceKind, TraceOptions};
use m5_testkit::{Target, free_threaded_pythons};

/// Threads that do nothing but note when the clock jumped; collections of all three kinds, and some that free nothing.
const PROGRAM: &str = "
import gc, sys, threading, time
class Node: pass
kept = [[i] for i in range(50000)]
gc.disable()
over, begun = False, threading.Semaphore(0)
def tick(gaps, clock=time.monotonic_ns):
    last = clock()
    begun.release()
    while not over:
        now = clock()
        if now - last > 20000: gaps.append((last, now))
        last = now
    # It may have stood where it would next have looked.
    gaps.append((last, clock()))
gaps = [[] for _ in range(int(sys.argv[1]))]
tickers = [threading.Thread(target=tick, args=(g,)) for g in gaps]
for t in tickers: t.start()
for _ in tickers: begun.acquire()
print('ready', flush=True)
sys.stdin.readline()
done = []
for i in range(12):
    for _ in range(2000):
        a = Node(); a.me = a
    start = time.monotonic_ns()
    gc.collect(2 if i % 3 else 0)
    done.append((start, time.monotonic_ns()))
over = True
for t in tickers: t.join()
for start, end in done:
    stood = [sum(min(b, end) - max(a, start) for a, b in g if a < end and b > start) for g in gaps]
    print(start, end, min(stood), flush=True)
sys.stdin.readline()
";

#[test]
fn what_other_threads_pay_is_told_apart_from_the_collection() {
    // The kernel tells a write and the thread reads its clock at different moments.
    const SLACK: u64 = 200_000;
    for python in free_threaded_pythons() {
        for tickers in ["1", "4"] {
            let name = format!("{}, {tickers} tickers", python.name);
            let mut command = python.command();
            command.args(["-I", "-u", "-c", PROGRAM, tickers]);
            let mut target = Target::spawn(command);
            assert_eq!(target.line(), "ready", "{name}");
            let source = Some(SourceKind::Watchpoint);
            let mut tracer = attach(target.pid(), &TraceOptions { source, ..TraceOptions::default() });
            target.say("go");
            let mut pauses = Vec::new();
            let truth: Vec<Vec<u64>> =
                drain_until(&mut tracer, &mut pauses, || (0..12).map(|_| target.numbers()).collect());
            let mut details: Vec<Detail> = Vec::new();
            tracer.details(&mut details);
            assert_eq!(pauses.len(), truth.len(), "{name}: {:?}", tracer.coverage());
            let generations: Vec<Option<u8>> = pauses.iter().map(|p| p.generation).collect();
            let asked: Vec<Option<u8>> = (0..12).map(|i| Some(if i % 3 == 0 { 0 } else { 2 })).collect();
            assert_eq!(generations, asked, "{name}");
            for (pause, truth) in pauses.iter().zip(&truth) {
                let detail = details.iter().find(|d| d.start_ns == pause.start_ns).unwrap();
                let world = detail.world.unwrap();
                let waited = world.waited_ns.unwrap();
                let (begun, ended, stood) = (truth[0], truth[1], truth[2]);
                assert!(pause.start_ns >= begun && pause.start_ns <= ended, "{name}: {pause:?} {truth:?}");
                assert!(world.stops >= 1 && world.stood_ns > 0, "{name}: {world:?}");
                assert!(world.stood_ns + waited <= pause.duration_ns + SLACK, "{name}: {world:?} {pause:?}");
                assert!(world.stood_ns <= stood + SLACK, "{name}: {world:?}, the clock jumped by {stood} ns");
            }
        }
    }
}
