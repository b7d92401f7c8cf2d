//! The ways of knowing about collections that are compared.

use crate::target::Worker;
use m5_cpython::Interpreter;
use m5_gc::{SourceKind, TraceOptions, Tracer};
use m5_process::Process;
use std::sync::atomic::{AtomicBool, Ordering};

/// A way of knowing, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// The plain run once more: the noise
    Nothing,
    /// m5 within its default budget
    Budget,
    /// m5 without one
    Unlimited,
    /// A callback of the target's own
    Callbacks,
    /// m5 reading the flag a thousand times a second
    Poll,
}

/// The default budget.
const SHARE: f64 = 0.01;

/// Two runs of the worker one after the other and what was seen of them.
pub(crate) struct Run {
    /// CPU seconds of both.
    pub(crate) cpu: f64,
    pub(crate) coverage: Option<f64>,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing (noise)",
            Self::Budget => "m5, budget 1 %",
            Self::Unlimited => "m5, no budget",
            Self::Callbacks => "gc.callbacks",
            Self::Poll => "poll at 1 kHz",
        }
    }

    fn options(self) -> Option<TraceOptions> {
        let options = TraceOptions::default();
        match self {
            Self::Nothing | Self::Callbacks => None,
            Self::Budget => Some(TraceOptions { max_overhead: Some(SHARE), ..options }),
            Self::Unlimited => Some(options),
            Self::Poll => Some(TraceOptions { source: Some(SourceKind::Poll), ..options }),
        }
    }

    /// Lets the worker work while it is watched in this way, after as much work as the watch takes to find its pace.
    pub(crate) fn run(self, worker: &mut Worker, work: u64) -> Run {
        let twice = |worker: &mut Worker| (0..2).map(|_| worker.work(work).cpu).sum();
        let Some(options) = self.options() else {
            worker.callbacks(if self == Self::Callbacks { "count" } else { "0" });
            worker.work(work);
            let cpu = twice(worker);
            worker.callbacks("0");
            return Run { cpu, coverage: None };
        };
        let process = Process::open(worker.pid()).expect("the worker lives");
        let interpreter = Interpreter::attach(&process).expect("a CPython that m5 knows");
        let mut tracer = Tracer::attach(&process, &interpreter, &options).expect("traced");
        let ended = AtomicBool::new(false);
        let cpu = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut pauses = Vec::new();
                while !ended.load(Ordering::Acquire) {
                    std::thread::sleep(tracer.interval());
                    pauses.clear();
                    tracer.drain(&mut pauses).expect("the worker lives");
                }
            });
            worker.work(work);
            let cpu = twice(worker);
            ended.store(true, Ordering::Release);
            cpu
        });
        Run { cpu, coverage: tracer.coverage().ratio() }
    }
}
