//! How sure a layout is, and where each of its fields comes from.

use serde::{Deserialize, Serialize};

/// How sure the layout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A build that the tables know, confirmed by the process.
    Exact,
    /// A build that the tables do not know, which publishes its own offsets; they agree with a table's shape
    /// and the process confirms it.
    Alias,
    /// A build that the tables do not know, of a minor version that they know, confirmed by the process alone:
    /// worth a warning.
    Fallback,
}

/// Where a field's offset comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The build publishes it and the table says the same.
    PublishedAndTable,
    /// The build publishes it; the table knows another build.
    Published,
    /// The table, and a check on the live process passed on it.
    TableChecked,
    /// The table alone.
    Table,
}
