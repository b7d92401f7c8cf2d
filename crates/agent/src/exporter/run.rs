//! The loop: pauses drained several times a second, samples at fixed moments, discovery between them.

use super::{Published, families};
use crate::history::History;
use crate::objectives::ObjectivesByService;
use crate::otlp::Pusher;
use crate::pool::Pool;
use m5_report::metrics::Family;
use std::time::{Duration, Instant};

/// How to run.
#[derive(Debug, Clone)]
pub struct ExporterOptions {
    /// Time between samples.
    pub interval: Duration,
    /// Whether series carry the pid.
    pub with_pid: bool,
    /// What the page draws its lines from.
    pub objectives: ObjectivesByService,
}

/// Where samples go beside the pages and scrapes.
#[derive(Debug, Default)]
pub struct Sinks {
    /// Kept for weeks.
    pub history: Option<History>,
    /// Pushed to an OpenTelemetry receiver.
    pub otlp: Option<Pusher>,
}

impl Sinks {
    /// Takes a round of samples. What the sinks say of themselves comes back.
    fn round(&mut self, pool: &Pool) -> Vec<Family> {
        let mut said = Vec::new();
        if let Some(history) = &mut self.history {
            history.round(pool);
            said.extend(history.families());
        }
        if let Some(otlp) = &self.otlp {
            otlp.push(pool);
            said.extend(otlp.families());
        }
        said
    }
}

/// Time between two looks at the pauses.
const DRAIN: Duration = Duration::from_millis(200);
/// Time between two looks at anything, where nobody is listened to: each wakes a processor. A signal is seen at once.
const IDLE: Duration = Duration::from_secs(1);
/// Time between two looks for new processes.
const DISCOVER: Duration = Duration::from_secs(10);
/// For so many rounds of samples after it was asked for, a text is made anew before it is asked for again.
pub const ROUNDS_KEPT: u32 = 2;
/// Verdicts per round of samples; each costs milliseconds, so a thousand processes take turns.
const JUDGED: usize = 16;

/// Watches and publishes until `go_on` says no.
pub fn run(
    pool: &mut Pool,
    options: &ExporterOptions,
    published: &Published,
    sinks: &mut Sinks,
    go_on: &mut dyn FnMut(&Pool) -> bool,
) {
    let mut discovered: Option<Instant> = None;
    let mut sampled: Option<Instant> = None;
    let mut said = Vec::new();
    let due = |last: Option<Instant>, every: Duration| last.is_none_or(|at| at.elapsed() >= every);
    while go_on(pool) {
        if due(discovered, DISCOVER) {
            pool.refresh();
            discovered = Some(Instant::now());
        }
        match &mut sinks.history {
            Some(history) => pool.drain_heard(&mut |who, how, pause| history.on_pause(who, how, pause)),
            None => pool.drain(),
        }
        if due(sampled, options.interval) {
            sampled = Some(Instant::now());
            pool.sample(JUDGED);
            said = sinks.round(pool);
            published.outdate();
        }
        let all = || {
            let mut all = families(pool, options.with_pid);
            all.extend(said.iter().cloned());
            all
        };
        let page = || {
            let page = crate::page::live(pool, &options.objectives, options.interval);
            serde_json::to_string(&page).unwrap_or_default()
        };
        published.fill(options.interval * ROUNDS_KEPT, all, page);
        let until_sample = sampled.map_or(Duration::ZERO, |at| options.interval.saturating_sub(at.elapsed()));
        let most = if pool.listens() { DRAIN } else { IDLE };
        pool.nap(until_sample.min(most), published.bell());
    }
}
