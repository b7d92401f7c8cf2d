//! Quiet hours: while the market is open nothing that could disturb it is done.

use jiff::Zoned;
use jiff::civil::{Time, Weekday};

/// Hours in which nothing that kills is done; evidence and messages still are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// On these days.
    pub days: Vec<Weekday>,
    /// From this time of day.
    pub from: Time,
    /// To this time of day; earlier than `from`: past midnight.
    pub to: Time,
    /// In this time zone (`America/New_York`); the machine's own where none is named.
    pub zone: Option<String>,
}

impl Quiet {
    /// Whether a moment (Unix seconds) lies in these hours. A zone that this machine does not know counts as
    /// quiet: when in doubt, do not disturb.
    #[must_use]
    pub fn covers(&self, unix_seconds: f64) -> bool {
        let Ok(moment) = jiff::Timestamp::from_second(unix_seconds as i64) else { return true };
        let local: Zoned = match &self.zone {
            None => moment.to_zoned(jiff::tz::TimeZone::system()),
            Some(name) => match moment.in_tz(name) {
                Ok(zoned) => zoned,
                Err(_) => return true,
            },
        };
        let (time, today) = (local.time(), local.weekday());
        if self.from <= self.to {
            return self.days.contains(&today) && self.from <= time && time < self.to;
        }
        let evening = self.days.contains(&today) && time >= self.from;
        let morning = self.days.contains(&today.previous()) && time < self.to;
        evening || morning
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    fn at(text: &str) -> f64 {
        text.parse::<jiff::Timestamp>().unwrap().as_second() as f64
    }

    #[test]
    fn market_hours() {
        let days = vec![Weekday::Monday, Weekday::Friday];
        let quiet = Quiet {
            days: days.clone(),
            from: time(9, 30, 0, 0),
            to: time(16, 0, 0, 0),
            zone: Some("UTC".into()),
        };
        assert!(quiet.covers(at("2026-11-23T09:30:00Z")) && quiet.covers(at("2026-11-27T15:59:59Z")));
        assert!(!quiet.covers(at("2026-11-23T16:00:00Z")) && !quiet.covers(at("2026-11-24T12:00:00Z")));
        let night = Quiet { from: time(22, 0, 0, 0), to: time(4, 0, 0, 0), ..quiet.clone() };
        assert!(night.covers(at("2026-11-23T23:00:00Z")) && night.covers(at("2026-11-24T03:00:00Z")));
        assert!(!night.covers(at("2026-11-24T23:00:00Z")));
        assert!(Quiet { zone: Some("No/Where".into()), ..quiet }.covers(0.0));
    }
}
