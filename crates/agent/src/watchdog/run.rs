//! The watchdog's round: read, step the rules, act on what fired, write it down.

use super::counts::Counts;
use super::event::Event;
use super::journal::{Key, RESTART};
use super::memory;
use super::tracked::{Look, Tracked, Verdict};
use super::worker::{Decision, Done, Job, Worker};
use super::{Action, Change, Journal, Keep, Metric, Outcome, Quiet, Rule, RuleState};
use crate::pool::{Member, Pool};
use m5_process::{Process, monotonic_ns, unix_ns};
use m5_report::metrics::Family;
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

/// What a person has to be told, because the watchdog will not help any further.
#[derive(Debug, Clone, PartialEq)]
pub enum Alarm {
    /// The service was ended too often by a rule, which ends it no more.
    GaveUp {
        /// The rule.
        rule: String,
        /// Service and slot.
        process: String,
        /// So often,
        restarts: usize,
        /// within so many seconds.
        within_seconds: f64,
    },
    /// The program starts beyond the rule's level: a restart would not help, and none is made.
    LevelBelowStart {
        /// The rule.
        rule: String,
        /// Service and slot.
        process: String,
        /// What it started with, in the metric's unit.
        value: f64,
        /// The level.
        level: f64,
        /// What is measured.
        metric: Metric,
    },
}

/// A running watchdog.
pub struct Watchdog {
    settings: Settings,
    tracked: BTreeMap<Key, Tracked>,
    journal: Journal,
    /// Where what must outlive m5 is kept; `None` where it cannot be.
    memory: Option<PathBuf>,
    worker: Worker,
    clock: Steady,
    /// When m5 started, clock ticks since boot: what started in this tick or later was seen from its start. Ticks are
    /// compared, never times since 1970: each reading of those is another by what passed between its two clocks.
    began: Option<u64>,
    alarms: Vec<Alarm>,
    counts: Counts,
    /// Set when a rule asks for the supervised command to be restarted; whoever supervises it takes it.
    pub restart_asked: bool,
}

impl Watchdog {
    /// Starts with what the journal remembers.
    #[must_use]
    pub fn new(settings: Settings, mut journal: Journal) -> Self {
        let memory = journal.memory_path();
        let kept = memory.as_deref().map(memory::read).unwrap_or_default();
        let tracked = memory::joined(journal.remembered(), kept);
        let rules: Vec<&str> = settings.rules.iter().map(|r| r.name.as_str()).collect();
        journal.write(now(), "start", json!({"rules": rules, "kills": settings.kills}));
        Self {
            settings,
            tracked,
            journal,
            memory,
            worker: Worker::start(),
            clock: Steady::start(),
            began: began(),
            alarms: Vec::new(),
            counts: Counts::default(),
            restart_asked: false,
        }
    }

    /// Takes new settings; what is known of rules that keep their name stays. Those that had given up try again.
    pub fn reload(&mut self, settings: Settings) {
        self.journal.write(now(), "reload", json!({"rules": settings.rules.len()}));
        self.settings = settings;
        for tracked in self.tracked.values_mut() {
            tracked.gave_up = false;
            tracked.restarts.clear();
        }
        self.remember();
    }

    /// Keeps what must outlive m5. That it cannot be kept is said once.
    fn remember(&mut self) {
        if let Some(path) = &self.memory
            && let Err(error) = memory::write(path, &self.tracked)
        {
            let line = json!({"path": path.display().to_string(), "reason": error.to_string()});
            self.memory = None;
            self.journal.write(now(), "memory_lost", line);
        }
    }

    /// What a person has to hear since the last call; it stands in the journal.
    pub fn alarms(&mut self) -> Vec<Alarm> {
        std::mem::take(&mut self.alarms)
    }

    /// Writes something down.
    pub fn note(&mut self, event: &str, values: Value) {
        self.journal.write(now(), event, values);
    }

    /// What was done so far, counted.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        self.counts.families()
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
            for rule in rules.iter().filter(|rule| rule.whom.fits(member.service())) {
                self.look(rule, member, &process);
            }
            alive.push(process);
        }
        // A slot outlives its process: cooldown and count are those of the service.
        let now = self.clock.now();
        let rule_of = |name: &str| rules.iter().find(|r| r.name == name);
        self.tracked.retain(|(rule, process), tracked| {
            alive.contains(process) || rule_of(rule).is_none_or(|rule| tracked.matters(rule, now))
        });
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
            self.counts.add(&rule, &process, &outcome);
            if outcome.action == Action::Trim.word()
                && let Some(tracked) = self.tracked.get_mut(&(rule.clone(), process.clone()))
            {
                tracked.trimming = false;
            }
            told.push((rule, outcome));
        }
        told
    }

    fn look(&mut self, rule: &Rule, member: &Member, process: &str) {
        let key = (rule.name.clone(), process.to_owned());
        let value = rule.metric.read(member);
        let (now_steady, started) = (self.clock.now(), member.started_unix_seconds());
        let seen = self.began.is_some_and(|began| member.identity().start_ticks >= began);
        let age = seen.then_some(now_steady - started);
        let tracked = self.tracked.entry(key).or_default();
        tracked.meet(member.identity());
        let too_low = tracked.starts_beyond(rule, Look { value, age });
        // What is given back at this moment may be enough: until it is done the rule rests.
        let before = tracked.state;
        let change = if tracked.trimming { None } else { tracked.state.step(rule, now_steady, value) };
        if too_low {
            self.tell_too_low(rule, member, process, value);
        }
        let Some(change) = change else { return };
        let json = json!({
            "rule": rule.name, "process": process, "pid": member.identity().pid,
            "start_ticks": member.identity().start_ticks, "change": change,
            "metric": rule.metric, "value": value, "level": rule.level.fires,
        });
        self.journal.write(now(), "rule", json.clone());
        if change == Change::Cleared {
            return self.remember();
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
        let mut actions: Vec<(Action, Decision)> =
            rule.actions.iter().map(|action| (action.clone(), self.decide(action))).collect();
        match self.trims_first(rule, process, before, &mut actions) {
            true => self.note("trim_first", json!({"rule": rule.name, "process": process})),
            false => self.bound(rule, process, &mut actions),
        }
        self.remember();
        self.worker.give(Job { event, actions });
    }

    /// Whether memory is given back first: then what ends the service is withheld, and the rule fires again should that
    /// not have been enough. Memory that was given back lately is not given back again.
    fn trims_first(
        &mut self,
        rule: &Rule,
        process: &str,
        before: RuleState,
        actions: &mut [(Action, Decision)],
    ) -> bool {
        if !actions.iter().any(|(action, _)| *action == Action::Trim) {
            return false;
        }
        let now_steady = self.clock.now();
        let tracked = self.tracked.entry((rule.name.clone(), process.to_owned())).or_default();
        let trims = tracked.trim(now_steady);
        let ends = actions.iter().any(|(action, _)| action.ends());
        if trims && ends {
            tracked.state = RuleState::rearmed(before);
        }
        for (action, decision) in actions.iter_mut() {
            match action {
                Action::Trim if !trims => *decision = Decision::Withheld("cooldown"),
                action if trims && action.ends() => *decision = Decision::Withheld("trim_first"),
                _ => {}
            }
        }
        trims && ends
    }

    /// Withholds what would end the service where that was done too often, or helps nothing.
    fn bound(&mut self, rule: &Rule, process: &str, actions: &mut [(Action, Decision)]) {
        let carried_out = |d: Decision| matches!(d, Decision::Act | Decision::Supervisor);
        let mut ending: Vec<&mut Decision> =
            actions.iter_mut().filter(|(a, d)| a.ends() && carried_out(*d)).map(|(_, d)| d).collect();
        if ending.is_empty() {
            return;
        }
        let now_steady = self.clock.now();
        let tracked = self.tracked.entry((rule.name.clone(), process.to_owned())).or_default();
        let verdict = tracked.restart(rule, now_steady);
        let mut of = json!({"rule": rule.name, "process": process, "restarts": tracked.restarts.len(),
            "max_restarts": rule.restarts.most, "within_seconds": rule.restarts.within});
        let why = match verdict {
            Verdict::Restart(number) => {
                of["restarts"] = json!(number);
                self.journal.write(now(), RESTART, of);
                return;
            }
            Verdict::GaveUp(new) => {
                if new {
                    self.alarms.push(Alarm::GaveUp {
                        rule: rule.name.clone(),
                        process: process.to_owned(),
                        restarts: tracked.restarts.len(),
                        within_seconds: rule.restarts.within,
                    });
                    self.journal.write(now(), "gave_up", of);
                }
                "gave_up"
            }
            Verdict::LevelBelowStart => "level_below_start",
        };
        ending.iter_mut().for_each(|decision| **decision = Decision::Withheld(why));
    }

    fn tell_too_low(&mut self, rule: &Rule, member: &Member, process: &str, value: Option<f64>) {
        let (value, level) = (value.unwrap_or_default(), rule.level.fires);
        let line = json!({"rule": rule.name, "process": process, "pid": member.identity().pid,
            "metric": rule.metric, "value": value, "level": level});
        self.journal.write(now(), "level_below_start", line);
        let (rule, metric, process) = (rule.name.clone(), rule.metric, process.to_owned());
        self.alarms.push(Alarm::LevelBelowStart { rule, process, value, level, metric });
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

/// The clock tick since boot in which this program started.
fn began() -> Option<u64> {
    Process::open(std::process::id().cast_signed()).ok().map(|own| own.identity().start_ticks)
}

fn now() -> f64 {
    unix_ns() as f64 / 1e9
}
