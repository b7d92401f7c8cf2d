//! Prometheus alert rules made from the objectives: what `m5.toml` changes, the alerts follow.

mod alerts;
pub(crate) mod words;
mod yaml;

pub use alerts::{Alert, Severity, alerts};
pub use yaml::rules_yaml;
