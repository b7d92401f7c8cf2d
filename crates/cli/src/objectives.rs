//! The objectives: those of a profile, changed by a settings file whose values may be written as people write them.

mod services;

use crate::args::{ProfileArg, parse_duration, parse_rate_per_minute, parse_ratio, parse_size};
use crate::ctx::Ctx;
use crate::error::CliError;
use m5_agent::objectives::ObjectivesByService;
use m5_report::doc::ObjectivesFrom;
use m5_stats::{Objectives, ObjectivesPatch, Profile};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The file that is read where none is named.
pub(crate) const DEFAULT: &str = "m5.toml";

/// The objectives that hold here, for whom, and where they come from: a profile, changed by `--config`, `M5_CONFIG` or
/// `m5.toml` in this directory. Everything that judges asks this.
pub(crate) fn objectives(ctx: &Ctx) -> Result<ObjectivesByService, CliError> {
    let asked = ctx.profile.map(|profile| match profile {
        ProfileArg::General => Profile::General,
        ProfileArg::Trading => Profile::Trading,
    });
    let Some(path) = file(ctx) else {
        let profile = asked.unwrap_or_default();
        let from = ObjectivesFrom { profile, ..ObjectivesFrom::default() };
        return Ok(ObjectivesByService::new(Objectives::of(profile), from, Vec::new()));
    };
    let name = path.display().to_string();
    let text = text_of(&path)?;
    let read = || {
        let (general, profile) = parse(&text, asked)?;
        let (services, turns) = services::parse(&text, &general)?;
        let from = ObjectivesFrom { profile, file: Some(name.clone()), service: None };
        Ok(ObjectivesByService::new(general, from, services).with_event_loop_turns(turns))
    };
    read().map_err(|reason| CliError::Config { path: name.clone(), reason })
}

/// The settings file that holds here, if there is one.
pub(crate) fn file(ctx: &Ctx) -> Option<PathBuf> {
    ctx.config.clone().or_else(|| Some(PathBuf::from(DEFAULT)).filter(|path| path.is_file()))
}

fn text_of(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path)
        .map_err(|e| CliError::NoSettings { path: path.display().to_string(), reason: e.to_string() })
}

/// Other tables of the file belong to other commands and are left alone. A profile that was asked for on the command
/// line stands before the file's.
pub(crate) fn parse(text: &str, asked: Option<Profile>) -> Result<(Objectives, Profile), String> {
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let profile = asked.or(profile_named(table.remove("profile"))?).unwrap_or_default();
    let mut objectives = Objectives::of(profile);
    if let Some(patch) = table.remove("objectives") {
        changed(&mut objectives, patch)?;
    }
    Ok((objectives, profile))
}

fn profile_named(value: Option<Value>) -> Result<Option<Profile>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(name)) if name == "general" => Ok(Some(Profile::General)),
        Some(Value::String(name)) if name == "trading" => Ok(Some(Profile::Trading)),
        Some(other) => Err(format!("profile = {other}: there are \"general\" and \"trading\"")),
    }
}

/// Changes what a table of objectives names.
fn changed(objectives: &mut Objectives, value: Value) -> Result<(), String> {
    let Value::Table(mut named) = value else { return Err("[objectives] is no table".to_owned()) };
    // `name = false`: not judged.
    let off: Vec<String> =
        named.iter().filter(|(_, v)| **v == Value::Boolean(false)).map(|(name, _)| name.clone()).collect();
    for name in &off {
        named.remove(name);
        if !objectives.drop_named(name) {
            return Err(format!("objectives.{name}: there is no such objective"));
        }
    }
    for (name, levels) in &mut named {
        let Value::Table(levels) = levels else {
            return Err(format!("objectives.{name} is no table: write {name} = {{ pass = … }}, or false"));
        };
        for (level, value) in levels.iter_mut() {
            let number = number(name, value).map_err(|e| format!("objectives.{name}.{level}: {e}"))?;
            *value = Value::Float(number);
        }
    }
    let patch: ObjectivesPatch =
        Value::Table(named).try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
    objectives.apply(&patch);
    Ok(())
}

/// The unit of an objective is the end of its name.
fn number(name: &str, value: &Value) -> Result<f64, String> {
    match value {
        Value::Integer(i) => Ok(*i as f64),
        Value::Float(f) => Ok(*f),
        Value::String(s) if name.ends_with("bytes_per_second") => parse_rate_per_minute(s),
        Value::String(s) if name.ends_with("_bytes") => parse_size(s).map(|b| b as f64),
        Value::String(s) if name.ends_with("_seconds") => parse_duration(s).map(|d| d.as_secs_f64()),
        Value::String(s) if name.ends_with("_ratio") => parse_ratio(s),
        _ => Err("not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_people_write_them() {
        let text = "[objectives]\nrss_peak_bytes = { pass = '64MB', alert = '96MB' }\n\
                    growth_bytes_per_second = { pass = '6MB/min' }\ngrowth_24h_ratio = { pass = '7%' }\n\
                    gc_pause_p95_seconds = { pass = '20ms' }\nopen_fds = { low = 3, pass = 100 }\n[serve]\nport = 1";
        let (o, profile) = parse(text, None).unwrap();
        assert_eq!(profile, Profile::General);
        assert_eq!(
            (o.rss_peak_bytes.unwrap().pass, o.rss_peak_bytes.unwrap().alert),
            (67_108_864.0, Some(100_663_296.0))
        );
        assert!((o.growth_bytes_per_second.unwrap().pass - 104_857.6).abs() < 1e-6);
        assert!((o.growth_24h_ratio.unwrap().pass - 0.07).abs() < 1e-12);
        assert_eq!((o.gc_pause_p95_seconds.unwrap().pass, o.open_fds.unwrap().low), (0.02, Some(3.0)));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("[objectives]\nrss = { pass = 1 }", "rss"),
            ("[objectives]\nrss_peak_bytes = { pass = '4XB' }", "rss_peak_bytes.pass"),
            ("[objectives]\nrss_peak_bytes = 3", "rss_peak_bytes"),
            ("[objectives", "]"),
            ("profile = 'web'", "web"),
            ("[objectives]\nrss = false", "rss"),
        ] {
            assert!(parse(text, None).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn a_profile_is_chosen_by_the_file_and_before_it_by_the_command_line() {
        let text = "profile = 'trading'\n[objectives]\nconnections = false\n";
        let (trading, profile) = parse(text, None).unwrap();
        assert_eq!((profile, trading.connections), (Profile::Trading, None));
        assert_eq!(trading.open_fds, Objectives::of(Profile::Trading).open_fds);
        let (general, profile) = parse(text, Some(Profile::General)).unwrap();
        assert_eq!((profile, general), (Profile::General, Objectives::default()));
    }
}
