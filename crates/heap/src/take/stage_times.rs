//! How long each stage took, on the clock and on the processors: a slow machine and a slow stage look alike
//! otherwise.
use std::time::Instant;

/// One stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageTime {
    /// Its name.
    pub stage: &'static str,
    /// Seconds on the clock.
    pub seconds: f64,
    /// Seconds of this process on all processors; what runs beside it in other threads counts too.
    pub cpu_seconds: f64,
}

/// Divides a run into stages.
#[derive(Debug)]
pub struct Stopwatch {
    since: Instant,
    cpu: f64,
    stages: Vec<StageTime>,
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self { since: Instant::now(), cpu: cpu(), stages: Vec::new() }
    }
}

impl Stopwatch {
    /// Ends a stage; the next one begins.
    pub fn lap(&mut self, stage: &'static str) {
        let (now, cpu) = (Instant::now(), cpu());
        let seconds = now.duration_since(self.since).as_secs_f64();
        self.stages.push(StageTime { stage, seconds, cpu_seconds: cpu - self.cpu });
        (self.since, self.cpu) = (now, cpu);
    }

    /// The stages so far.
    #[must_use]
    pub fn stages(&self) -> &[StageTime] {
        &self.stages
    }
}

fn cpu() -> f64 {
    m5_process::own_cpu_ns() as f64 / 1e9
}
