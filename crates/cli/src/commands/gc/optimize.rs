//! `m5 gc --optimize`: announces what is set, shows how far it is, and hands the rest to the engine.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::progress::Bar;
use m5_agent::record::RecordOptions;
use m5_agent::tuning::{Step, TuneOptions};
use m5_cpython::Interpreter;
use m5_gc::tune::{Limits, Tuner, Window};
use m5_process::Process;
use m5_report::doc::Optimization;
use m5_report::texts::Gc;
use m5_report::units;

/// How to try.
pub(super) struct Plan {
    /// How to measure.
    pub(super) options: RecordOptions,
    /// What a change may cost.
    pub(super) limits: Limits,
    /// Whether to leave what helped.
    pub(super) keep: bool,
}

/// What is tuned.
pub(super) struct Target<'a> {
    /// The process.
    pub(super) process: &'a Process,
    /// Its main interpreter.
    pub(super) interpreter: &'a Interpreter,
    /// What writes.
    pub(super) tuner: &'a Tuner,
}

pub(super) fn run(
    target: &Target<'_>,
    before: &Window,
    plan: &Plan,
    ctx: &Ctx,
    ended: &dyn Fn() -> bool,
) -> Result<Optimization, CliError> {
    let options = TuneOptions { record: plan.options.clone(), limits: plan.limits, keep: plan.keep };
    let pid = target.process.pid();
    let bar = Bar::new(ctx, plan.options.duration);
    let mut say = |step| match step {
        Step::Set { from, to } => {
            ctx.note(Gc::Announce, &[&pid, &to, &from]);
            ctx.note(Gc::Measuring, &[&units::span(plan.options.duration.as_secs_f64())]);
        }
    };
    let mut go_on = |progress: &_| {
        bar.show(progress);
        !ended()
    };
    let (process, interpreter) = (target.process, target.interpreter);
    let tried = m5_agent::tuning::optimize(
        process,
        interpreter,
        target.tuner,
        before,
        &options,
        &mut say,
        &mut go_on,
    );
    bar.clear();
    Ok(tried?)
}
