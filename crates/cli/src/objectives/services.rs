//! Objectives of services by name: `[[services]]` in the settings file.

use super::{changed, profile_named};
use m5_report::rules::ServiceObjectives;
use m5_stats::{Objectives, Profile};
use toml::{Table, Value};

/// What the settings say of services, in their order; and whether turns of event loops are exported where none says it.
pub(super) fn parse(text: &str, general: &Objectives) -> Result<(Vec<ServiceObjectives>, bool), String> {
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let turns = turns(&mut table, false)?;
    let services = match table.remove("services") {
        None => return Ok((Vec::new(), turns)),
        Some(Value::Array(services)) => services,
        Some(_) => return Err("services is no list: write [[services]] with name = \"app*\"".to_owned()),
    };
    let services = services.into_iter().map(|service| one(service, general, turns));
    Ok((services.collect::<Result<_, _>>()?, turns))
}

/// Whether turns of event loops are exported.
fn turns(table: &mut Table, default: bool) -> Result<bool, String> {
    match table.remove("event_loop_turns") {
        None => Ok(default),
        Some(Value::Boolean(turns)) => Ok(turns),
        Some(other) => Err(format!("event_loop_turns = {other}: write true or false")),
    }
}

/// Begins with what holds for all, or with a profile of its own.
fn one(service: Value, general: &Objectives, all_turns: bool) -> Result<ServiceObjectives, String> {
    let Value::Table(mut service) = service else {
        return Err("[[services]] is no table: write name = \"app*\"".to_owned());
    };
    let name = match service.remove("name") {
        Some(Value::String(name)) if !name.is_empty() => name,
        _ => return Err("[[services]] lacks its name: write name = \"app*\"".to_owned()),
    };
    let within = |reason: String| format!("services {name:?}: {reason}");
    let profile = profile_named(service.remove("profile")).map_err(within)?;
    let mut own = profile.map_or(*general, |profile: Profile| Objectives::of(profile));
    if let Some(patch) = service.remove("objectives") {
        changed(&mut own, patch).map_err(within)?;
    }
    let event_loop_turns = turns(&mut service, all_turns).map_err(within)?;
    match service.keys().next() {
        Some(key) => {
            let known = "there are name, profile, objectives and event_loop_turns";
            Err(within(format!("{key} is not known; {known}")))
        }
        None => Ok(ServiceObjectives { name, profile, objectives: own, event_loop_turns }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_with_what_holds_for_all() {
        let text = "[[services]]\nname = 'app*'\n[services.objectives]\nrss_peak_bytes = { alert = '64MB' }\n\
                    gc_pause_p95_seconds = false\n[[services]]\nname = 'engine'\nprofile = 'trading'";
        let (found, turns) = parse(text, &Objectives::default()).unwrap();
        assert!(!turns);
        assert_eq!(found.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["app*", "engine"]);
        assert_eq!(found[0].objectives.rss_peak_bytes.unwrap().alert, Some(67_108_864.0));
        assert_eq!(found[0].objectives.gc_pause_p95_seconds, None);
        assert_eq!(found[0].objectives.fd_limit_ratio, Objectives::default().fd_limit_ratio);
        assert_eq!(found[1].objectives, Objectives::of(Profile::Trading));
    }

    #[test]
    fn turns_are_exported_of_those_that_ask_for_it() {
        let asks = |text: &str| {
            let (services, all) = parse(text, &Objectives::default()).unwrap();
            (services.iter().map(|s| s.event_loop_turns).collect::<Vec<_>>(), all)
        };
        let services = "[[services]]\nname = 'a'\nevent_loop_turns = true\n[[services]]\nname = 'b'\n";
        assert_eq!(asks(services), (vec![true, false], false));
        assert_eq!(asks(&format!("event_loop_turns = true\n{services}")), (vec![true, true], true));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("services = 3", "[[services]]"),
            ("services = [3]", "[[services]]"),
            ("[[services]]\nobjectives = {}", "name"),
            ("[[services]]\nname = 'a'\nobjective = {}", "objective is not known"),
            ("[[services]]\nname = 'a'\nprofile = 'web'", "web"),
            ("event_loop_turns = 1", "true or false"),
            ("[[services]]\nname = 'a'\nevent_loop_turns = 'yes'", "true or false"),
            ("[[services]]\nname = 'a'\n[services.objectives]\nrss = { pass = 1 }", "rss"),
        ] {
            let said = parse(text, &Objectives::default()).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
