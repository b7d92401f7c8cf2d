//! An incident as its actions see it, and how much evidence of incidents is kept.

use m5_process::Identity;
use serde_json::Value;
use std::path::PathBuf;

/// How much evidence is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest incidents of each slot of a service.
    pub incidents: usize,
    /// Bytes in all.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { incidents: 20, bytes: 4 << 30 }
    }
}

/// What an action is about.
pub(super) struct Event {
    pub(super) identity: Identity,
    pub(super) service: String,
    pub(super) slot: usize,
    /// Service and slot.
    pub(super) process: String,
    pub(super) rule: String,
    pub(super) json: Value,
    pub(super) evidence: PathBuf,
    pub(super) keep: Keep,
    pub(super) unix_seconds: f64,
    pub(super) unit: Option<String>,
}
