//! More than one machine: an existing Prometheus (or what speaks its API) is asked which service and version
//! grows, and m5's own verdict is run on the floors of the worst.

mod client;
mod queries;
mod survey;

pub use client::{Client, FleetError, Series};
pub use queries::Queries;
pub use survey::{SurveyOptions, survey};
