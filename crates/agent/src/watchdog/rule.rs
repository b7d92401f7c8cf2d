//! A rule and its state: fires once when its level is passed for long enough, and not again before it has
//! cleared and cooled down. Pure: time comes in as an argument.

use super::{Action, Metric};
use crate::service_name::name_matches;
use serde::{Deserialize, Serialize};

/// The level of a rule and where it clears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Fires beyond this.
    pub fires: f64,
    /// Clears on the other side of this; between the two nothing changes.
    pub clears: f64,
}

/// How often a rule may end a process of a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Restarts {
    /// So often,
    pub most: usize,
    /// within so many seconds; then it gives up.
    pub within: f64,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { most: 5, within: 3600.0 }
    }
}

/// The services that a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whom {
    /// Those whose name matches (`*` and `?`); absent: all,
    pub only: Option<String>,
    /// but those whose name matches one of these.
    pub but: Vec<String>,
}

impl Whom {
    /// Whether it is for a service.
    #[must_use]
    pub fn fits(&self, service: &str) -> bool {
        self.only.as_ref().is_none_or(|name| name_matches(name, service))
            && !self.but.iter().any(|name| name_matches(name, service))
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in the journal.
    pub name: String,
    /// Whom it looks at.
    pub whom: Whom,
    /// What it looks at.
    pub metric: Metric,
    /// Where it fires.
    pub level: Level,
    /// Seconds for which the level must be passed.
    pub hold: f64,
    /// Seconds after firing in which it does not fire again.
    pub cooldown: f64,
    /// How often it may end the service.
    pub restarts: Restarts,
    /// What is done, evidence first.
    pub actions: Vec<Action>,
}

impl Rule {
    /// Whether a value lies beyond the level.
    #[must_use]
    pub fn beyond(&self, value: f64) -> bool {
        if self.metric.falls() { value < self.level.fires } else { value > self.level.fires }
    }
}

/// What happened to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It fires now.
    Fired,
    /// It fired and has cleared.
    Cleared,
}

/// What is remembered of a rule on one process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RuleState {
    beyond_since: Option<f64>,
    active: bool,
    fired_at: Option<f64>,
}

impl RuleState {
    /// As it was when it last fired, from a journal: no action twice after m5's own restart.
    #[must_use]
    pub fn fired(at: f64, cleared: bool) -> Self {
        Self { beyond_since: None, active: !cleared, fired_at: Some(at) }
    }

    /// Of the process that takes the place of another: nothing was seen of it yet, and the cooldown goes on.
    #[must_use]
    pub fn successor(self) -> Self {
        Self { beyond_since: None, active: false, fired_at: self.fired_at }
    }

    /// As before it fired: what it did first may have been enough, and if not it fires again.
    #[must_use]
    pub fn rearmed(before: Self) -> Self {
        Self { beyond_since: None, active: false, ..before }
    }

    /// When it last fired.
    #[must_use]
    pub fn fired_at(&self) -> Option<f64> {
        self.fired_at
    }

    /// Whether it fired and has not cleared since.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Whether it fired so lately that it does not fire again.
    #[must_use]
    pub fn cooling(&self, rule: &Rule, now: f64) -> bool {
        self.fired_at.is_some_and(|at| now - at < rule.cooldown)
    }

    /// Looks at a value. What is not measured changes nothing: absence is neither danger nor relief.
    pub fn step(&mut self, rule: &Rule, now: f64, value: Option<f64>) -> Option<Change> {
        let value = value?;
        let falls = rule.metric.falls();
        let clear = if falls { value >= rule.level.clears } else { value <= rule.level.clears };
        if self.active {
            if clear {
                *self = Self { active: false, beyond_since: None, ..*self };
                return Some(Change::Cleared);
            }
            return None;
        }
        if !rule.beyond(value) {
            self.beyond_since = None;
            return None;
        }
        let since = *self.beyond_since.get_or_insert(now);
        if now - since < rule.hold || self.cooling(rule, now) {
            return None;
        }
        *self = Self { active: true, fired_at: Some(now), ..*self };
        Some(Change::Fired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule() -> Rule {
        Rule {
            whom: Whom::default(),
            name: "rss".into(),
            metric: Metric::Rss,
            level: Level { fires: 80.0, clears: 70.0 },
            hold: 10.0,
            cooldown: 100.0,
            restarts: Restarts::default(),
            actions: vec![],
        }
    }

    #[test]
    fn holds_fires_once_clears_and_cools_down() {
        let (rule, mut state) = (rule(), RuleState::default());
        let mut step = |t: f64, v: f64| state.step(&rule, t, Some(v));
        assert_eq!(step(0.0, 90.0), None);
        assert_eq!(step(5.0, 75.0), None, "a dip starts the hold anew");
        assert_eq!((step(6.0, 90.0), step(15.9, 90.0)), (None, None));
        assert_eq!(step(16.0, 90.0), Some(Change::Fired));
        assert_eq!((step(20.0, 95.0), step(21.0, 75.0)), (None, None));
        assert_eq!(step(22.0, 70.0), Some(Change::Cleared));
        assert_eq!((step(23.0, 90.0), step(50.0, 90.0)), (None, None), "cooling down");
        assert_eq!(step(116.0, 90.0), Some(Change::Fired));
    }

    #[test]
    fn a_falling_metric_fires_below() {
        let rule = Rule {
            metric: Metric::TimeToLimit,
            level: Level { fires: 60.0, clears: 120.0 },
            hold: 0.0,
            ..rule()
        };
        let mut state = RuleState::default();
        assert_eq!(state.step(&rule, 0.0, Some(f64::INFINITY)), None);
        assert_eq!(state.step(&rule, 1.0, Some(30.0)), Some(Change::Fired));
        assert_eq!(state.step(&rule, 2.0, Some(90.0)), None);
        assert_eq!(state.step(&rule, 3.0, None), None);
        assert_eq!(state.step(&rule, 4.0, Some(121.0)), Some(Change::Cleared));
    }

    #[test]
    fn what_a_journal_remembers_does_not_fire_again() {
        let (rule, mut state) = (rule(), RuleState::fired(0.0, false));
        assert_eq!(state.step(&rule, 50.0, Some(90.0)), None);
        let mut cleared = RuleState::fired(0.0, true);
        assert_eq!(
            (cleared.step(&rule, 20.0, Some(90.0)), cleared.step(&rule, 40.0, Some(90.0))),
            (None, None)
        );
        assert_eq!(cleared.step(&rule, 101.0, Some(90.0)), Some(Change::Fired));
    }

    proptest! {
        #[test]
        fn never_fires_twice_within_the_cooldown(values in prop::collection::vec(0.0..160.0f64, 1..200)) {
            let (rule, mut state) = (rule(), RuleState::default());
            let mut last = f64::NEG_INFINITY;
            for (t, v) in values.into_iter().enumerate() {
                if state.step(&rule, t as f64, Some(v)) == Some(Change::Fired) {
                    prop_assert!(t as f64 - last >= rule.cooldown);
                    last = t as f64;
                }
            }
        }
    }
}
