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

/// A set of objectives that a service can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What holds for any service: no growth, short pauses, far from its limits.
    #[default]
    General,
    /// The numbers of a small trading engine, as the guide has them.
    Trading,
}

macro_rules! objectives {
    ($($(#[$doc:meta])* $name:ident: $general:expr, $trading:expr;)*) => {
        /// Every objective; one that is absent is not judged.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Objectives { $($(#[$doc])* pub $name: Option<Objective>,)* }

        impl Default for Objectives {
            fn default() -> Self {
                Self::of(Profile::General)
            }
        }

        impl Objectives {
            /// The objectives of a profile.
            #[must_use]
            pub fn of(profile: Profile) -> Self {
                match profile {
                    Profile::General => Self { $($name: $general,)* },
                    Profile::Trading => Self { $($name: $trading,)* },
                }
            }

            /// Judges an objective no longer; `false` where there is none of that name.
            pub fn drop_named(&mut self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name = None,)*
                    _ => return false,
                }
                true
            }
        }

        /// What a settings file changes of [`Objectives`].
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct ObjectivesPatch { $($(#[$doc])* pub $name: Option<ObjectivePatch>,)* }

        impl Objectives {
            /// Applies what a settings file says. Of an objective that was not judged, what the file leaves out is as
            /// in the profile that has it; a level of its own comes without the profile's alert.
            pub fn apply(&mut self, patch: &ObjectivesPatch) {
                $(if let Some(patch) = &patch.$name {
                    let known: Option<Objective> = $trading;
                    let other: Option<Objective> = $general;
                    let named = patch.pass.map(|pass| Objective::below(pass, None));
                    let fresh = known.or(other).or(named).map(|o| match patch.pass {
                        Some(_) => Objective { alert: None, low: None, ..o },
                        None => o,
                    });
                    if let Some(mut objective) = self.$name.or(fresh) {
                        objective.apply(patch);
                        self.$name = Some(objective);
                    }
                })*
            }

            /// Every objective by its name in the settings file, in the order of a report.
            #[must_use]
            pub fn iter(&self) -> Vec<(&'static str, &Objective)> {
                let all = [$((stringify!($name), self.$name.as_ref()),)*];
                all.into_iter().filter_map(|(name, o)| Some((name, o?))).collect()
            }
        }
    };
}

/// Objectives of the collections of each generation, the youngest first.
pub const COLLECTIONS_PER_SECOND: [&str; 3] =
    ["gc_gen0_per_second", "gc_gen1_per_second", "gc_gen2_per_second"];

/// The generation whose collections an objective counts; `None` where it is another one.
#[must_use]
pub fn generation_of_rate(name: &str) -> Option<usize> {
    COLLECTIONS_PER_SECOND.iter().position(|own| *own == name)
}

objectives! {
    /// Peak resident memory, bytes.
    rss_peak_bytes: None, Some(Objective::below(40.0 * MIB, Some(60.0 * MIB)));
    /// Peak resident memory, as a part of the tightest memory limit around the process, or of the machine's memory.
    rss_limit_ratio: Some(Objective::below(0.8, Some(0.9))), None;
    /// Highest use of the memory cgroup around the process, as a part of its limit: the kernel ends what passes it. Judged
    /// where the settings name it, since a group's memory has files in it that can be given back.
    cgroup_peak_ratio: None, None;
    /// Periods in which the CPU quota held tasks back, as a part of all: each is a pause that no collector made. Judged
    /// where the settings name it.
    cpu_throttled_ratio: None, None;
    /// Resident memory at which the watchdog acts, bytes.
    watchdog_rss_bytes: None, Some(Objective::below(80.0 * MIB, None));
    /// Growth of the floor, bytes per second (the guide: 0.1 and 0.5 MB a minute).
    growth_bytes_per_second: None, Some(Objective::below(0.1 * MIB / 60.0, Some(0.5 * MIB / 60.0)));
    /// Growth forecast for 24 hours, as a part of the floor.
    growth_24h_ratio: Some(Objective::below(0.05, None)), Some(Objective::below(0.05, None));
    /// 95th percentile of collection pauses, seconds.
    gc_pause_p95_seconds: Some(Objective::below(0.050, Some(0.100))), Some(Objective::below(0.050, Some(0.100)));
    /// Collections of generation 0 per second.
    gc_gen0_per_second: None, Some(Objective::below(10.0, None));
    /// Collections of generation 1 per second.
    gc_gen1_per_second: None, Some(Objective::below(1.0, None));
    /// Collections of generation 2 per second.
    gc_gen2_per_second: None, Some(Objective::below(0.1, None));
    /// Open file descriptors.
    open_fds: None, Some(Objective::between(10.0, 500.0, Some(800.0)));
    /// Open file descriptors, as a part of their limit.
    fd_limit_ratio: Some(Objective::below(0.5, Some(0.8))), None;
    /// File descriptors gained in [`FD_GROWTH_SECONDS`].
    fd_growth: None, Some(Objective::below(50.0, None));
    /// WebSocket connections.
    connections: None, Some(Objective::between(3.0, 10.0, None));
}

/// The highest use of a memory cgroup, as a part of its limit, where nothing else is said.
pub const CGROUP_PEAK: Objective = Objective::below(0.8, Some(0.9));
/// Periods in which a CPU quota held tasks back, as a part of all, where nothing else is said.
pub const CPU_THROTTLED: Objective = Objective::below(0.05, Some(0.25));
/// The time over which `fd_growth` counts, seconds.
pub const FD_GROWTH_SECONDS: f64 = 300.0;
/// By how much a metric may exceed its baseline before `m5 compare` calls it a regression, as a ratio.
pub const COMPARE_THRESHOLD: f64 = 0.15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_has_an_objective_of_its_own() {
        let all = Objectives::of(Profile::Trading);
        let named: Vec<usize> =
            all.iter().into_iter().filter_map(|(name, _)| generation_of_rate(name)).collect();
        assert_eq!(named, [0, 1, 2]);
        assert_eq!(generation_of_rate("gc_pause_p95_seconds"), None);
    }

    #[test]
    fn levels_are_judged_by_side() {
        let o = Objectives::of(Profile::Trading);
        assert_eq!(judge(Some(39.0 * MIB), &o.rss_peak_bytes.unwrap()), Status::Ok);
        assert_eq!(judge(Some(40.0 * MIB), &o.rss_peak_bytes.unwrap()), Status::Warn);
        assert_eq!(judge(Some(61.0 * MIB), &o.rss_peak_bytes.unwrap()), Status::Fail);
        assert_eq!(judge(Some(0.2), &o.gc_gen2_per_second.unwrap()), Status::Fail);
        assert_eq!(judge(Some(10.0), &o.open_fds.unwrap()), Status::Ok);
        assert_eq!(judge(Some(9.0), &o.open_fds.unwrap()), Status::Warn);
        assert_eq!(judge(Some(801.0), &o.open_fds.unwrap()), Status::Fail);
        assert_eq!(judge(Some(2.0), &o.connections.unwrap()), Status::Fail);
        let above = Objective { direction: Direction::Above, pass: 0.99, alert: Some(0.9), low: None };
        assert_eq!(judge(Some(0.95), &above), Status::Warn);
        assert_eq!(judge(Some(0.5), &above), Status::Fail);
    }

    #[test]
    fn absent_is_not_zero() {
        let o = Objectives::of(Profile::Trading);
        assert_eq!(judge(None, &o.rss_peak_bytes.unwrap()), Status::NotMeasured);
        assert_eq!(judge(Some(f64::NAN), &o.rss_peak_bytes.unwrap()), Status::NotMeasured);
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut o = Objectives::of(Profile::Trading);
        let patch = ObjectivesPatch {
            rss_peak_bytes: Some(ObjectivePatch { pass: Some(1.0), ..Default::default() }),
            ..Default::default()
        };
        o.apply(&patch);
        assert_eq!(o.rss_peak_bytes, Some(Objective::below(1.0, Some(60.0 * MIB))));
        assert_eq!(o.open_fds, Objectives::of(Profile::Trading).open_fds);
        assert_eq!(o.iter().len(), 11);
        // What nobody judged is judged by what the file says, and by nothing else.
        let mut o = Objectives::default();
        assert_eq!(o.rss_peak_bytes, None);
        o.apply(&patch);
        assert_eq!(o.rss_peak_bytes, Some(Objective::below(1.0, None)));
        // Nor does a profile judge what files in a group's memory decide, or a quota: the file does.
        let throttled = ObjectivePatch { pass: Some(0.1), alert: Some(0.3), low: None };
        let patch = ObjectivesPatch { cpu_throttled_ratio: Some(throttled), ..Default::default() };
        let mut named = Objectives::default();
        named.apply(&patch);
        assert_eq!(named.cpu_throttled_ratio, Some(Objective::below(0.1, Some(0.3))));
        assert!(o.drop_named("rss_peak_bytes") && !o.drop_named("rss"));
        assert_eq!(o, Objectives::default());
    }

    #[test]
    fn the_general_objectives_name_no_size_of_a_service() {
        for (name, _) in Objectives::default().iter() {
            assert!(name.ends_with("_ratio") || name == "gc_pause_p95_seconds", "{name}");
        }
    }
}
