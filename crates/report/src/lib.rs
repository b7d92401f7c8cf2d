//! Values in, a document out; touches no process.

pub mod metrics;
pub mod rules;
