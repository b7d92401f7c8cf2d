//! The watchdog's round: read, step the rules, act on what fired, write it down.

use super::event::Event;
use super::journal::Key;
use super::worker::{Decision, Done, Job, Worker};
use super::{Action, Change, Journal, Keep, Outcome, Quiet, Rule, RuleState};
use crate::pool::{Member, Pool};
use m5_process::{monotonic_ns, unix_ns};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a settings file says.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The rules.
    pub rules: Vec<Rule>,
    /// When not to disturb.
    pub quiet: Vec<Quiet>,
    /// Whether signals and restarts are really sent.
    pub kills: bool,
    /// Where snapshots and profiles go.
    pub evidence: PathBuf,
    /// How much of it stays.
    pub keep: Keep,
    /// The systemd unit that `restart` restarts.
    pub unit: Option<String>,
}

/// A running watchdog.
pub struct Watchdog {
    settings: Settings,
    states: BTreeMap<Key, RuleState>,
    remembered: BTreeMap<Key, RuleState>,
    journal: Journal,
    worker: Worker,
    clock: Steady,
    /// Set when a rule asks for the supervised command to be restarted; whoever supervises it takes it.
    pub restart_asked: bool,
}

impl Watchdog {
    /// Starts with what the journal remembers.
    #[must_use]
    pub fn new(settings: Settings, mut journal: Journal) -> Self {
        let remembered = journal.remembered();
        let rules: Vec<&str> = settings.rules.iter().map(|r| r.name.as_str()).collect();
        journal.write(now(), "start", json!({"rules": rules, "kills": settings.kills}));
        Self {
            settings,
            states: BTreeMap::new(),
            remembered,
            journal,
            worker: Worker::start(),
            clock: Steady::start(),
            restart_asked: false,
        }
    }

    /// Takes new settings; what is known of rules that keep their name stays.
    pub fn reload(&mut self, settings: Settings) {
        self.journal.write(now(), "reload", json!({"rules": settings.rules.len()}));
        self.settings = settings;
    }

    /// Writes something down.
    pub fn note(&mut self, event: &str, values: Value) {
        self.journal.write(now(), event, values);
    }

    /// Lines of the journal that could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.journal.lost
    }

    /// Steps every rule on every watched process. What its actions come to is told by [`Watchdog::done`].
    pub fn round(&mut self, pool: &Pool) {
        let rules = self.settings.rules.clone();
        let mut alive: Vec<String> = Vec::new();
        for member in pool.members() {
            let process = format!("{}/{}", member.service(), member.slot());
            for rule in &rules {
                self.look(rule, member, &process);
            }
            alive.push(process);
        }
        // A process that went takes its rules' states along; its successor starts afresh, but cooled down.
        self.states.retain(|(_, process), _| alive.contains(process));
    }

    /// What was done since the last call, for the person; it stands in the journal then.
    pub fn done(&mut self) -> Vec<(String, Outcome)> {
        let done = self.worker.take();
        self.write_down(done)
    }

    /// Ends it: the action that runs comes to its end or is stopped after a grace; none begins.
    pub fn finish(&mut self) -> Vec<(String, Outcome)> {
        let done = self.worker.finish();
        self.write_down(done)
    }

    fn write_down(&mut self, done: Vec<Done>) -> Vec<(String, Outcome)> {
        let mut told = Vec::new();
        for Done { rule, process, outcome, restart } in done {
            self.journal.write(now(), "action", json!({"for": rule, "of": process, "outcome": outcome}));
            self.restart_asked |= restart;
            told.push((rule, outcome));
        }
        told
    }

    fn look(&mut self, rule: &Rule, member: &Member, process: &str) {
        let key = (rule.name.clone(), process.to_owned());
        let value = rule.metric.read(member);
        let remembered = &mut self.remembered;
        let state =
            self.states.entry(key.clone()).or_insert_with(|| remembered.remove(&key).unwrap_or_default());
        let Some(change) = state.step(rule, self.clock.now(), value) else { return };
        let json = json!({
            "rule": rule.name, "process": process, "pid": member.identity().pid, "change": change,
            "metric": rule.metric, "value": value, "level": rule.level.fires,
        });
        self.journal.write(now(), "rule", json.clone());
        if change == Change::Cleared {
            return;
        }
        let event = Event {
            identity: member.identity(),
            service: member.service().to_owned(),
            slot: member.slot(),
            process: process.to_owned(),
            rule: rule.name.clone(),
            json,
            evidence: self.settings.evidence.clone(),
            keep: self.settings.keep,
            unix_seconds: now(),
            unit: self.settings.unit.clone(),
        };
        let actions = rule.actions.iter().map(|action| (action.clone(), self.decide(action))).collect();
        self.worker.give(Job { event, actions });
    }

    fn decide(&self, action: &Action) -> Decision {
        let quiet = || self.settings.quiet.iter().any(|q| q.covers(now()));
        match action {
            action if action.kills() && !self.settings.kills => Decision::Withheld("dry_run"),
            action if action.kills() && quiet() => Decision::Withheld("quiet_hours"),
            Action::Restart if self.settings.unit.is_none() => Decision::Supervisor,
            _ => Decision::Act,
        }
    }
}

/// Unix time at the start and a clock that nobody sets: a jump of the wall clock neither ends a cooldown nor
/// fulfils a hold time, and what the journal remembers still compares.
#[derive(Debug, Clone, Copy)]
struct Steady {
    unix: f64,
    monotonic_ns: u64,
}

impl Steady {
    fn start() -> Self {
        Self { unix: now(), monotonic_ns: monotonic_ns() }
    }

    fn now(self) -> f64 {
        self.unix + monotonic_ns().saturating_sub(self.monotonic_ns) as f64 / 1e9
    }
}

fn now() -> f64 {
    unix_ns() as f64 / 1e9
}
