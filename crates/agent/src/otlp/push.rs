//! The pushing: a thread of its own, so that a slow receiver never delays a sample. Sums are cumulative: what is
//! not delivered is in the next request.

use super::encode;
use crate::pool::Pool;
use m5_process::{Machine, unix_ns};
use m5_report::metrics::{Family, Kind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use std::{fs, io, thread};

/// Longest time for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing can be pushed.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// Not an address.
    #[error("{0} is no address of an OTLP receiver: give http://HOST:4318 or https://HOST")]
    Address(String),
    /// The file with the headers could not be read.
    #[error("cannot read {path}: {source}")]
    Headers {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A line of it is no header.
    #[error("{path}: line {line} is no `Name: value`")]
    Line {
        /// The file.
        path: String,
        /// Which line.
        line: usize,
    },
    /// No thread could be started.
    #[error("cannot start the OTLP thread: {0}")]
    Start(io::Error),
}

/// What the thread has done.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
}

/// Pushes what a pool knows.
#[derive(Debug)]
pub struct Pusher {
    queue: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
    host: Option<String>,
    began_ns: u64,
}

impl Pusher {
    /// Starts pushing to a receiver. `headers` names a file of `Name: value` lines, for receivers that ask who
    /// sends.
    ///
    /// # Errors
    /// [`OtlpError`].
    pub fn start(address: &str, headers: Option<&Path>) -> Result<Self, OtlpError> {
        let url = endpoint(address)?;
        let headers = headers.map(read_headers).transpose()?.unwrap_or_default();
        let (queue, requests) = sync_channel::<Vec<u8>>(1);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        let run = move || {
            for request in requests {
                let mut post = agent.post(&url).header("Content-Type", "application/x-protobuf");
                for (name, value) in &headers {
                    post = post.header(name, value);
                }
                let counter = if post.send(&request[..]).is_ok() { &shared.sent } else { &shared.failed };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        thread::Builder::new().name("m5-otlp".into()).spawn(run).map_err(OtlpError::Start)?;
        let host = Machine::read(Path::new("/proc")).hostname;
        Ok(Self { queue, counts, host, began_ns: unix_ns() })
    }

    /// Hands over what the pool has just sampled; while the receiver is slow, nothing is queued up.
    pub fn push(&self, pool: &Pool) {
        let request = encode(pool, self.host.as_deref(), self.began_ns, unix_ns());
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.try_send(request) {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the pushing says of itself.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let one = |name, help, value: &AtomicU64| {
            Family::single(name, Kind::Counter, help, Some(value.load(Ordering::Relaxed) as f64))
        };
        vec![
            one("m5_otlp_requests_total", "OTLP requests that were delivered.", &self.counts.sent),
            one("m5_otlp_errors_total", "OTLP requests that were not.", &self.counts.failed),
        ]
    }
}

/// The path that OTLP over HTTP has for metrics, unless the address names it.
fn endpoint(address: &str) -> Result<String, OtlpError> {
    let wrong = || OtlpError::Address(address.to_owned());
    let rest =
        address.strip_prefix("http://").or_else(|| address.strip_prefix("https://")).ok_or_else(wrong)?;
    if rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace) {
        return Err(wrong());
    }
    let base = address.trim_end_matches('/');
    Ok(if base.ends_with("/v1/metrics") { base.to_owned() } else { format!("{base}/v1/metrics") })
}

fn read_headers(path: &Path) -> Result<Vec<(String, String)>, OtlpError> {
    let name = path.display().to_string();
    let text =
        fs::read_to_string(path).map_err(|source| OtlpError::Headers { path: name.clone(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        let (key, value) = line.split_once(':').map(|(k, v)| (k.trim(), v.trim())).unwrap_or_default();
        let known = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let clean =
            !key.is_empty() && key.chars().all(known) && value.chars().all(|c| matches!(c, ' '..='~'));
        let good = clean.then(|| (key.to_owned(), value.to_owned()));
        good.ok_or_else(|| OtlpError::Line { path: name.clone(), line: number + 1 })
    };
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for given in ["http://h:4318", "http://h:4318/", "http://h:4318/v1/metrics"] {
            assert_eq!(endpoint(given).unwrap(), "http://h:4318/v1/metrics", "{given}");
        }
        assert_eq!(endpoint("https://h/otlp").unwrap(), "https://h/otlp/v1/metrics");
        for given in ["h:4318", "http://", "grpc://h", "http:// h"] {
            assert!(endpoint(given).is_err(), "{given}");
        }
    }

    #[test]
    fn headers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "Authorization: Bearer a:b\n\nX-Scope-OrgID: 7\n").unwrap();
        let read = read_headers(file.path()).unwrap();
        assert_eq!(read[0], ("Authorization".to_owned(), "Bearer a:b".to_owned()));
        fs::write(file.path(), "X-A: b\nnonsense\n").unwrap();
        assert!(matches!(read_headers(file.path()), Err(OtlpError::Line { line: 2, .. })));
    }
}
