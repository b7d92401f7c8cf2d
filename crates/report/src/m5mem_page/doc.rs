//! What a process says of itself: its caches, pools, sockets and managed collections, as `m5mem` keeps them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The shared page of a process that publishes one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// How long ago it was written; absent where it never was.
    pub age_seconds: Option<f64>,
    /// Its values, in the order in which they came to the page.
    pub values: Vec<ApplicationValue>,
    /// Why the page was not read, where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Entries that could not be read.
    pub unreadable: u64,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationValue {
    /// Its name; that of a counter ends in `_total`.
    pub name: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The number; absent where the process does not know it yet.
    pub value: Option<f64>,
}
