//! The objectives: what a healthy service looks like, in numbers that `m5.toml` may change.
//!
//! Bytes, seconds and counts throughout. The guide writes "MB" and computes with 1024 · 1024; so an objective
//! of "40 MB" is 40 MiB here.

use serde::{Deserialize, Serialize};

/// One MiB in bytes.
pub const MIB: f64 = 1024.0 * 1024.0;

/// Which side of its levels a value should be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Good while under `pass`; bad over `alert`.
    Below,
    /// Good while over `pass`; bad under `alert`.
    Above,
    /// Good from `low` to `pass`, both included; bad over `alert`.
    Between,
}

/// One objective: a level to keep, and the level at which somebody is woken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Which side is good.
    pub direction: Direction,
    /// The level that passes.
    pub pass: f64,
    /// The level that alerts. Without one, whatever does not pass fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<f64>,
    /// Lower edge of the passing band, for [`Direction::Between`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
}

/// What became of an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Met.
    Ok,
    /// Nobody measured it, so nobody may say that it was met.
    NotMeasured,
    /// Missed, but not by enough to alert.
    Warn,
    /// Missed, and past the alert level.
    Fail,
}

impl Objective {
    /// "Under `pass`, alert over `alert`".
    #[must_use]
    pub const fn below(pass: f64, alert: Option<f64>) -> Self {
        Self { direction: Direction::Below, pass, alert, low: None }
    }

    /// "From `low` to `high`, alert over `alert`".
    #[must_use]
    pub const fn between(low: f64, high: f64, alert: Option<f64>) -> Self {
        Self { direction: Direction::Between, pass: high, alert, low: Some(low) }
    }

    /// Changes the levels that a patch names.
    pub fn apply(&mut self, patch: &ObjectivePatch) {
        self.pass = patch.pass.unwrap_or(self.pass);
        self.alert = patch.alert.or(self.alert);
        self.low = patch.low.or(self.low);
    }
}

/// Holds a value against its objective. A value that is absent or not finite was not measured.
#[must_use]
pub fn judge(value: Option<f64>, objective: &Objective) -> Status {
    let Some(value) = value.filter(|v| v.is_finite()) else {
        return Status::NotMeasured;
    };
    let passes = match objective.direction {
        Direction::Below => value < objective.pass,
        Direction::Above => value > objective.pass,
        Direction::Between => value <= objective.pass && objective.low.is_none_or(|low| value >= low),
    };
    let alerts = objective.alert.is_none_or(|alert| match objective.direction {
        Direction::Below | Direction::Between => value > alert,
        Direction::Above => value < alert,
    });
    match (passes, alerts) {
        (true, _) => Status::Ok,
        (false, true) => Status::Fail,
        (false, false) => Status::Warn,
    }
}

/// What a settings file may say of one objective; what it leaves out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectivePatch {
    /// New passing level.
    #[serde(default)]
    pub pass: Option<f64>,
    /// New alert level.
    #[serde(default)]
    pub alert: Option<f64>,
    /// New lower edge.
    #[serde(default)]
    pub low: Option<f64>,
}

macro_rules! objectives {
    ($($(#[$doc:meta])* $name:ident: $default:expr;)*) => {
        /// Every objective, with m5's defaults.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Objectives { $($(#[$doc])* pub $name: Objective,)* }

        impl Default for Objectives {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// What a settings file changes of [`Objectives`].
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct ObjectivesPatch { $($(#[$doc])* pub $name: Option<ObjectivePatch>,)* }

        impl Objectives {
            /// Applies what a settings file says.
            pub fn apply(&mut self, patch: &ObjectivesPatch) {
                $(if let Some(patch) = &patch.$name { self.$name.apply(patch); })*
            }

            /// Every objective by its name in the settings file, in the order of a report.
            #[must_use]
            pub fn iter(&self) -> Vec<(&'static str, &Objective)> {
                vec![$((stringify!($name), &self.$name),)*]
            }
        }
    };
}

objectives! {
    /// Peak resident memory, bytes.
    rss_peak_bytes: Objective::below(40.0 * MIB, Some(60.0 * MIB));
    /// Resident memory at which the watchdog acts, bytes.
    watchdog_rss_bytes: Objective::below(80.0 * MIB, None);
    /// Growth of the floor, bytes per second (the guide: 0.1 and 0.5 MB a minute).
    growth_bytes_per_second: Objective::below(0.1 * MIB / 60.0, Some(0.5 * MIB / 60.0));
    /// Growth forecast for 24 hours, as a part of the floor.
    growth_24h_ratio: Objective::below(0.05, None);
    /// 95th percentile of collection pauses, seconds.
    gc_pause_p95_seconds: Objective::below(0.050, Some(0.100));
    /// Collections of generation 0 per second.
    gc_gen0_per_second: Objective::below(10.0, None);
    /// Collections of generation 1 per second.
    gc_gen1_per_second: Objective::below(1.0, None);
    /// Collections of generation 2 per second.
    gc_gen2_per_second: Objective::below(0.1, None);
    /// Open file descriptors.
    open_fds: Objective::between(10.0, 500.0, Some(800.0));
    /// File descriptors gained in [`FD_GROWTH_SECONDS`].
    fd_growth: Objective::below(50.0, None);
    /// WebSocket connections.
    connections: Objective::between(3.0, 10.0, None);
}

/// The time over which `fd_growth` counts, seconds.
pub const FD_GROWTH_SECONDS: f64 = 300.0;
/// By how much a metric may exceed its baseline before `m5 compare` calls it a regression, as a ratio.
pub const COMPARE_THRESHOLD: f64 = 0.15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_judged_by_side() {
        let o = Objectives::default();
        assert_eq!(judge(Some(39.0 * MIB), &o.rss_peak_bytes), Status::Ok);
        assert_eq!(judge(Some(40.0 * MIB), &o.rss_peak_bytes), Status::Warn);
        assert_eq!(judge(Some(61.0 * MIB), &o.rss_peak_bytes), Status::Fail);
        assert_eq!(judge(Some(0.2), &o.gc_gen2_per_second), Status::Fail);
        assert_eq!(judge(Some(10.0), &o.open_fds), Status::Ok);
        assert_eq!(judge(Some(9.0), &o.open_fds), Status::Warn);
        assert_eq!(judge(Some(801.0), &o.open_fds), Status::Fail);
        assert_eq!(judge(Some(2.0), &o.connections), Status::Fail);
        let above = Objective { direction: Direction::Above, pass: 0.99, alert: Some(0.9), low: None };
        assert_eq!(judge(Some(0.95), &above), Status::Warn);
        assert_eq!(judge(Some(0.5), &above), Status::Fail);
    }

    #[test]
    fn absent_is_not_zero() {
        let o = Objectives::default();
        assert_eq!(judge(None, &o.rss_peak_bytes), Status::NotMeasured);
        assert_eq!(judge(Some(f64::NAN), &o.rss_peak_bytes), Status::NotMeasured);
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut o = Objectives::default();
        let patch = ObjectivesPatch {
            rss_peak_bytes: Some(ObjectivePatch { pass: Some(1.0), ..Default::default() }),
            ..Default::default()
        };
        o.apply(&patch);
        assert_eq!(o.rss_peak_bytes, Objective::below(1.0, Some(60.0 * MIB)));
        assert_eq!(o.open_fds, Objectives::default().open_fds);
        assert_eq!(o.iter().len(), 11);
    }
}
