//! The hands of the watchdog: a thread that carries actions out one after the other, so that a snapshot of one
//! process does not delay the look at another.

use super::Action;
use super::act::{Came, Outcome, act};
use super::event::Event;
use super::evidence::{prune, stem};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// What is to become of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is carried out.
    Act,
    /// It is handed to whoever supervises the command, in its turn.
    Supervisor,
    /// It is written down only, for this reason.
    Withheld(&'static str),
}

/// The actions of one rule that fired, in their order.
pub(super) struct Job {
    pub(super) event: Event,
    pub(super) actions: Vec<(Action, Decision)>,
}

/// What came of one action.
pub(super) struct Done {
    pub(super) rule: String,
    pub(super) process: String,
    pub(super) outcome: Outcome,
    /// The supervised command is to be restarted now.
    pub(super) restart: bool,
}

/// The thread and the ways to it.
pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts it.
    pub(super) fn start() -> Self {
        let (jobs, todo) = channel::<Job>();
        let (tell, done) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let halt = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("m5-act".into()).spawn(move || {
            for job in todo {
                let mut answers =
                    job.actions.iter().map(|(action, decision)| one(action, *decision, &job.event, &halt));
                if !answers.all(|answer| tell.send(answer).is_ok()) {
                    return;
                }
                make_room(&job).into_iter().for_each(|answer| drop(tell.send(answer)));
            }
        });
        Self { jobs: Some(jobs), done, stop, thread: thread.ok() }
    }

    /// Queues the actions of a rule.
    pub(super) fn give(&self, job: Job) {
        // It fails only when the thread could not be started; then `take` has nothing to tell either.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// What was done since the last call.
    pub(super) fn take(&self) -> Vec<Done> {
        self.done.try_iter().collect()
    }

    /// Lets the running action come to its end, within its grace, and none begin.
    pub(super) fn finish(&mut self) -> Vec<Done> {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.take()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Old evidence goes where the job may have left new.
fn make_room(job: &Job) -> Vec<Done> {
    let Job { event, actions } = job;
    if !actions.iter().any(|(action, decision)| action.is_evidence() && *decision == Decision::Act) {
        return Vec::new();
    }
    let told = |gone: Result<PathBuf, String>| match gone {
        Ok(path) => ("done", path.display().to_string()),
        Err(reason) => ("failed", reason),
    };
    let done = |(result, detail)| Done {
        rule: event.rule.clone(),
        process: event.process.clone(),
        outcome: Outcome { action: "prune", result, detail: Some(detail), given_bytes: None },
        restart: false,
    };
    prune(&event.evidence, event.keep, &stem(event)).into_iter().map(told).map(done).collect()
}

fn one(action: &Action, decision: Decision, event: &Event, stop: &AtomicBool) -> Done {
    let failed = |reason: String| ("failed", Came { detail: Some(reason), given_bytes: None });
    let (result, came) = match decision {
        Decision::Withheld(why) => (why, Came::default()),
        _ if stop.load(Ordering::Relaxed) => failed("m5 was stopped before".to_owned()),
        Decision::Supervisor => ("done", Came::default()),
        Decision::Act => act(action, event, stop).map_or_else(failed, |came| ("done", came)),
    };
    Done {
        rule: event.rule.clone(),
        process: event.process.clone(),
        outcome: Outcome {
            action: action.word(),
            result,
            detail: came.detail,
            given_bytes: came.given_bytes,
        },
        restart: decision == Decision::Supervisor && result == "done",
    }
}
