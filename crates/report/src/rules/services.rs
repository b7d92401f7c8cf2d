//! Alerts where some services have objectives of their own.

use super::{Alert, alerts};
use m5_stats::{Objectives, Profile};
use std::fmt::Write;

/// The objectives of the services of a name.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceObjectives {
    /// Their name: `*` and `?` stand for any.
    pub name: String,
    /// The profile that theirs begin with, where they name one.
    pub profile: Option<Profile>,
    /// What holds for them, whole.
    pub objectives: Objectives,
    /// Whether the turns of their event loops are exported.
    pub event_loop_turns: bool,
}

/// All alerts: those of every service, and those that differ for some. Of several names that fit a service the first
/// holds. An alert that is the same for a service as for all stands once.
#[must_use]
pub fn alerts_by_service(general: &Objectives, services: &[ServiceObjectives]) -> Vec<Alert> {
    let mut all = alerts(general);
    let same = |a: &Alert, b: &Alert| a.name == b.name && a.expr == b.expr;
    let mut own = Vec::new();
    for (at, service) in services.iter().enumerate() {
        let differing =
            alerts(&service.objectives).into_iter().filter(|alert| !all.iter().any(|a| same(a, alert)));
        own.extend(differing.map(|alert| Alert {
            expr: format!("({}) and {}", alert.expr, those(services, at)),
            service: Some(service.name.clone()),
            ..alert
        }));
    }
    let theirs: Vec<_> = services.iter().map(|s| alerts(&s.objectives)).collect();
    for alert in &mut all {
        let others = (0..services.len()).filter(|at| !theirs[*at].iter().any(|a| same(a, alert)));
        let mut unless = String::new();
        for at in others {
            // Writing into a String cannot fail.
            let _ = write!(unless, " unless {}", those(services, at));
        }
        if !unless.is_empty() {
            alert.expr = format!("({}){unless}", alert.expr);
        }
    }
    all.extend(own);
    all
}

/// The processes to which the name at a place applies: every process has a size, whatever else is measured of it.
fn those(services: &[ServiceObjectives], at: usize) -> String {
    let regex = |service: &ServiceObjectives| serde_json::Value::from(regex(&service.name)).to_string();
    let mut selector = format!("service=~{}", regex(&services[at]));
    for earlier in &services[..at] {
        let _ = write!(selector, ",service!~{}", regex(earlier));
    }
    format!("on (instance, service, slot) process_memory_rss_bytes{{{selector}}}")
}

/// A name with `*` and `?` as a regular expression of Prometheus, which holds it against the whole value.
fn regex(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' | '.' | '+' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_stats::Objective;

    fn service(name: &str, profile: Profile) -> ServiceObjectives {
        ServiceObjectives {
            event_loop_turns: false,
            name: name.to_owned(),
            profile: Some(profile),
            objectives: Objectives::of(profile),
        }
    }

    #[test]
    fn what_is_the_same_for_all_stands_once() {
        let general = Objectives::default();
        assert_eq!(alerts_by_service(&general, &[]), alerts(&general));
        assert_eq!(alerts_by_service(&general, &[service("app*", Profile::General)]), alerts(&general));
    }

    #[test]
    fn the_first_name_that_fits_holds() {
        let general =
            Objectives { rss_peak_bytes: Some(Objective::below(100.0, None)), ..Objectives::default() };
        let mut none = service("a.b*", Profile::General);
        none.objectives.rss_peak_bytes = None;
        let mut more = service("引擎?", Profile::General);
        more.objectives.rss_peak_bytes = Some(Objective::below(200.0, None));
        let all = alerts_by_service(&general, &[none, more]);
        let high: Vec<_> = all.iter().filter(|a| a.name == "MemoryUsageHigh").collect();
        let on = "on (instance, service, slot) process_memory_rss_bytes";
        let (first, second) = (r#"{service=~"a\\.b.*"}"#, r#"{service=~"引擎.",service!~"a\\.b.*"}"#);
        assert_eq!(
            high.iter().map(|a| (a.service.as_deref(), a.expr.clone())).collect::<Vec<_>>(),
            [
                (None, format!("(process_memory_rss_bytes > 100) unless {on}{first} unless {on}{second}")),
                (Some("引擎?"), format!("(process_memory_rss_bytes > 200) and {on}{second}")),
            ]
        );
    }
}
