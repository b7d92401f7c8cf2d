//! `m5 gc`: watch for a while, then say what collections cost; with `--optimize`, what can be done about it.

use super::{GcArgs, live, optimize, settings};
use crate::args::{Format, forms};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::Bar;
use crate::signals::Stop;
use crate::{objectives, output, page, target};
use m5_agent::record::{RecordOptions, record_heard};
use m5_agent::tuning::window;
use m5_cpython::Confidence;
use m5_gc::tune::{Limits, Settings, Tuner, findings, journal_dir};
use m5_report::doc::{End, GcReport};
use m5_report::texts::Gc;
use m5_stats::{Objectives, Status};
use std::time::Duration;

pub(super) fn run(args: &GcArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let format = ctx.format_among(forms::GC)?;
    let objectives = objectives::objectives(ctx)?;
    if let Some(path) = &args.html {
        output::check_writable(path)?;
    }
    let mut live = live::Live::new(args, ctx)?;
    let stop = Stop::listen();
    let (process, launched) = target::one(&args.target, ctx)?;
    let interpreter = settings::attach(&process)?;
    if interpreter.confidence() == Confidence::Fallback {
        let version = m5_agent::record::version(&process, &interpreter);
        ctx.note(Gc::UnknownBuild, &[&version, &interpreter.layout().name]);
    }
    let tuner = Tuner::new(&process, &interpreter, journal_dir());
    if args.freeze {
        let frozen = settings::freeze_now(&process, &tuner, ctx)?;
        ctx.note(Gc::FrozenNow, &[&frozen.after, &frozen.before]);
    }
    if args.optimize {
        tuner.ready()?;
    }
    let before = tuner.show()?;
    live.begin(&process, &interpreter, ctx)?;
    let options = record_options(args);
    let bar = Bar::new(ctx, args.duration.0);
    let ended = || stop.asked() || launched.as_ref().is_some_and(|l| l.ended());
    let recorded = record_heard(
        std::slice::from_ref(&process),
        &options,
        &mut |pause, detail| live.pause(pause, detail),
        &mut |progress| {
            bar.show(progress);
            ctx.looked.begun() && !ended()
        },
    );
    bar.clear();
    ctx.looked.recorded()?;
    let mut recorded = recorded?;
    m5_agent::derive::complete(&mut recorded, &objectives);
    live.end()?;
    let mut page = args.html.as_ref().map(|path| (path, m5_agent::page::saved(&recorded, &objectives)));
    let record = recorded.processes.into_iter().next().ok_or(CliError::EndedEarly)?;
    let long_lived = record.re_executed_seconds.is_none().then(|| interpreter.population().ok()).flatten();
    let long_lived = long_lived.and_then(|p| p.long_lived);
    let main = before.first().map_or(Settings { thresholds: [0; 3], enabled: false }, |s| s.settings);
    let limits = limits(args, objectives.of_record(&record).0);
    let seen = window(&record, &recorded.recorded, main, long_lived);
    let report = GcReport::of(record, recorded.recorded, interpreter.layout().collector, before);
    let mut report = report.ok_or(CliError::EndedEarly)?;
    report.long_lived_objects = long_lived;
    report.findings = seen.as_ref().map(|w| findings(w, &limits)).unwrap_or_default();
    let goes_on = !report.exited && report.re_executed_seconds.is_none();
    if let (true, Some(seen)) = (args.optimize && !ended() && goes_on, &seen) {
        let plan = optimize::Plan { options, limits, keep: args.keep };
        let target = optimize::Target { process: &process, interpreter: &interpreter, tuner: &tuner };
        report.optimization = Some(optimize::run(&target, seen, &plan, ctx, &ended)?);
    }
    drop(launched);
    if let Some((path, page)) = &mut page {
        if let Some(process) = page.processes.first_mut() {
            process.advice.extend(m5_report::text::finding_lines(&report));
        }
        page::save(path, page, ctx)?;
    }
    emit(&report, format, ctx)?;
    Ok(exit(&report, !args.target.command.is_empty()))
}

/// While settings are tried more may be spent: a verdict needs the rare, long pauses too.
const TRIAL_OVERHEAD: f64 = 0.1;

fn record_options(args: &GcArgs) -> RecordOptions {
    // Memory is read a few hundred times, however short or long the watching.
    let interval = (args.duration.0 / 300).clamp(Duration::from_millis(100), Duration::from_secs(1));
    RecordOptions {
        duration: args.duration.0,
        interval,
        children: false,
        pauses: Some(true),
        max_overhead: Some(args.max_overhead.max(if args.optimize { TRIAL_OVERHEAD } else { 0.0 })),
        stacks_above: args.stacks.map(|limit| limit.0),
        workload: None,
    }
}

fn limits(args: &GcArgs, objectives: &Objectives) -> Limits {
    let usual = Limits::default();
    let p95_objective = objectives.gc_pause_p95_seconds.map_or(usual.p95_objective, |o| o.pass);
    Limits { max_rss: args.max_rss, p95_objective, ..usual }
}

fn emit(report: &GcReport, format: Format, ctx: &Ctx) -> Result<(), CliError> {
    match format {
        Format::Chrome => ctx.emit_document(true, &m5_report::chrome_trace(report), |_| String::new()),
        format => ctx
            .emit_document(format == Format::Json, report, |style| m5_report::text::gc_report(report, style)),
    }
}

/// An objective that is missed is told by the code; pauses that could not be seen make it incomplete.
fn exit(report: &GcReport, launched: bool) -> Exit {
    if report.recorded.end == End::TargetExited && report.timeline.is_empty() {
        return Exit::Gone;
    }
    let any = |of: &[Status]| report.objectives.iter().any(|c| of.contains(&c.status));
    match report.gc.source {
        _ if any(&[Status::Warn, Status::Fail]) => Exit::Missed,
        None => Exit::Incomplete,
        Some(_) if report.optimization.as_ref().is_some_and(|o| o.interrupted) => Exit::Incomplete,
        // A command that m5 started itself may end when it is done.
        Some(_) if report.recorded.end == End::TargetExited && !launched => Exit::Incomplete,
        Some(_) => Exit::Fine,
    }
}
