//! `m5 stalls`: how long each turn of the event loop takes, and what the long ones were doing.

use crate::args::{Format, Span, TargetArgs, forms, parse_ratio};
use crate::ctx::Ctx;
use crate::error::{CliError, of_kernel};
use crate::exit::Exit;
use crate::signals::Stop;
use clap::Args;
use m5_cpython::{Interpreter, PyFrame, PythonThreads};
use m5_gc::{TraceOptions, Tracer};
use m5_kernel::{LoopOptions, LoopWatch, Turn};
use m5_process::{Process, monotonic_ns};
use m5_report::stalls::{Collections, Gathering, Look, Seeing, chrome, prometheus, text};
use std::collections::HashMap;
use std::time::Duration;

/// A turn is looked at again when it has become longer by this share.
const AGAIN: u64 = 16;
/// How often it is asked whether threads without Python run some by now, nanoseconds.
const THREADS_NS: u64 = 50_000_000;

/// Arguments of `m5 stalls`.
#[derive(Debug, Args)]
#[command(after_help = "\
A turn lasts from the return of a wait (epoll, poll, select) to the next wait: the longest that a ready event has to \
wait. A thread that waits in epoll has no other waits: its polls and sleeps are part of the turn. Where the time of long \
turns went is told by the kernel (locks, system calls, waiting for a processor or for pages) and by the collections that \
were seen meanwhile; lines are what looks at long turns found. Needs CAP_BPF and CAP_PERFMON; up to four debug registers \
are used for the collections, and without one they are polled.

1: a turn was longer than --fail-above. 6: no loop was seen, or something was missed.")]
pub(crate) struct StallsArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to watch; Ctrl-C ends earlier and keeps what was seen
    #[arg(short, long, default_value = "1m", env = "M5_DURATION")]
    duration: Span,
    /// Turns longer than this are told one by one, with the stack in the middle of them
    #[arg(long, value_name = "TIME", default_value = "10ms")]
    above: Span,
    /// The most that watching may take of the target's time: half for turns, half for collections. Where seeing all of them
    /// would take more, they are watched in random windows, and the report says how much of the time that was
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_ratio, env = "M5_MAX_OVERHEAD")]
    max_overhead: f64,
    /// End with 1 where a turn was longer than this
    #[arg(long, value_name = "TIME")]
    fail_above: Option<Span>,
    /// Long turns to show
    #[arg(long, value_name = "N", default_value_t = 10, env = "M5_TOP")]
    top: usize,
    /// Print metrics for Prometheus (event_loop_turn_seconds) instead of a report
    #[arg(long, conflicts_with = "format")]
    prometheus: bool,
}

pub(crate) fn run(args: &StallsArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let format = ctx.format_among(forms::STALLS)?;
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    let mut watching = Watching::begin(&process, args)?;
    ctx.looked.whole()?;
    let stop = Stop::listen();
    let step = (args.above.0 / 4).clamp(Duration::from_millis(1), Duration::from_millis(20));
    let end = monotonic_ns().saturating_add(args.duration.0.as_nanos() as u64);
    let mut left = process.alive();
    while left && !stop.asked() && monotonic_ns() < end {
        std::thread::sleep(step);
        if ctx.looked.replaced_seconds().is_some() {
            break;
        }
        watching.take()?;
        left = ctx.looked.go_on();
    }
    let re_executed_seconds = ctx.looked.replaced_seconds();
    if re_executed_seconds.is_none() {
        watching.take()?;
        watching.take_unfinished();
    }
    let lost = watching.watch.lost().map_err(|e| of_kernel(process.pid(), e))?;
    let collections = watching.tracer.as_ref().map(|t| {
        let coverage = t.coverage();
        Collections { source: t.kind(), seen: coverage.seen(), happened: coverage.happened() }
    });
    let (coverage, overhead) = watching.watch.share();
    let seeing = Seeing { lost, coverage, overhead };
    let lengths = watching.watch.lengths();
    watching.look_at_threads(lengths.iter().map(|(tid, _)| *tid));
    let may_run = |tid| watching.python.may_run(tid);
    let mut doc = watching.gathering.finish(monotonic_ns(), &lengths, may_run, seeing, collections);
    doc.re_executed_seconds = re_executed_seconds;
    match format {
        _ if args.prometheus => ctx.emit(&prometheus(&doc))?,
        Format::Chrome => ctx.emit_document(true, &chrome(&doc), |_| String::new())?,
        _ => ctx.emit_document(format == Format::Json, &doc, |style| text(&doc, style))?,
    }
    let lengths = doc.threads.iter().map(|t| t.longest_s).chain(doc.turns.iter().map(|t| t.division.seconds));
    let longest = lengths.fold(0.0, f64::max);
    let none = doc.threads.is_empty() && doc.turns.is_empty();
    Ok(match args.fail_above {
        Some(limit) if longest > limit.0.as_secs_f64() => Exit::Missed,
        _ if none || doc.lost > 0 => Exit::Incomplete,
        _ => Exit::Fine,
    })
}

/// Ends of files whose functions run a loop.
const LOOPS: &[&str] = &[
    "/asyncio/base_events.py",
    "/asyncio/runners.py",
    "/tornado/ioloop.py",
    "/trio/_core/_run.py",
    "/eventlet/hubs/hub.py",
    "/gevent/hub.py",
    "/socketserver.py",
    "/uvloop/__init__.py",
];

/// Whether a thread with this stack runs a loop that is known.
fn runs_a_loop(stack: &[PyFrame]) -> bool {
    stack.iter().any(|frame| LOOPS.iter().any(|file| frame.file.ends_with(file)))
}

/// A process whose turns are watched.
struct Watching<'a> {
    process: &'a Process,
    interpreter: Interpreter,
    /// Threads of C libraries wait as loops do.
    python: PythonThreads,
    /// When threads were last looked at, CLOCK_MONOTONIC nanoseconds.
    threads_ns: u64,
    watch: LoopWatch,
    /// `None` where collections cannot be seen: the report says so.
    tracer: Option<Tracer>,
    above_ns: u64,
    /// The looks at each turn that lasts, by its thread and start.
    looks: HashMap<(i32, u64), Vec<Look>>,
    gathering: Gathering,
}

impl<'a> Watching<'a> {
    fn begin(process: &'a Process, args: &StallsArgs) -> Result<Self, CliError> {
        let interpreter = Interpreter::attach(process)?;
        let gil = interpreter.gil_address()?;
        let share = args.max_overhead / 2.0;
        let options = TraceOptions { max_overhead: Some(share), ..TraceOptions::default() };
        let told = || m5_agent::teller(process);
        let tracer = Tracer::attach_or_told(process, &interpreter, &options, &told).ok();
        let above_ns = args.above.0.as_nanos() as u64;
        let options = LoopOptions { gil, above_ns, max_overhead: share };
        let watch = LoopWatch::attach(process, &options).map_err(|e| of_kernel(process.pid(), e))?;
        for tid in process.threads().unwrap_or_default() {
            if interpreter.stack(process.pid(), tid).is_ok_and(|stack| runs_a_loop(&stack)) {
                watch.suppose(tid);
            }
        }
        let without_gil = interpreter.layout().free_threaded;
        let gathering =
            Gathering::new(process.pid(), monotonic_ns(), above_ns, args.top).without_gil(without_gil);
        let (python, looks) = (PythonThreads::default(), HashMap::new());
        Ok(Self { process, interpreter, python, threads_ns: 0, watch, tracer, above_ns, looks, gathering })
    }

    fn take(&mut self) -> Result<(), CliError> {
        // In this order: what lasts no more by now was written down before.
        let mut turning = self.turning();
        let ended = self.watch.drain().map_err(|e| of_kernel(self.process.pid(), e))?;
        self.look_at_threads(turning.iter().map(|(tid, _)| *tid).chain(ended.iter().map(|turn| turn.tid)));
        for turn in ended {
            turning.retain(|(tid, start)| (*tid, *start) != (turn.tid, turn.start_ns));
            self.tell(turn);
        }
        self.looks.retain(|turn, _| turning.contains(turn));
        self.look(&turning);
        let mut pauses = Vec::new();
        // A target that is gone is noticed by who called; what was seen stays.
        let _gone = self.tracer.as_mut().map(|t| t.drain(&mut pauses));
        let now = monotonic_ns();
        let open = turning.iter().map(|(_, start)| *start).fold(now, u64::min);
        self.gathering.pauses(&pauses, open);
        self.gathering.settle(now);
        Ok(())
    }

    /// What still lasts at the end of the watch, and is long by now.
    fn take_unfinished(&mut self) {
        let above_ns = self.above_ns;
        for turn in self.watch.unfinished().into_iter().filter(|turn| turn.duration_ns >= above_ns) {
            self.tell(turn);
        }
    }

    /// Takes a long turn, if it is Python's.
    fn tell(&mut self, turn: Turn) {
        let looks = self.looks.remove(&(turn.tid, turn.start_ns));
        if self.python.may_run(turn.tid) {
            self.gathering.turn(turn, looks.unwrap_or_default());
        }
    }

    /// Looks which of them run Python, if one of them was not looked at, or was seen without it a while ago: a runtime's own
    /// threads may call into Python for a moment only.
    fn look_at_threads(&mut self, mut tids: impl Iterator<Item = i32>) {
        let now = monotonic_ns();
        let due = now.saturating_sub(self.threads_ns) >= THREADS_NS;
        if tids.any(|tid| !self.python.knows(tid) || (due && !self.python.may_run(tid))) {
            self.threads_ns = now;
            // Of a target that is gone nothing more is learned.
            let _gone = self.python.look(self.process, &self.interpreter);
        }
    }

    /// The threads that are in a turn, and since when.
    fn turning(&self) -> Vec<(i32, u64)> {
        let threads = self.process.threads().unwrap_or_default();
        threads.into_iter().filter_map(|tid| Some((tid, self.watch.turning(tid)?))).collect()
    }

    /// Looks at the turns that have become long, again and again while they last.
    fn look(&mut self, turning: &[(i32, u64)]) {
        for &(tid, start_ns) in turning {
            let now = monotonic_ns();
            let since = self.looks.get(&(tid, start_ns)).and_then(|l| l.last()).map_or(start_ns, |l| l.at_ns);
            let covers_ns = now.saturating_sub(since);
            if covers_ns < (self.above_ns / 2).max(now.saturating_sub(start_ns) / AGAIN) {
                continue;
            }
            let look = Look {
                at_ns: now,
                covers_ns,
                collecting: self.interpreter.read().ok().map(|state| state.collecting),
                stack: self.interpreter.stack(self.process.pid(), tid).unwrap_or_default(),
            };
            // What was seen while it ended may be of the next one.
            if self.watch.turning(tid) == Some(start_ns) {
                self.looks.entry((tid, start_ns)).or_default().push(look);
            }
        }
    }
}
