//! The objectives: m5's defaults, changed by a settings file whose values may be written as people write them.

use crate::args::{parse_duration, parse_rate_per_minute, parse_ratio, parse_size};
use crate::ctx::Ctx;
use crate::error::CliError;
use m5_stats::{Objectives, ObjectivesPatch};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The file that is read where none is named.
const DEFAULT: &str = "m5.toml";

/// The objectives that hold here: `--config`, `M5_CONFIG`, `m5.toml` in this directory, or the defaults.
pub(crate) fn objectives(ctx: &Ctx) -> Result<Objectives, CliError> {
    file(ctx).map_or_else(|| Ok(Objectives::default()), |path| read(&path))
}

/// The settings file that holds here, if there is one.
pub(crate) fn file(ctx: &Ctx) -> Option<PathBuf> {
    ctx.config.clone().or_else(|| Some(PathBuf::from(DEFAULT)).filter(|path| path.is_file()))
}

fn read(path: &Path) -> Result<Objectives, CliError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|e| CliError::Unreadable { path: name.clone(), reason: e.to_string() })?;
    parse(&text).map_err(|reason| CliError::Config { path: name, reason })
}

/// Other tables of the file belong to other commands and are left alone.
fn parse(text: &str) -> Result<Objectives, String> {
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| e.message().to_owned())?;
    let mut objectives = Objectives::default();
    let Some(value) = table.remove("objectives") else { return Ok(objectives) };
    let Value::Table(mut named) = value else { return Err("[objectives] is no table".to_owned()) };
    for (name, levels) in &mut named {
        let Value::Table(levels) = levels else {
            return Err(format!("objectives.{name} is no table: write {name} = {{ pass = … }}"));
        };
        for (level, value) in levels.iter_mut() {
            let number = number(name, value).map_err(|e| format!("objectives.{name}.{level}: {e}"))?;
            *value = Value::Float(number);
        }
    }
    let patch: ObjectivesPatch =
        Value::Table(named).try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
    objectives.apply(&patch);
    Ok(objectives)
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
        let o = parse(text).unwrap();
        assert_eq!((o.rss_peak_bytes.pass, o.rss_peak_bytes.alert), (67_108_864.0, Some(100_663_296.0)));
        assert!((o.growth_bytes_per_second.pass - 104_857.6).abs() < 1e-6);
        assert!((o.growth_24h_ratio.pass - 0.07).abs() < 1e-12);
        assert_eq!((o.gc_pause_p95_seconds.pass, o.open_fds.low), (0.02, Some(3.0)));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("[objectives]\nrss = { pass = 1 }", "rss"),
            ("[objectives]\nrss_peak_bytes = { pass = '4XB' }", "rss_peak_bytes.pass"),
            ("[objectives]\nrss_peak_bytes = 3", "rss_peak_bytes"),
            ("[objectives", "]"),
        ] {
            assert!(parse(text).unwrap_err().contains(word), "{text}");
        }
    }
}
