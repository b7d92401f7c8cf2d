//! Asks, ranks, looks closer at the worst, and ranks again with m5's own verdicts.

use super::{Client, FleetError, Queries, Series};
use m5_report::doc::{Fleet, Group, Instance};
use m5_stats::{Point, assess};
use std::collections::BTreeMap;

/// What to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct SurveyOptions {
    /// Labels that make a group.
    pub by: Vec<String>,
    /// Extra matchers, `job="m5"` for instance.
    pub matcher: String,
    /// Seconds to look back for slopes and floors.
    pub window: f64,
    /// Unix seconds at which to ask.
    pub at: f64,
    /// How many groups to look at closely.
    pub groups: usize,
    /// How many instances of each.
    pub instances: usize,
}

type Key = Vec<(String, String)>;

/// Surveys a fleet.
///
/// # Errors
/// As [`FleetError`] says.
pub fn survey(client: &Client, options: &SurveyOptions) -> Result<Fleet, FleetError> {
    let queries = Queries::new(&options.by, &format!("{}s", options.window as u64), &options.matcher);
    let mut groups = gather(client, &queries, options)?;
    groups.sort_by(|a, b| suspicion(b).total_cmp(&suspicion(a)).then_with(|| a.labels.cmp(&b.labels)));
    let slopes = client.instant(&queries.slope(), Some(options.at))?;
    for group in groups.iter_mut().take(options.groups) {
        look_closer(client, options, &slopes, group)?;
    }
    Ok(Fleet::ranked(groups))
}

fn suspicion(group: &Group) -> f64 {
    group.growing_share.unwrap_or(0.0) + group.near_limit as f64 / group.instances.max(1) as f64
}

fn gather(client: &Client, queries: &Queries, options: &SurveyOptions) -> Result<Vec<Group>, FleetError> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    let mut each = |query: String, set: fn(&mut Group, f64)| -> Result<(), FleetError> {
        for series in client.instant(&query, Some(options.at))? {
            let labels = key(&series, &options.by);
            let group = groups.entry(labels.clone()).or_insert_with(|| Group { labels, ..Group::default() });
            if let Some(value) = series.last() {
                set(group, value);
            }
        }
        Ok(())
    };
    each(queries.instances(), |g, v| g.instances = v as u64)?;
    each(queries.growing_share(), |g, v| g.growing_share = Some(v))?;
    each(queries.median_slope(), |g, v| g.median_slope = Some(v))?;
    each(queries.median_floor(), |g, v| g.median_floor = Some(v))?;
    each(queries.near_limit(), |g, v| g.near_limit = v as u64)?;
    Ok(groups.into_values().collect())
}

fn key(series: &Series, by: &[String]) -> Key {
    by.iter().map(|name| (name.clone(), series.label(name).to_owned())).collect()
}

fn look_closer(
    client: &Client,
    options: &SurveyOptions,
    slopes: &[Series],
    group: &mut Group,
) -> Result<(), FleetError> {
    let mut own: Vec<&Series> =
        slopes.iter().filter(|s| key(s, &options.by) == group.labels && s.last().is_some()).collect();
    own.sort_by(|a, b| b.last().unwrap_or(0.0).total_cmp(&a.last().unwrap_or(0.0)));
    for series in own.into_iter().take(options.instances) {
        let matcher: Vec<String> = series
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={}", serde_json::json!(value)))
            .collect();
        let one = Queries::new(&options.by, "", &matcher.join(", "));
        let step = (options.window / 300.0).max(15.0).round();
        let start = options.at - options.window;
        let floors = client.range(&one.floor(), start, options.at, step)?;
        let points: Vec<Point> =
            floors.iter().flat_map(|s| &s.points).map(|(t, v)| Point { t: *t, v: *v }).collect();
        let instance = series.label("instance").to_owned();
        group.judged.push(Instance { instance, assessment: assess(&points) });
    }
    Ok(())
}
