//! `m5 stress`: hours under load, checked every hour, resumable.

use crate::args::{Span, TargetArgs, parse_size};
use crate::commands::snapshot::CaptureArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::launch::Launched;
use crate::progress::Bar;
use crate::signals::Stop;
use crate::{documents, engine, objectives, output, target};
use clap::Args;
use m5_agent::stress::{Clock, Event, Options, SoakError};
use m5_agent::{command_name, service_name};
use m5_process::Process;
use m5_report::doc::{End, ObjectivesFrom, STRESS_SCHEMA, Stress, StressPlan};
use m5_report::text::{self, Style};
use m5_report::texts::{Record, Soak};
use m5_report::units;
use m5_stats::{Objectives, Verdict};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `m5 stress`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 1 if a check found an anomaly: growth over --max-growth an hour, or the verdict `growing` on \
memory or descriptors; a snapshot of the memory is then saved beside the test. It is 6 if the test was interrupted: the same \
command goes on with it. Growth counts from the first check on, so that warming up is none.

  m5 stress -p PID --duration 24h
  m5 stress --engine --accelerate -- --optimized     the reference engine, a day of ticks in minutes")]
pub(crate) struct StressArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    capture: CaptureArgs,
    /// Start the reference engine with its exchange; words after `--` are for it
    #[arg(long, conflicts_with_all = ["pid", "positional"])]
    engine: bool,
    /// How long, on the test's clock
    #[arg(short, long, default_value = "24h", env = "M5_DURATION")]
    duration: Span,
    /// Hours between checks
    #[arg(long, default_value_t = 1.0, value_parser = hours)]
    hours_per_check: f64,
    /// The reference engine's ticks without waiting: hours are then hours of its event time
    #[arg(long, requires = "engine", conflicts_with_all = ["pid", "positional"])]
    accelerate: bool,
    /// A file in which the target keeps its event time, as decimal seconds
    #[arg(long, value_name = "FILE")]
    clock: Option<PathBuf>,
    /// Growth of RSS an hour that is an anomaly
    #[arg(long, default_value = "2MB", value_parser = parse_size)]
    max_growth: u64,
    /// Where the test is kept, and resumed from
    #[arg(long, value_name = "FILE", default_value = "out/stress.json", env = "M5_SAVE")]
    save: PathBuf,
    /// Begin anew, whatever is kept there
    #[arg(long)]
    fresh: bool,
    /// Go on after an anomaly
    #[arg(long)]
    keep_going: bool,
}

pub(crate) fn run(args: &StressArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let objectives = objectives::objectives(ctx)?;
    let running = match args.engine || !args.target.command.is_empty() {
        true => None,
        false => Some(target::one(&args.target, ctx)?.0),
    };
    let (own, from) = objectives.of(&service(args, running.as_ref())?);
    let plan = plan(args, own);
    if let Some(folder) = args.save.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| output::failed(folder, &e))?;
    }
    output::check_writable(&args.save)?;
    let mut stress = resumed(args, plan)?.unwrap_or_else(|| fresh(plan));
    stress.objectives_from = from;
    let style = Style { lang: ctx.lang, color: ctx.color };
    if stress.done_seconds() > 0.0 {
        let done = units::span(stress.done_seconds());
        ctx.note(Soak::Resuming, &[&done, &units::span(plan.duration_seconds), &args.save.display()]);
    }
    let stop = Stop::listen();
    let (process, launched, clock) = start(args, &plan, stress.done_seconds(), running, ctx)?;
    let options = Options { interval: interval(&plan), keep_going: args.keep_going, clock };
    let bar = Bar::new(ctx, args.duration.0);
    let mut failed = None;
    let ran = m5_agent::stress::run(&mut stress, &process, &options, &mut |event| {
        match event {
            Event::Tick { done_seconds, rss_bytes } => bar.show_time(done_seconds, rss_bytes),
            Event::Check(check) => bar.say(&text::stress_check(check, &plan, style)),
            Event::Keep(stress) => failed = documents::save_any(&args.save, stress).err(),
        }
        failed.is_none() && !stop.asked()
    });
    bar.clear();
    if let Some(error) = failed {
        return Err(error);
    }
    ran.map_err(|error| match error {
        SoakError::Process(error) => error.into(),
        SoakError::NoClock(path) => CliError::NoClock { path: path.display().to_string() },
    })?;
    if stress.anomalous() && stress.snapshot.is_none() {
        stress.snapshot = snapshot(args, &process, ctx)?;
    }
    drop(launched);
    documents::save_any(&args.save, &stress)?;
    ctx.note(Record::Saved, &[&args.save.display()]);
    ctx.emit_document(json, &stress, |style| text::stress(&stress, style))?;
    Ok(exit(&stress))
}

fn plan(args: &StressArgs, objectives: &Objectives) -> StressPlan {
    StressPlan {
        duration_seconds: args.duration.0.as_secs_f64(),
        check_seconds: (args.hours_per_check * 3600.0).min(args.duration.0.as_secs_f64()),
        max_growth_bytes_per_hour: args.max_growth as f64,
        max_growth_24h_ratio: objectives.growth_24h_ratio.map(|o| o.pass),
        event_time: args.accelerate || args.clock.is_some(),
    }
}

/// What the target is called; a command that is yet to be started by what it will be.
fn service(args: &StressArgs, running: Option<&Process>) -> Result<String, CliError> {
    if let Some(process) = running {
        return Ok(service_name(process));
    }
    let command = match args.engine {
        true => engine::command(&args.save, 0.0, false, &[])?,
        false => args.target.command.clone(),
    };
    Ok(command_name(&command.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()))
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| "not a number of hours".to_owned())?;
    if hours.is_finite() && hours > 0.0 { Ok(hours) } else { Err("must be above zero".to_owned()) }
}

fn fresh(plan: StressPlan) -> Stress {
    Stress {
        schema: STRESS_SCHEMA.to_owned(),
        m5_version: env!("CARGO_PKG_VERSION").to_owned(),
        plan,
        objectives_from: ObjectivesFrom::default(),
        wall_seconds: 0.0,
        end: End::Interrupted,
        segments: Vec::new(),
        checks: Vec::new(),
        snapshot: None,
    }
}

/// What is kept of an interrupted test with the same plan; a test that is over is not gone on with.
fn resumed(args: &StressArgs, plan: StressPlan) -> Result<Option<Stress>, CliError> {
    if args.fresh || !args.save.is_file() {
        return Ok(None);
    }
    let kept = documents::read_stress(&args.save)?;
    if kept.end == End::Complete || kept.anomalous() {
        return Ok(None);
    }
    if kept.plan != plan {
        return Err(CliError::OtherPlan { path: args.save.display().to_string() });
    }
    Ok(Some(kept))
}

/// The process, the command that was started for it, and the clock.
fn start(
    args: &StressArgs,
    plan: &StressPlan,
    done_seconds: f64,
    running: Option<Process>,
    ctx: &Ctx,
) -> Result<(Process, Option<Launched>, Clock), CliError> {
    let events = |path: &Path| Clock::Events(path.to_path_buf());
    if !args.engine {
        let (process, launched) = match running {
            Some(process) => (process, None),
            None => target::one(&args.target, ctx)?,
        };
        return Ok((process, launched, args.clock.as_deref().map_or(Clock::Wall, events)));
    }
    let clock = args.clock.clone().unwrap_or_else(|| args.save.with_extension("clock"));
    let left = plan.duration_seconds - done_seconds;
    let command = engine::command(&clock, left, args.accelerate, &args.target.command)?;
    // What an earlier engine left there is not this one's time.
    let _ = std::fs::remove_file(&clock);
    let launched = Launched::start(&command, ctx)?;
    let process = launched.python()?;
    Ok((process, Some(launched), if plan.event_time { events(&clock) } else { Clock::Wall }))
}

/// Wall time between samples: event time runs hundreds of times as fast as the wall's.
fn interval(plan: &StressPlan) -> Duration {
    if plan.event_time {
        return Duration::from_millis(100);
    }
    Duration::from_secs_f64((plan.check_seconds / 120.0).clamp(0.1, 30.0))
}

/// Saves what is in memory, for `m5 snapshot --load`; where that may not be captured, what the kernel says; of a
/// process that is gone, nothing.
fn snapshot(args: &StressArgs, process: &Process, ctx: &Ctx) -> Result<Option<String>, CliError> {
    if let Ok(heap) = args.capture.take(process, ctx) {
        let path = args.save.with_extension("m5snap");
        m5_heap::save_snapshot(&heap, &path)
            .map_err(|e| CliError::Write { path: path.display().to_string(), reason: e.to_string() })?;
        return Ok(Some(path.display().to_string()));
    }
    let Ok(found) = m5_agent::process_snapshot(process) else { return Ok(None) };
    let path = args.save.with_extension("snapshot.json");
    documents::save_any(&path, &found)?;
    Ok(Some(path.display().to_string()))
}

fn exit(stress: &Stress) -> Exit {
    let verdict = stress.checks.last().map_or(Verdict::Insufficient, |c| c.verdict);
    match stress.end {
        _ if stress.anomalous() => Exit::Missed,
        End::TargetExited => Exit::Gone,
        End::Complete if verdict != Verdict::Insufficient => Exit::Fine,
        End::Complete | End::Interrupted => Exit::Incomplete,
    }
}
