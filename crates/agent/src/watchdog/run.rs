//! The watchdog's round: read, step the rules, act on what fired, write it down.

use super::act::{Event, act};
use super::journal::Key;
use super::{Action, Change, Journal, Outcome, Quiet, Rule, RuleState};
use crate::pool::{Member, Pool};
use m5_target::unix_ns;
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
    /// The systemd unit that `restart` restarts.
    pub unit: Option<String>,
}

/// A running watchdog.
pub struct Watchdog {
    settings: Settings,
    states: BTreeMap<Key, RuleState>,
    remembered: BTreeMap<Key, RuleState>,
    journal: Journal,
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
        Self { settings, states: BTreeMap::new(), remembered, journal, restart_asked: false }
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

    /// Steps every rule on every watched process. The outcomes of what was done come back for the person.
    pub fn round(&mut self, pool: &Pool) -> Vec<(String, Outcome)> {
        let mut done = Vec::new();
        let rules = self.settings.rules.clone();
        let mut alive: Vec<String> = Vec::new();
        for member in pool.members() {
            let process = format!("{}/{}", member.service(), member.slot());
            for rule in &rules {
                done.extend(self.look(rule, member, &process));
            }
            alive.push(process);
        }
        // A process that went takes its rules' states along; its successor starts afresh, but cooled down.
        self.states.retain(|(_, process), _| alive.contains(process));
        done
    }

    fn look(&mut self, rule: &Rule, member: &Member, process: &str) -> Vec<(String, Outcome)> {
        let key = (rule.name.clone(), process.to_owned());
        let value = rule.metric.read(member);
        let remembered = &mut self.remembered;
        let state =
            self.states.entry(key.clone()).or_insert_with(|| remembered.remove(&key).unwrap_or_default());
        let Some(change) = state.step(rule, now(), value) else { return Vec::new() };
        let json = json!({
            "rule": rule.name, "process": process, "pid": member.identity().pid, "change": change,
            "metric": rule.metric, "value": value, "level": rule.level.fires,
        });
        self.journal.write(now(), "rule", json.clone());
        if change == Change::Cleared {
            return Vec::new();
        }
        rule.actions
            .iter()
            .map(|action| (rule.name.clone(), self.carry_out(action, rule, member, &json)))
            .collect()
    }

    fn carry_out(&mut self, action: &Action, rule: &Rule, member: &Member, json: &Value) -> Outcome {
        let quiet = self.settings.quiet.iter().any(|q| q.covers(now()));
        let (result, detail) = match (action.kills(), self.settings.kills, quiet) {
            (true, false, _) => ("dry_run", None),
            (true, true, true) => ("quiet_hours", None),
            _ if *action == Action::Restart && self.settings.unit.is_none() => {
                self.restart_asked = true;
                ("done", None)
            }
            _ => {
                let event = Event {
                    identity: member.identity(),
                    service: member.service(),
                    rule: &rule.name,
                    json,
                    evidence: &self.settings.evidence,
                    unix_seconds: now(),
                    unit: self.settings.unit.as_deref(),
                };
                match act(action, &event) {
                    Ok(detail) => ("done", detail),
                    Err(reason) => ("failed", Some(reason)),
                }
            }
        };
        let outcome = Outcome { action: action.word(), result, detail };
        let process = format!("{}/{}", member.service(), member.slot());
        self.journal.write(now(), "action", json!({"for": rule.name, "of": process, "outcome": outcome}));
        outcome
    }
}

fn now() -> f64 {
    unix_ns() as f64 / 1e9
}
