//! What is known of a rule on one slot of a service, whichever process is in it: a restart changes the PID and neither
//! ends a cooldown nor forgets how often there were restarts.

use super::{Rule, RuleState};
use m5_process::Identity;
use std::collections::VecDeque;

/// So long after its start a process is still starting.
const STARTING: f64 = 5.0;
/// The first look at a process says what it needed to start, where it comes within this.
const FIRST_LOOK: f64 = 15.0;

/// So long memory is not given back once more: what comes back in between is in use.
const TRIM_COOLDOWN: f64 = 600.0;

/// Who was in the slot, as far as the journal tells: older ones have no start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) pid: i32,
    pub(super) start_ticks: Option<u64>,
}

impl Who {
    fn is(self, identity: Identity) -> bool {
        self.pid == identity.pid && self.start_ticks.is_none_or(|ticks| ticks == identity.start_ticks)
    }
}

/// A look at the metric of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) value: Option<f64>,
    /// Seconds since the process started; `None` where it ran before m5 did, so that nobody saw what it started with.
    pub(super) age: Option<f64>,
}

/// Whether the service may be ended once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may, the so manieth time within the rule's period.
    Restart(usize),
    /// It may not: it was ended too often. `true` where this is new.
    GaveUp(bool),
    /// It may not: the program starts beyond the level, so that a restart changes nothing.
    LevelBelowStart,
}

/// A rule's state and its count.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tracked {
    pub(super) state: RuleState,
    pub(super) who: Option<Who>,
    pub(super) restarts: VecDeque<f64>,
    pub(super) gave_up: bool,
    pub(super) below_start: bool,
    pub(super) looked: bool,
    /// When memory of the slot was last given back by this rule.
    pub(super) trimmed_at: Option<f64>,
    /// That is under way: until it is done the rule rests.
    pub(super) trimming: bool,
}

impl Tracked {
    /// Notices that another process is in the slot.
    pub(super) fn meet(&mut self, identity: Identity) {
        if self.who.is_some_and(|who| who.is(identity)) {
            return;
        }
        if self.who.is_some() {
            self.state = self.state.successor();
        }
        (self.below_start, self.looked) = (false, false);
        (self.trimmed_at, self.trimming) = (None, false);
        self.who = Some(Who { pid: identity.pid, start_ticks: Some(identity.start_ticks) });
    }

    /// Whether memory may be given back now; then the rule rests until that is done.
    pub(super) fn trim(&mut self, now: f64) -> bool {
        let may = self.trimmed_at.is_none_or(|at| now - at >= TRIM_COOLDOWN);
        if may {
            (self.trimmed_at, self.trimming) = (Some(now), true);
        }
        may
    }

    /// Whether this look shows for the first time that the level lies below what the program needs to start.
    pub(super) fn starts_beyond(&mut self, rule: &Rule, look: Look) -> bool {
        let (Some(value), Some(age)) = (look.value, look.age) else { return false };
        let first = !std::mem::replace(&mut self.looked, true);
        let starting = age <= STARTING || first && age <= FIRST_LOOK;
        let new = !self.below_start && starting && rule.metric.is_amount() && rule.beyond(value);
        self.below_start |= new;
        new
    }

    /// Asks for the service to be ended, and counts it where it may be.
    pub(super) fn restart(&mut self, rule: &Rule, now: f64) -> Verdict {
        if self.below_start {
            return Verdict::LevelBelowStart;
        }
        self.restarts.retain(|at| now - at < rule.restarts.within);
        if self.gave_up || self.restarts.len() >= rule.restarts.most {
            return Verdict::GaveUp(!std::mem::replace(&mut self.gave_up, true));
        }
        self.restarts.push_back(now);
        Verdict::Restart(self.restarts.len())
    }

    /// Whether it still matters though no process is in the slot.
    pub(super) fn matters(&self, rule: &Rule, now: f64) -> bool {
        self.gave_up
            || self.state.cooling(rule, now)
            || self.restarts.iter().any(|at| now - at < rule.restarts.within)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Level, Metric, Restarts};
    use super::*;

    fn rule() -> Rule {
        Rule {
            whom: crate::watchdog::Whom::default(),
            name: "rss".into(),
            metric: Metric::Rss,
            level: Level { fires: 80.0, clears: 70.0 },
            hold: 0.0,
            cooldown: 60.0,
            restarts: Restarts { most: 3, within: 3600.0 },
            actions: vec![],
        }
    }

    fn id(pid: i32) -> Identity {
        Identity { pid, start_ticks: u64::from(pid.unsigned_abs()) }
    }

    #[test]
    fn a_successor_is_cooled_down_and_counted_on() {
        let (rule, mut tracked) = (rule(), Tracked::default());
        let mut verdicts = Vec::new();
        let mut fired = Vec::new();
        for second in 0..600 {
            let now = f64::from(second);
            // Each restart brings another PID, which is beyond the level twenty seconds later.
            tracked.meet(id(1 + fired.len() as i32));
            let since = fired.last().map_or(now, |at| now - at);
            let value = Some(if since < 20.0 { 10.0 } else { 90.0 });
            if tracked.state.step(&rule, now, value) == Some(Change::Fired) {
                fired.push(now);
                verdicts.push(tracked.restart(&rule, now));
            }
        }
        assert!(fired.windows(2).all(|pair| pair[1] - pair[0] >= rule.cooldown), "{fired:?}");
        let expected = [Verdict::Restart(1), Verdict::Restart(2), Verdict::Restart(3), Verdict::GaveUp(true)];
        assert_eq!(verdicts[..4], expected);
        assert!(verdicts[4..].iter().all(|v| *v == Verdict::GaveUp(false)), "it is told once");
    }

    #[test]
    fn memory_is_given_back_at_most_every_ten_minutes() {
        let mut tracked = Tracked::default();
        assert!(tracked.trim(0.0) && tracked.trimming);
        tracked.trimming = false;
        assert!(!tracked.trim(599.0) && !tracked.trimming);
        assert!(tracked.trim(600.0));
        tracked.meet(id(1));
        assert!(tracked.trim(601.0), "another process");
    }

    #[test]
    fn restarts_of_another_hour_do_not_count() {
        let (rule, mut tracked) = (rule(), Tracked::default());
        for hour in 0..20 {
            for _ in 0..3 {
                assert!(matches!(tracked.restart(&rule, f64::from(hour) * 3600.0), Verdict::Restart(_)));
            }
        }
        assert!(tracked.matters(&rule, 19.5 * 3600.0) && !tracked.matters(&rule, 21.0 * 3600.0));
    }

    #[test]
    fn a_level_below_the_start_restarts_nothing() {
        let (rule, mut tracked) = (rule(), Tracked::default());
        let look = |value: f64, age: Option<f64>| Look { value: Some(value), age };
        tracked.meet(id(1));
        assert!(!tracked.starts_beyond(&rule, look(90.0, None)), "it ran before: nobody knows");
        assert!(!tracked.starts_beyond(&rule, look(90.0, Some(100.0))), "it grew");
        tracked.meet(id(2));
        assert!(!tracked.starts_beyond(&rule, look(60.0, Some(1.0))));
        assert!(tracked.starts_beyond(&rule, look(90.0, Some(4.0))), "it loads still");
        assert!(!tracked.starts_beyond(&rule, look(90.0, Some(5.0))), "told once");
        assert_eq!(tracked.restart(&rule, 0.0), Verdict::LevelBelowStart);
        tracked.meet(id(3));
        assert!(!tracked.starts_beyond(&rule, look(60.0, Some(6.0))));
        assert!(!tracked.starts_beyond(&rule, look(90.0, Some(7.0))), "it was below");
        assert_eq!(tracked.restart(&rule, 0.0), Verdict::Restart(1), "another version needs less");
    }
}
