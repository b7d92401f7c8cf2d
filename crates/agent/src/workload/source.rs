//! Where a load is read, and how a user writes that.

use super::metric;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// An answer takes no longer than this.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Largest answer of an endpoint that is read.
const MAX_ANSWER: u64 = 16 << 20;
/// A number needs no more of a file.
const MAX_FILE: u64 = 256;

/// Why a load cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// An address without the metric's name.
    #[error(
        "{0} does not name a metric: write it after a #, as in http://127.0.0.1:8000/metrics#orders_total"
    )]
    Unnamed(String),
    /// A file that cannot be read.
    #[error("cannot read the load from {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file without a number.
    #[error("{path} does not begin with a number")]
    NotANumber {
        /// The file.
        path: PathBuf,
    },
    /// An endpoint that does not answer.
    #[error("cannot read the load from {url}: {detail}")]
    Unreachable {
        /// Its address, without user and password.
        url: String,
        /// The reason.
        detail: String,
    },
    /// An endpoint without that metric.
    #[error("{url} has no metric {metric}")]
    NoMetric {
        /// Its address, without user and password.
        url: String,
        /// The metric.
        metric: String,
    },
}

/// Where a load is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadSource {
    /// A file that begins with a number.
    File(PathBuf),
    /// A metric of a Prometheus endpoint.
    Metric {
        /// Its address.
        url: String,
        /// Name, with labels where only some series count.
        metric: String,
    },
}

impl FromStr for WorkloadSource {
    type Err = WorkloadError;

    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return Ok(Self::File(text.into()));
        }
        match text.split_once('#') {
            Some((url, metric)) if !metric.is_empty() => {
                Ok(Self::Metric { url: url.to_owned(), metric: metric.to_owned() })
            }
            _ => Err(WorkloadError::Unnamed(bare(text))),
        }
    }
}

/// A reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) value: f64,
    /// Whether it counts up for ever, where that is said.
    pub(super) counter: Option<bool>,
}

impl WorkloadSource {
    /// How it is called in reports; without a user's name and password.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Metric { url, metric } => format!("{}#{metric}", bare(url)),
        }
    }

    /// Reads it once.
    ///
    /// # Errors
    /// As [`WorkloadError`] says.
    pub fn check(&self) -> Result<(), WorkloadError> {
        self.read(&agent()).map(|_| ())
    }

    pub(super) fn read(&self, agent: &ureq::Agent) -> Result<Reading, WorkloadError> {
        match self {
            Self::File(path) => {
                let mut text = String::new();
                let file = File::open(path).and_then(|f| f.take(MAX_FILE).read_to_string(&mut text));
                file.map_err(|source| WorkloadError::File { path: path.clone(), source })?;
                let number = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
                let value = number.filter(|v| v.is_finite());
                let value = value.ok_or_else(|| WorkloadError::NotANumber { path: path.clone() })?;
                Ok(Reading { value, counter: None })
            }
            Self::Metric { url, metric } => {
                let unreachable =
                    |e: ureq::Error| WorkloadError::Unreachable { url: bare(url), detail: e.to_string() };
                let mut answer = agent.get(url).call().map_err(unreachable)?;
                let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
                let read = metric::read(&body.map_err(unreachable)?, metric);
                let none = || WorkloadError::NoMetric { url: bare(url), metric: metric.clone() };
                read.map(|m| Reading { value: m.value, counter: m.counter }).ok_or_else(none)
            }
        }
    }
}

pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).user_agent("m5").build().into()
}

/// An address without a user's name and password.
fn bare(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    format!("{scheme}://{}{path}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let of = |text: &str| text.parse::<WorkloadSource>();
        assert_eq!(of("/run/orders").unwrap(), WorkloadSource::File("/run/orders".into()));
        let metric = of("http://me:secret@host:8000/metrics#orders_total{venue=\"a\"}").unwrap();
        assert_eq!(metric.name(), "http://host:8000/metrics#orders_total{venue=\"a\"}");
        let error = of("http://me:secret@host/metrics").unwrap_err().to_string();
        assert!(error.contains("#orders_total") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_file_begins_with_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("load");
        let source = WorkloadSource::File(path.clone());
        assert!(matches!(source.check(), Err(WorkloadError::File { .. })));
        std::fs::write(&path, "12.5 orders\n").unwrap();
        assert_eq!(source.read(&agent()).unwrap().value, 12.5);
        std::fs::write(&path, "many").unwrap();
        assert!(matches!(source.check(), Err(WorkloadError::NotANumber { .. })));
    }
}
