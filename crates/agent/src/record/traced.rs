//! The pauses of one process of a recording: its tracer, and what was seen and missed since the recording began.

use super::on_pause::OnPause;
use super::starts::Starts;
use crate::teller::teller;
use m5_cpython::Interpreter;
use m5_gc::{Choice, Coverage, Detail, InterpreterCollections, Pause, TraceOptions, Tracer};
use m5_process::Process;
use m5_report::doc::{LongPauses, PauseLog};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// How the pauses of a member are traced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracing {
    pub(super) options: TraceOptions,
    pub(super) stacks_above: Option<Duration>,
}

/// The tracer of a process, one after another where it executes programs anew.
pub(super) struct Traced {
    tracing: Option<Tracing>,
    tracer: Option<Tracer>,
    /// The stacks at which collections began, where they are wanted and the kernel tells them.
    starts: Option<Starts>,
    /// What the tracers before this one saw and missed, and what this one did before the recording began.
    earlier: Coverage,
    before: Coverage,
    counted_before: Vec<InterpreterCollections>,
    drained: Vec<Pause>,
    details: Vec<Detail>,
}

impl Traced {
    /// Nothing yet; nothing ever where it is not to be traced.
    pub(super) fn new(tracing: Option<Tracing>) -> Self {
        let (earlier, before) = (Coverage::default(), Coverage::default());
        let (counted_before, drained, details) = (Vec::new(), Vec::new(), Vec::new());
        Self { tracing, tracer: None, starts: None, earlier, before, counted_before, drained, details }
    }

    /// How often pauses have to be taken, where they are traced.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.tracer.as_ref().map(Tracer::interval)
    }

    /// What becomes readable long before anything could be lost; none where it may be lost before.
    pub(super) fn wakers(&self) -> Vec<BorrowedFd<'_>> {
        self.tracer.as_ref().map(Tracer::wakers).unwrap_or_default()
    }

    /// Traces an interpreter that was found.
    pub(super) fn attach(
        &mut self,
        process: &Process,
        interpreter: &Interpreter,
        log: &mut Option<PauseLog>,
    ) {
        let Some(tracing) = &self.tracing else { return };
        let mut options = tracing.options;
        if tracing.stacks_above.is_some() {
            // Half of what may be spent is for the stacks.
            options.max_overhead = options.max_overhead.map(|share| share / 2.0);
        }
        let told = || teller(process);
        if let Ok(mut tracer) = Tracer::attach_or_told(process, interpreter, &options, &told) {
            let log = log.get_or_insert_with(|| PauseLog::new(tracer.kind()));
            log.choice = Some(tracer.choice().clone());
            (self.earlier, self.before) = (log.coverage, Coverage::default());
            self.counted_before = Vec::new();
            if let Some(limit) = tracing.stacks_above {
                tracer.stacks_above(limit);
                let long = log.long.get_or_insert_with(|| LongPauses::above(limit));
                // After the tracer: it needs its registers more.
                let tells = matches!(tracer.choice(), Choice::Counters { .. });
                if !tells {
                    match Starts::attach(process, options.max_overhead.unwrap_or(1.0)) {
                        Ok(starts) => self.starts = Some(starts),
                        Err(error) => long.stacks_read = Some(error.to_string()),
                    }
                }
            }
            self.tracer = Some(tracer);
        }
    }

    /// The interpreter is gone.
    pub(super) fn detach(&mut self) {
        (self.tracer, self.starts) = (None, None);
    }

    /// The recording begins: what ended before is no part of it, seen or not.
    pub(super) fn begin(&mut self) {
        let Some(tracer) = &mut self.tracer else { return };
        // A target that has gone says so at the next call.
        let _ = tracer.drain(&mut self.drained);
        tracer.details(&mut self.details);
        self.drained.clear();
        self.details.clear();
        (self.before, self.counted_before) = (tracer.coverage(), tracer.interpreters());
    }

    /// Takes the pauses that ended since the last call into the log of a recording that began then.
    pub(super) fn drain(
        &mut self,
        log: &mut PauseLog,
        interpreter: Option<&Interpreter>,
        begin_ns: u64,
        on_pause: &mut OnPause<'_>,
    ) {
        let Some(tracer) = &mut self.tracer else { return };
        let drained = tracer.drain(&mut self.drained);
        self.details.clear();
        tracer.details(&mut self.details);
        if let Some(starts) = &mut self.starts {
            starts.tell(&self.drained, &mut self.details);
        }
        for pause in self.drained.drain(..) {
            log.push(&pause, begin_ns);
            let detail = detail(&self.details, &pause);
            if let Some(stops) = detail.and_then(|d| d.world) {
                log.world.get_or_insert_default().push(&stops);
            }
            if let Some(long) = log.long.as_mut().filter(|l| l.holds(&pause)) {
                let lived = interpreter.and_then(|i| survivors(i, &pause));
                long.push(&pause, detail, lived, begin_ns);
            }
            on_pause(&pause, detail);
        }
        // A watch may have been given up meanwhile, for a reason.
        if log.choice.as_ref() != Some(tracer.choice()) {
            log.choice = Some(tracer.choice().clone());
        }
        log.source = tracer.kind();
        log.coverage = self.earlier.plus(&tracer.coverage().since(&self.before));
        let mut counted = tracer.interpreters();
        for row in &mut counted {
            let before = self.counted_before.iter().find(|b| b.interpreter == row.interpreter);
            let before = before.map_or([0; 3], |b| b.happened);
            row.happened = [0, 1, 2].map(|g| row.happened[g].saturating_sub(before[g]));
        }
        log.count(&counted);
        if drained.is_err() {
            (self.tracer, self.starts) = (None, None);
        }
    }
}

/// What more is known of a pause.
fn detail<'a>(details: &'a [Detail], pause: &Pause) -> Option<&'a Detail> {
    details.iter().find(|d| (d.pid, d.start_ns) == (pause.pid, pause.start_ns))
}

/// What a full collection left, read right after it; with several interpreters it could be another's.
fn survivors(interpreter: &Interpreter, pause: &Pause) -> Option<u64> {
    let alone = pause.generation == Some(2) && interpreter.all().is_ok_and(|all| all.len() == 1);
    alone.then(|| interpreter.population().ok()?.long_lived).flatten()
}
