//! What is seen and changed inside of the first Python of a run: pauses of its collector, and its settings.

use crate::tune::candidates::Collector;
use m5_cpython::Interpreter;
use m5_gc::tune::Tuner;
use m5_gc::{Pause, TraceOptions, Tracer};
use m5_process::Process;
use std::time::Instant;

/// The first Python in a tree of processes.
pub(super) struct Inside {
    root: i32,
    found: Option<(Process, Interpreter)>,
    tracer: Option<Tracer>,
    /// Seconds seen by generation.
    sums: [f64; 3],
    unlabelled: f64,
    change: Option<Collector>,
    warm_at: Instant,
    result: Option<Result<(), String>>,
}

impl Inside {
    /// Looks for it below a process; from `warm_at` on it is changed.
    pub(super) fn of(root: i32, change: Option<Collector>, warm_at: Instant) -> Self {
        Self {
            root,
            found: None,
            tracer: None,
            sums: [0.0; 3],
            unlabelled: 0.0,
            change,
            warm_at,
            result: None,
        }
    }

    /// To be called again and again.
    pub(super) fn look(&mut self) {
        if self.found.is_none() {
            self.find();
        }
        self.drain();
        if let (Some(change), None, Some((process, interpreter))) = (self.change, &self.result, &self.found)
            && Instant::now() >= self.warm_at
        {
            self.result = Some(apply(process, interpreter, change));
        }
    }

    fn find(&mut self) {
        let tree = std::iter::once(self.root).chain(Process::descendants(self.root).unwrap_or_default());
        let read = |pid: i32| {
            let process = Process::open(pid).ok()?;
            let interpreter = Interpreter::attach(&process).ok()?;
            // Before that it is starting still.
            interpreter.read().ok()?;
            Some((process, interpreter))
        };
        self.found = tree.into_iter().find_map(read);
        let options = TraceOptions { source: None, max_overhead: None, children: true };
        self.tracer = self.found.as_ref().and_then(|(p, i)| Tracer::attach(p, i, &options).ok());
    }

    fn drain(&mut self) {
        let mut pauses: Vec<Pause> = Vec::new();
        // What can no longer be read has ended; what was seen counts.
        if let Some(tracer) = &mut self.tracer {
            let _ = tracer.drain(&mut pauses);
        }
        for pause in pauses {
            let sum = pause.generation.and_then(|g| self.sums.get_mut(usize::from(g)));
            *sum.unwrap_or(&mut self.unlabelled) += pause.duration_ns as f64 / 1e9;
        }
    }

    /// All pauses together; those that were missed count as those of their generation that were seen.
    pub(super) fn pause_seconds(&mut self) -> Option<f64> {
        self.drain();
        let coverage = self.tracer.as_ref()?.coverage();
        let mut all = self.unlabelled;
        for (sum, generation) in self.sums.iter().zip(coverage.generations) {
            all += match (generation.seen, generation.happened) {
                (0, 0) => 0.0,
                // Nothing says how long they were.
                (0, _) => return None,
                (seen, happened) => sum * (happened.max(seen) as f64 / seen as f64),
            };
        }
        Some(all)
    }

    /// Whether what was to be changed was changed.
    pub(super) fn applied(&self) -> Result<(), String> {
        match (&self.change, &self.result) {
            (Some(_), None) => Err("it ended before it was warm (--warmup)".to_owned()),
            (_, Some(Err(reason))) => Err(reason.clone()),
            _ => Ok(()),
        }
    }
}

/// The process is ours and ends with the run: what was there before lies in a folder that goes at once.
fn apply(process: &Process, interpreter: &Interpreter, change: Collector) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let tuner = Tuner::new(process, interpreter, folder.path().to_owned());
    match change {
        Collector::Thresholds(thresholds) => {
            tuner.set(Some(thresholds), None).map(drop).map_err(|e| e.to_string())
        }
        Collector::Freeze => tuner.freeze(&|| true).map(drop).map_err(|e| e.to_string()),
    }
}
