//! `m5 stalls`: how long each turn of the event loop takes, and what the long ones were doing.

use crate::args::{Span, TargetArgs};
use crate::ctx::Ctx;
use crate::error::{CliError, of_kernel};
use crate::exit::Exit;
use crate::signals::Stop;
use clap::Args;
use m5_cpython::{Interpreter, PyFrame};
use m5_kernel::LoopWatch;
use m5_process::{Process, monotonic_ns};
use m5_report::stalls::{STALLS_SCHEMA, Stalls, ThreadTurns, Turn, text};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::Duration;

/// Lengths of turns that are kept of each thread at most; from then on a fair sample of them is.
const MOST: usize = 1 << 20;

/// Arguments of `m5 stalls`.
#[derive(Debug, Args)]
#[command(after_help = "\
A turn lasts from the return of a wait (epoll, poll, select) to the next wait: the longest that a ready event has to
wait. Needs CAP_BPF and CAP_PERFMON.

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
    /// End with 1 where a turn was longer than this
    #[arg(long, value_name = "TIME")]
    fail_above: Option<Span>,
    /// Long turns to show
    #[arg(long, value_name = "N", default_value_t = 10, env = "M5_TOP")]
    top: usize,
}

/// What was seen in the middle of a turn.
struct Look {
    start_ns: u64,
    schedule: Option<[u64; 2]>,
    collecting: Option<bool>,
    stack: Vec<PyFrame>,
}

pub(crate) fn run(args: &StallsArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    let interpreter = Interpreter::attach(&process)?;
    let mut watch = LoopWatch::attach(&process).map_err(|e| of_kernel(process.pid(), e))?;
    let stop = Stop::listen();
    let mut seen = Seen::new(args.above.0, process.pid());
    let (began, step) =
        (monotonic_ns(), (args.above.0 / 4).clamp(Duration::from_millis(1), Duration::from_millis(20)));
    let end = began.saturating_add(args.duration.0.as_nanos() as u64);
    let mut left = process.alive();
    while left && !stop.asked() && monotonic_ns() < end {
        std::thread::sleep(step);
        seen.take(&mut watch, &process, &interpreter, began);
        left = process.alive();
    }
    let lost = watch.lost().map_err(|e| of_kernel(process.pid(), e))?;
    let doc = seen.finish((monotonic_ns() - began) as f64 / 1e9, lost, args.top);
    ctx.emit_document(json, &doc, |style| text(&doc, style))?;
    let longest = doc.threads.iter().map(|t| t.longest_s).fold(0.0, f64::max);
    Ok(match args.fail_above {
        Some(limit) if longest > limit.0.as_secs_f64() => Exit::Missed,
        _ if doc.threads.is_empty() || doc.lost > 0 => Exit::Incomplete,
        _ => Exit::Fine,
    })
}

struct Seen {
    pid: i32,
    above_ns: u64,
    lengths: BTreeMap<i32, (u64, Vec<u64>)>,
    looks: HashMap<i32, Look>,
    /// Where each thread's times stood at the last look around: when, running, waiting for a processor.
    schedules: HashMap<i32, (u64, [u64; 2])>,
    long: Vec<Turn>,
}

impl Seen {
    fn new(above: Duration, pid: i32) -> Self {
        Self {
            pid,
            above_ns: above.as_nanos() as u64,
            lengths: BTreeMap::new(),
            looks: HashMap::new(),
            schedules: HashMap::new(),
            long: Vec::new(),
        }
    }

    fn take(&mut self, watch: &mut LoopWatch, process: &Process, interpreter: &Interpreter, began: u64) {
        for turn in watch.drain() {
            let (count, lengths) = self.lengths.entry(turn.tid).or_default();
            *count += 1;
            // Beyond the bound every turn replaces one at a place that its own start scatters.
            match lengths.len() {
                n if n < MOST => lengths.push(turn.duration_ns),
                n => lengths[turn.start_ns as usize / 64 % n] = turn.duration_ns,
            }
            let look = self.looks.remove(&turn.tid).filter(|l| l.start_ns == turn.start_ns);
            if turn.duration_ns < self.above_ns {
                continue;
            }
            let after = schedule(self.pid, turn.tid);
            let spent = look.as_ref().and_then(|l| l.schedule).zip(after).map(|(before, after)| {
                [0, 1].map(|i| after[i].saturating_sub(before[i]).min(turn.duration_ns) as f64 / 1e9)
            });
            let (collecting, stack) = look.map_or((None, Vec::new()), |l| (l.collecting, l.stack));
            self.long.push(Turn {
                tid: turn.tid,
                at_s: turn.start_ns.saturating_sub(began) as f64 / 1e9,
                duration_s: turn.duration_ns as f64 / 1e9,
                running_s: spent.map(|s| s[0]),
                runnable_s: spent.map(|s| s[1]),
                collecting,
                stack,
            });
        }
        let now = monotonic_ns();
        let turning: Vec<(i32, u64)> = watch.turning().collect();
        for (tid, start_ns) in turning {
            let looked = self.looks.get(&tid).is_some_and(|l| l.start_ns == start_ns);
            let early = now.saturating_sub(start_ns) < self.above_ns / 2;
            if looked || early {
                continue;
            }
            // The times of before the turn, where they were taken shortly before it.
            let before = self.schedules.get(&tid).filter(|(at, _)| start_ns.abs_diff(*at) < self.above_ns);
            let look = Look {
                start_ns,
                schedule: before.map(|(_, s)| *s),
                collecting: interpreter.read().ok().map(|state| state.collecting),
                stack: interpreter.stack(self.pid, tid).unwrap_or_default(),
            };
            self.looks.insert(tid, look);
        }
        let tids = process.threads().unwrap_or_default();
        watch.keep(&tids);
        let loops: Vec<i32> = self.lengths.keys().copied().filter(|tid| tids.contains(tid)).collect();
        for tid in loops {
            // Only times of between turns, or of the very beginning of one, are of use.
            let fresh =
                watch.turning().all(|(t, start)| t != tid || now.saturating_sub(start) < self.above_ns / 2);
            if let Some(times) = fresh.then(|| schedule(self.pid, tid)).flatten() {
                self.schedules.insert(tid, (now, times));
            }
        }
    }

    fn finish(mut self, seconds: f64, lost: u64, top: usize) -> Stalls {
        let mut threads: Vec<ThreadTurns> = Vec::new();
        for (tid, (turns, mut lengths)) in self.lengths {
            lengths.sort_unstable();
            let at = |q: f64| {
                let i = ((lengths.len() as f64 * q).ceil() as usize).clamp(1, lengths.len());
                lengths[i - 1] as f64 / 1e9
            };
            let longest_s =
                self.long.iter().filter(|t| t.tid == tid).map(|t| t.duration_s).fold(at(1.0), f64::max);
            let [p50_s, p95_s, p99_s, p999_s] = [0.5, 0.95, 0.99, 0.999].map(at);
            threads.push(ThreadTurns { tid, turns, p50_s, p95_s, p99_s, p999_s, longest_s });
        }
        threads.sort_by_key(|t| std::cmp::Reverse(t.turns));
        let long = self.long.len() as u64;
        self.long.sort_by(|a, b| b.duration_s.total_cmp(&a.duration_s));
        self.long.truncate(top);
        Stalls {
            schema: STALLS_SCHEMA.to_owned(),
            pid: self.pid,
            seconds,
            above_s: self.above_ns as f64 / 1e9,
            lost,
            long,
            threads,
            turns: self.long,
        }
    }
}

/// Nanoseconds that a thread was on a processor, and waited for one.
fn schedule(pid: i32, tid: i32) -> Option<[u64; 2]> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    let mut words = text.split_whitespace().map(str::parse);
    Some([words.next()?.ok()?, words.next()?.ok()?])
}
