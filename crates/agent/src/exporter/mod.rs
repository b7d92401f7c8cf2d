//! The exporter: a sampler fills, scrapes and pages read what it has published. No request ever waits for a
//! process.

mod families;
mod labels;
mod m5mem_page;
mod published;
mod run;

pub use families::families;
pub use published::Published;
pub use run::{ExporterOptions, ROUNDS_KEPT, Sinks, run};
