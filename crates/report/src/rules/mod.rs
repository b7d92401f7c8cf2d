//! Prometheus alert rules made from the objectives: what `m5.toml` changes, the alerts follow.

mod alerts;
mod services;
pub(crate) mod words;
mod yaml;

pub use alerts::{Alert, Severity, alerts};
pub use services::{ServiceObjectives, alerts_by_service};
pub use yaml::rules_yaml;
