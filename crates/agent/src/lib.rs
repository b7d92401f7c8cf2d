//! What runs for a while: finding processes, the sampling loop, recordings and what is derived from them; soak
//! tests; the exporter's web side; queries over a whole fleet.

pub mod compare;
pub mod derive;
mod discover;
mod dump;
pub mod exporter;
pub mod fleet;
pub mod gate;
pub mod history;
pub mod m5mem_page;
pub mod objectives;
pub mod otlp;
pub mod page;
mod permission;
pub mod pool;
pub mod record;
pub mod runs;
mod service_name;
mod snapshot;
pub mod stress;
mod teller;
pub mod tune;
pub mod tuning;
pub mod watchdog;
mod watched;
pub mod web;
pub mod workload;

pub use discover::{Discovered, discover};
pub use dump::dump;
pub use permission::permission_remedies;
pub use service_name::{ServiceNames, from_command as command_name, service_name, service_names};
pub use snapshot::process_snapshot;
pub use teller::teller;
