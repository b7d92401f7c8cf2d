//! The `[watch]` table of `m5.toml`. A mistake is named with its line.

use super::WatchArgs;
use crate::args::{parse_duration, parse_rate_per_minute, parse_size};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::objectives::{self, objectives};
use jiff::civil::{Time, Weekday};
use m5_agent::objectives::ObjectivesByService;
use m5_agent::watchdog::{Action, Keep, Level, Metric, Quiet, Restarts, Rule, Settings, Whom};
use m5_stats::Objectives;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
struct File {
    watch: Option<Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    rule: Vec<RuleTable>,
    quiet: Vec<QuietTable>,
    max_restarts: Option<Spanned<i64>>,
    restarts_within: Option<Spanned<String>>,
    keep_evidence: Option<Spanned<i64>>,
    evidence_size: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    name: String,
    service: Option<String>,
    metric: Metric,
    level: Spanned<Amount>,
    clear: Option<Spanned<Amount>>,
    hold: Option<Spanned<String>>,
    cooldown: Option<Spanned<String>>,
    max_restarts: Option<Spanned<i64>>,
    restarts_within: Option<Spanned<String>>,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(f64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietTable {
    #[serde(default)]
    days: Vec<Spanned<String>>,
    from: Spanned<String>,
    to: Spanned<String>,
    zone: Option<String>,
}

/// What went wrong, and the byte of the file at which it stands.
type Mistake = (String, usize);

/// The settings that hold here.
pub(super) fn settings(args: &WatchArgs, ctx: &Ctx) -> Result<Settings, CliError> {
    let table = match objectives::file(ctx) {
        None => None,
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path)
                .map_err(|e| CliError::NoSettings { path: name.clone(), reason: e.to_string() })?;
            read(&text).map_err(|reason| CliError::Config { path: name, reason })?
        }
    };
    let mut parts = table.unwrap_or_default();
    if parts.rules.is_empty() {
        parts.rules = usual_rules(&objectives(ctx)?);
    }
    Ok(Settings {
        rules: parts.rules,
        quiet: parts.quiet,
        keep: parts.keep,
        kills: args.act,
        evidence: super::evidence_dir(&args.evidence)?,
        unit: args.unit.clone(),
    })
}

/// A day, seconds.
const DAY: f64 = 86_400.0;

/// The rules of those who wrote none: one for each service with objectives of its own, one for all others.
fn usual_rules(objectives: &ObjectivesByService) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut but = Vec::new();
    for own in objectives.services() {
        let whom = Whom { only: Some(own.name.clone()), but: but.clone() };
        rules.push(Rule { whom, ..usual_rule(&own.objectives) });
        but.push(own.name.clone());
    }
    rules.push(Rule { whom: Whom { only: None, but }, ..usual_rule(objectives.general().0) });
    rules
}

/// The rule of those who wrote none. The guide's script: over the watchdog's level, a snapshot; looked at again after five
/// minutes. Where no level is named: a snapshot once the memory limit is reached within a day.
fn usual_rule(objectives: &Objectives) -> Rule {
    let (name, metric, level, cooldown) = match objectives.watchdog_rss_bytes {
        Some(o) => ("memory-high", Metric::Rss, Level { fires: o.pass, clears: o.pass * 0.95 }, 300.0),
        None => ("limit-near", Metric::TimeToLimit, Level { fires: DAY, clears: 2.0 * DAY }, DAY / 4.0),
    };
    Rule {
        name: name.to_owned(),
        whom: Whom::default(),
        metric,
        level,
        hold: 0.0,
        cooldown,
        restarts: Restarts::default(),
        actions: vec![Action::Snapshot],
    }
}

/// What the table holds.
#[derive(Debug, Default)]
struct Parts {
    rules: Vec<Rule>,
    quiet: Vec<Quiet>,
    keep: Keep,
}

fn read(text: &str) -> Result<Option<Parts>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string().trim().to_owned())?;
    let Some(table) = file.watch else { return Ok(None) };
    let placed = |(what, at): Mistake| format!("line {}: {what}", 1 + text[..at].matches('\n').count());
    let restarts = restarts(table.max_restarts.as_ref(), table.restarts_within.as_ref(), Restarts::default())
        .map_err(placed)?;
    let rules: Result<Vec<Rule>, Mistake> = table.rule.into_iter().map(|r| rule(r, restarts)).collect();
    let quiet: Result<Vec<Quiet>, Mistake> = table.quiet.into_iter().map(quiet_hours).collect();
    let keep = kept(table.keep_evidence.as_ref(), table.evidence_size.as_ref());
    Ok(Some(Parts {
        rules: rules.map_err(placed)?,
        quiet: quiet.map_err(placed)?,
        keep: keep.map_err(placed)?,
    }))
}

fn kept(incidents: Option<&Spanned<i64>>, size: Option<&Spanned<String>>) -> Result<Keep, Mistake> {
    let mut keep = Keep::default();
    if let Some(number) = incidents {
        let some = usize::try_from(*number.get_ref()).ok().filter(|n| *n > 0);
        let mistake = || ("keep_evidence: a number of incidents, 1 or more".to_owned(), number.span().start);
        keep.incidents = some.ok_or_else(mistake)?;
    }
    if let Some(size) = size {
        keep.bytes = parse_size(size.get_ref()).map_err(|what| (what, size.span().start))?;
    }
    Ok(keep)
}

fn restarts(
    most: Option<&Spanned<i64>>,
    within: Option<&Spanned<String>>,
    default: Restarts,
) -> Result<Restarts, Mistake> {
    let number = |n: &Spanned<i64>| {
        let some = usize::try_from(*n.get_ref()).ok().filter(|n| (1..=1000).contains(n));
        some.ok_or_else(|| ("max_restarts: a number from 1 to 1000".to_owned(), n.span().start))
    };
    Ok(Restarts { most: most.map_or(Ok(default.most), number)?, within: seconds(within, default.within)? })
}

fn rule(table: RuleTable, default_restarts: Restarts) -> Result<Rule, Mistake> {
    let fires = amount(table.metric, &table.level)?;
    let default = if table.metric.falls() { fires * 1.05 } else { fires * 0.95 };
    let clears = table.clear.as_ref().map_or(Ok(default), |c| amount(table.metric, c))?;
    let wrong = if table.metric.falls() { clears < fires } else { clears > fires };
    if wrong {
        let at = table.clear.as_ref().map_or(0, |c| c.span().start);
        return Err((format!("rule {}: it would never clear: `clear` lies beyond `level`", table.name), at));
    }
    let restarts = restarts(table.max_restarts.as_ref(), table.restarts_within.as_ref(), default_restarts)?;
    let mut actions = table.actions;
    Action::evidence_first(&mut actions);
    Ok(Rule {
        hold: seconds(table.hold.as_ref(), 0.0)?,
        cooldown: seconds(table.cooldown.as_ref(), 1800.0)?,
        restarts,
        name: table.name,
        whom: Whom { only: table.service, but: Vec::new() },
        metric: table.metric,
        level: Level { fires, clears },
        actions,
    })
}

fn amount(metric: Metric, value: &Spanned<Amount>) -> Result<f64, Mistake> {
    let at = value.span().start;
    let parsed = match value.get_ref() {
        Amount::Number(n) => Ok(*n),
        Amount::Text(text) => match metric {
            Metric::Rss => parse_size(text).map(|b| b as f64),
            Metric::Growth => parse_rate_per_minute(text),
            Metric::TimeToLimit | Metric::GcPauseP95 => parse_duration(text).map(|d| d.as_secs_f64()),
            Metric::Verdict | Metric::Fds | Metric::FdGrowth | Metric::Connections => {
                Err("a number, without quotes".to_owned())
            }
        },
    };
    parsed.map_err(|what| (what, at))
}

fn seconds(value: Option<&Spanned<String>>, default: f64) -> Result<f64, Mistake> {
    value.map_or(Ok(default), |v| {
        parse_duration(v.get_ref()).map(|d| d.as_secs_f64()).map_err(|what| (what, v.span().start))
    })
}

fn quiet_hours(table: QuietTable) -> Result<Quiet, Mistake> {
    let all = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = |name: &Spanned<String>| {
        let found = all.iter().position(|d| name.get_ref().to_ascii_lowercase().starts_with(d));
        let weekday = found.and_then(|i| Weekday::from_monday_zero_offset(i as i8).ok());
        weekday.ok_or_else(|| (format!("no day: {}", name.get_ref()), name.span().start))
    };
    let time = |text: &Spanned<String>| {
        text.get_ref()
            .parse::<Time>()
            .map_err(|_| (format!("no time of day: {} (write 09:30)", text.get_ref()), text.span().start))
    };
    let mut days: Vec<Weekday> = table.days.iter().map(day).collect::<Result<_, _>>()?;
    if days.is_empty() {
        days = (0..7).filter_map(|i| Weekday::from_monday_zero_offset(i).ok()).collect();
    }
    Ok(Quiet { days, from: time(&table.from)?, to: time(&table.to)?, zone: table.zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[watch]
keep_evidence = 5
evidence_size = "512MB"
[[watch.rule]]
name = "rss"
metric = "rss"
level = "80MB"
clear = "70MB"
hold = "30s"
cooldown = "30m"
actions = ["restart", { webhook = "http://127.0.0.1:1/" }, "snapshot", { signal = "TERM" }]
[[watch.rule]]
name = "limit"
metric = "time_to_limit"
level = "24h"
actions = ["gc_profile"]
[[watch.quiet]]
days = ["mon", "Friday"]
from = "09:30"
to = "16:00"
zone = "America/New_York"
"#;

    #[test]
    fn rules_and_quiet_hours() {
        let Parts { rules, quiet, keep } = read(GOOD).unwrap().unwrap();
        assert_eq!(keep, Keep { incidents: 5, bytes: 512 << 20 });
        assert_eq!(rules[0].level, Level { fires: 83_886_080.0, clears: 73_400_320.0 });
        assert_eq!((rules[0].hold, rules[0].cooldown), (30.0, 1800.0));
        assert_eq!(rules[0].restarts, Restarts { most: 5, within: 3600.0 });
        let more = GOOD.replacen("[watch]", "[watch]\nrestarts_within = \"2h\"", 1);
        let more = more.replacen("hold = ", "max_restarts = 2\nhold = ", 1);
        let rules_of = read(&more).unwrap().unwrap().rules;
        let bounds: Vec<_> = rules_of.iter().map(|r| (r.restarts.most, r.restarts.within)).collect();
        assert_eq!(bounds, [(2, 7200.0), (5, 7200.0)]);
        let words: Vec<_> = rules[0].actions.iter().map(Action::word).collect();
        assert_eq!(words, ["snapshot", "webhook", "signal", "restart"]);
        assert_eq!(rules[1].level.fires, 86_400.0);
        assert_eq!(quiet[0].days, [Weekday::Monday, Weekday::Friday]);
        assert!(read("[objectives]\n").unwrap().is_none());
        let bare = read("[watch]\n").unwrap().unwrap();
        assert!(bare.rules.is_empty() && bare.keep == Keep { incidents: 20, bytes: 4 << 30 });
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (from, to, line) in [
            ("\"80MB\"", "\"80XB\"", "line 8"),
            ("\"70MB\"", "\"90MB\"", "line 9"),
            ("\"30s\"", "\"soon\"", "line 10"),
            ("\"16:00\"", "\"dusk\"", "line 21"),
            ("\"mon\"", "\"noday\"", "line 19"),
            ("metric = \"rss\"", "metric = \"rsss\"", "line 7"),
            ("= 5", "= 0", "line 3"),
            ("= 5", "= \"many\"", "line 3"),
            ("\"512MB\"", "\"512XB\"", "line 4"),
            ("hold =", "hould =", "line 10"),
            ("hold =", "max_restarts = 0\nhold =", "line 10"),
        ] {
            let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(line), "{from} {error}");
        }
    }
}
