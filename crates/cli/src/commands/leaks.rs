//! `m5 leaks`: what each iteration of a workload keeps.

use crate::commands::bench_run::shown;
use crate::commands::snapshot::SpoolArgs;
use crate::ctx::Ctx;
use crate::error::{CliError, of_capture};
use crate::exit::Exit;
use crate::progress::Counter;
use clap::Args;
use m5_agent::runs::{Work, halting, iterate};
use m5_heap::{CaptureOptions, Redaction, Snapshot, take_snapshot};
use m5_process::Process;
use m5_report::doc::{Kept, LEAKS_SCHEMA, Leaks, Worker};
use m5_report::texts::Say;
use m5_stats::{LeakOutcome, LeakRule, leak_agreed};
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// Arguments of `m5 leaks`.
#[derive(Debug, Args)]
#[command(after_help = "\
The command is a Python command line: `python app.py …`, `python -m app …` or `python -c …`. m5 starts that \
interpreter with a few lines of its own, which run the program again and again in one process: one run of the \
script is one iteration (its imports stay, as in a service). With --call module:function the function is the \
iteration, and the command is only the interpreter. After the warm-up and after each of five chunks the garbage \
is collected and objects, blocks, bytes of malloc and anonymous memory are counted; what is kept must grow from chunk to chunk, in the last \
chunk too, in every process: it is regularity that tells a leak, not size. A leak, and what grew by too little to tell, is \
looked for again with more iterations; then two snapshots of one more process name what its iterations keep, and who holds it. \
What the interpreter caches for itself is emptied before each count, and what only fills a cache with a limit is undecided.

0: it keeps nothing. 1: it leaks. 6: undecided.")]
pub(crate) struct LeaksArgs {
    /// Iterations in a chunk; as many again warm up
    #[arg(short = 'n', long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    iterations: u64,
    /// Fresh processes that must agree
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=20))]
    processes: u64,
    /// Objects or blocks kept per iteration below which it is no leak [default: whatever goes on is one]
    #[arg(long, value_parser = positive)]
    per_iteration: Option<f64>,
    /// A function without arguments to call, instead of a script
    #[arg(long, value_name = "MODULE:FUNCTION")]
    call: Option<String>,
    #[command(flatten)]
    spool: SpoolArgs,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A leak that shows in chunks of so many iterations is one: caches of the standard library fill over some hundred.
const SURE: u64 = 500;
/// What grows by too little to tell is looked at in chunks of up to so many.
const MOST: u64 = 5_000;
/// A workload that took longer than this is not run five times as long to be sure.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where nothing grew, only so long is spent on more iterations: a leak may show once in a hundred of them.
const MOMENT: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &LeaksArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    // Not after minutes of iterations.
    args.spool.check()?;
    let per_iteration = args.per_iteration.unwrap_or_default();
    let rule = LeakRule { per_iteration, processes: args.processes as usize, ..LeakRule::default() };
    let work = Work::parse(&args.command, args.call.as_deref())?;
    let judged = judge(args, &work, &rule, ctx)?;
    let (kept, kept_unseen) = match judged.looked {
        Some(Ok(kept)) => (Some(kept), None),
        Some(Err(error)) => {
            let explained = error.explain(ctx.lang);
            let to_do = explained.remedies.iter().map(|remedy| format!("; {remedy}"));
            (None, Some(explained.message + &to_do.collect::<String>()))
        }
        None => (None, None),
    };
    let call = args.call.as_ref().map(|c| format!(" {c}")).unwrap_or_default();
    let leaks = Leaks {
        schema: LEAKS_SCHEMA.to_owned(),
        command: shown(&args.command) + &call,
        rule,
        iterations: judged.iterations,
        processes: judged.workers,
        leaking: judged.leaking,
        bounded: judged.bounded,
        kept,
        kept_unseen,
    };
    ctx.emit_document(json, &leaks, |style| m5_report::text::leaks(&leaks, style))?;
    Ok(match leaks.leaking {
        Some(true) => Exit::Missed,
        Some(false) => Exit::Fine,
        None => Exit::Incomplete,
    })
}

/// What came of it, with as many iterations as it took to tell.
struct Judged {
    iterations: u64,
    workers: Vec<Worker>,
    leaking: Option<bool>,
    /// It goes on, and all that grows has a limit.
    bounded: bool,
    looked: Option<Result<Kept, CliError>>,
}

fn judge(args: &LeaksArgs, work: &Work, rule: &LeakRule, ctx: &Ctx) -> Result<Judged, CliError> {
    let mut iterations = args.iterations;
    loop {
        let began = Instant::now();
        let workers = measure(work, iterations, rule, ctx)?;
        let took = began.elapsed();
        let leaking = leak_agreed(&workers.iter().map(|w| w.outcome).collect::<Vec<_>>(), rule);
        let unsettled = leaking.is_none() || workers.iter().any(|w| w.outcome.unsettled);
        if let Some(next) = more(iterations, took, leaking == Some(true), unsettled) {
            iterations = next;
            continue;
        }
        if leaking != Some(true) {
            return Ok(Judged { iterations, workers, leaking, bounded: false, looked: None });
        }
        let looked = look(args, work, enough(&workers, iterations, took), ctx);
        let bounded = looked.as_ref().is_ok_and(|(_, bounded)| *bounded);
        // What is full after more iterations grows no further.
        match bounded.then(|| more(iterations, took, false, true)).flatten() {
            Some(next) => iterations = next,
            None => {
                let (leaking, looked) = ((!bounded).then_some(true), Some(looked.map(|(kept, _)| kept)));
                return Ok(Judged { iterations, workers, leaking, bounded, looked });
            }
        }
    }
}

fn measure(work: &Work, iterations: u64, rule: &LeakRule, ctx: &Ctx) -> Result<Vec<Worker>, CliError> {
    let one = |number: usize| {
        if ctx.progress {
            ctx.note(
                Say::Iterating,
                &[&(number + 1), &rule.processes.max(number + 1), &iterations, &rule.chunks],
            );
        }
        let bar = Counter::new(ctx, rule.chunks + 1);
        iterate(work, iterations, rule, number, &mut |done| bar.set(done))
    };
    let mut workers = (0..rule.processes).map(one).collect::<Result<Vec<_>, _>>()?;
    // One says so and another does not: one more decides.
    let outcomes: Vec<LeakOutcome> = workers.iter().map(|w| w.outcome).collect();
    if leak_agreed(&outcomes, rule).is_none() && outcomes.iter().all(|o| o.leaking.is_some()) {
        workers.push(one(rule.processes)?);
    }
    Ok(workers)
}

/// How many iterations a chunk has when it is looked again; `None` when it is enough.
fn more(iterations: u64, took: Duration, leaking: bool, unsettled: bool) -> Option<u64> {
    let next = |most: u64| (iterations < most).then(|| (iterations * 5).min(most));
    let within = |next: &u64, patience: Duration| took.mul_f64(*next as f64 / iterations as f64) < patience;
    match (leaking, unsettled) {
        (true, _) => next(SURE).filter(|_| took <= PATIENCE),
        (false, true) => next(MOST).filter(|next| within(next, PATIENCE)),
        (false, false) => next(SURE).filter(|next| within(next, MOMENT)),
    }
}

/// Iterations between two snapshots in which so much is kept that it stands out, as far as that takes no longer than what
/// was measured already.
fn enough(workers: &[Worker], iterations: u64, took: Duration) -> u64 {
    const OBJECTS: f64 = 300.0;
    const BYTES: f64 = 65_536.0;
    const TIMES: u64 = 40;
    let most = |figures: [Option<f64>; 2]| figures.into_iter().flatten().fold(0.0, f64::max);
    let of = |worker: &Worker| {
        let o = &worker.outcome;
        let count = most([o.objects_per_iteration, o.blocks_per_iteration]) / OBJECTS;
        count.max(most([o.anon_bytes_per_iteration, o.native_bytes_per_iteration]) / BYTES)
    };
    // What stands out of one iteration, in shares of what is enough.
    let share = workers.iter().map(of).fold(0.0, f64::max);
    let wanted = if share > 0.0 { (1.0 / share).ceil() } else { f64::INFINITY };
    let each = took.as_secs_f64() / (workers.len() as u64 * iterations * 6) as f64;
    let patient = PATIENCE.as_secs_f64() / (3.0 * each.max(1e-9));
    (wanted.min(patient) as u64).clamp(iterations, iterations * TIMES)
}

/// Two snapshots of one more process, a chunk apart, after two chunks that warm up; and whether all that grew has a limit.
fn look(args: &LeaksArgs, work: &Work, iterations: u64, ctx: &Ctx) -> Result<(Kept, bool), CliError> {
    const CHUNKS: usize = 2;
    if ctx.progress {
        ctx.note(Say::LookingAtKept, &[&iterations]);
    }
    let bar = Counter::new(ctx, CHUNKS + 1);
    let mut taken = Vec::new();
    halting(work, iterations, CHUNKS, &mut |pid, done| {
        bar.set(done);
        if done >= CHUNKS {
            taken.push(snapshot(pid, &args.spool));
        }
    })?;
    let mut taken = taken.into_iter();
    let (Some(before), Some(after)) = (taken.next(), taken.next()) else { return Err(CliError::NoTarget) };
    let mut diff = m5_heap::diff(&before?, &after?);
    // An iteration takes as long as it takes: what counts is how often it ran.
    for culprit in &mut diff.culprits {
        (culprit.count_per_second, culprit.bytes_per_second) = (None, None);
    }
    diff.seconds = None;
    let bounded = diff.bounded();
    diff.culprits.truncate(20);
    diff.types.truncate(20);
    Ok((Kept { iterations, diff }, bounded))
}

fn snapshot(pid: i32, spool: &SpoolArgs) -> Result<Snapshot, CliError> {
    let process = Process::open(pid)?;
    spool.begin_for(&process)?;
    take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false))
        .map_err(|e| spool.lacking().unwrap_or_else(|| of_capture(pid, e)))
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err("must be above zero".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_again_as_long_as_that_may_tell() {
        let second = Duration::from_secs(1);
        // A leak is made sure of, and no more.
        assert_eq!(more(50, second, true, false), Some(250));
        assert_eq!(more(250, second, true, false), Some(500));
        assert_eq!(more(500, second, true, false), None);
        assert_eq!(more(50, 61 * second, true, false), None);
        // What grew by too little is followed further, where that takes no hour.
        assert_eq!(more(500, second, false, true), Some(2_500));
        assert_eq!(more(2_500, 5 * second, false, true), Some(5_000));
        assert_eq!(more(5_000, second, false, true), None);
        assert_eq!(more(500, 20 * second, false, true), None);
        // Nothing grew: more only where it takes a moment.
        assert_eq!(more(50, second / 10, false, false), Some(250));
        assert_eq!(more(50, 2 * second, false, false), None);
        assert_eq!(more(500, second / 10, false, false), None);
    }
}
