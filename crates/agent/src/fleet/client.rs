//! Prometheus' HTTP API: instant and range queries, with bounds on time and size.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Largest answer that is read.
const MAX_ANSWER: u64 = 256 << 20;

/// Why the fleet could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No answer.
    #[error("cannot reach Prometheus at {url}: {detail}")]
    Unreachable {
        /// The base address.
        url: String,
        /// The reason.
        detail: String,
    },
    /// An answer that says no.
    #[error("Prometheus refused the query: {detail}")]
    Refused {
        /// Its words.
        detail: String,
    },
    /// An answer that is not of the API's form.
    #[error("{url} does not speak Prometheus' API: {detail}")]
    Foreign {
        /// The base address.
        url: String,
        /// What is wrong.
        detail: String,
    },
}

/// One series: its labels and its values in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Unix seconds and value; values that are no numbers are left out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A label's value, empty where there is none.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The last value.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|(_, v)| *v)
    }
}

/// A Prometheus at an address.
pub struct Client {
    base: String,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// Talks to the API below this address (`http://host:9090`, or with Mimir's or Thanos' prefix).
    #[must_use]
    pub fn new(base: &str, token: Option<String>, timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .user_agent("m5")
            .build();
        Self { base: base.trim_end_matches('/').to_owned(), token, agent: config.into() }
    }

    /// The values of an expression at one moment (Unix seconds; `None` is now).
    ///
    /// # Errors
    /// As [`FleetError`] says.
    pub fn instant(&self, query: &str, time: Option<f64>) -> Result<Vec<Series>, FleetError> {
        let mut form = vec![("query", query.to_owned())];
        form.extend(time.map(|t| ("time", t.to_string())));
        self.post("query", &form)
    }

    /// The values of an expression from `start` to `end` (Unix seconds), every `step` seconds.
    ///
    /// # Errors
    /// As [`FleetError`] says.
    pub fn range(&self, query: &str, start: f64, end: f64, step: f64) -> Result<Vec<Series>, FleetError> {
        let form = [
            ("query", query.to_owned()),
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("step", step.to_string()),
        ];
        self.post("query_range", &form)
    }

    fn post(&self, what: &str, form: &[(&str, String)]) -> Result<Vec<Series>, FleetError> {
        let mut request = self.agent.post(format!("{}/api/v1/{what}", self.base));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let unreachable =
            |e: ureq::Error| FleetError::Unreachable { url: self.base.clone(), detail: e.to_string() };
        let mut response =
            request.send_form(form.iter().map(|(k, v)| (*k, v.as_str()))).map_err(unreachable)?;
        let status = response.status();
        let text =
            response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(unreachable)?;
        parse(&text).map_err(|detail| match detail {
            Refusal::M5memWords(detail) => FleetError::Refused { detail },
            Refusal::Foreign(detail) => {
                FleetError::Foreign { url: self.base.clone(), detail: format!("HTTP {status}, {detail}") }
            }
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    M5memWords(String),
    Foreign(String),
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

fn parse(text: &str) -> Result<Vec<Series>, Refusal> {
    let answer: Answer = serde_json::from_str(text).map_err(|e| Refusal::Foreign(e.to_string()))?;
    if answer.status != "success" {
        return Err(Refusal::M5memWords(answer.error.unwrap_or(answer.status)));
    }
    let rows = answer.data.map(|d| d.result).unwrap_or_default();
    Ok(rows.into_iter().map(series).collect())
}

fn series(row: Row) -> Series {
    let number = |(time, text): (f64, String)| {
        let value = text.parse::<f64>().ok().filter(|v| v.is_finite())?;
        Some((time, value))
    };
    let points = row.value.into_iter().chain(row.values).filter_map(number).collect();
    Series { labels: row.metric, points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors_and_matrices() {
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"service":"a"},"values":[[1,"2"],[2,"NaN"],[3,"4"]]},
            {"metric":{},"value":[1.5,"7"]}]}}"#;
        let got = parse(text).unwrap();
        assert_eq!(got[0].points, [(1.0, 2.0), (3.0, 4.0)]);
        assert_eq!((got[0].label("service"), got[1].last()), ("a", Some(7.0)));
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert_eq!(parse(refused), Err(Refusal::M5memWords("parse error".into())));
        assert!(matches!(parse("<html>"), Err(Refusal::Foreign(_))));
    }

    proptest! {
        #[test]
        fn foreign_answers_never_panic(text in "\\PC{0,300}") {
            let _ = parse(&text);
        }
    }
}
