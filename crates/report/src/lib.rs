//! Values in, a document out: text in English and Chinese, JSON with the same values. Touches no process.

pub mod alloc;
mod baseline;
mod comparison;
pub mod doc;
pub mod dump;
mod fleet;
mod health;
pub mod heap;
pub mod html;
mod list;
mod m5mem_page;
pub mod metrics;
mod objectives;
mod pauses;
mod process;
pub mod rules;
mod runs;
mod shared;
pub mod stalls;
mod stress;
pub mod text;
pub mod texts;
pub mod trim;
pub mod tune;
mod why;
mod words;

pub use comparison::gate;
pub use pauses::chrome::chrome_trace;
pub use shared::lang::{Lang, Text};
pub use shared::units;

/// A document as JSON, for people who read it too: indented, with a newline at its end.
///
/// # Errors
/// Never for the documents of this crate: their keys are strings.
pub fn json<T: serde::Serialize>(document: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|mut text| {
        text.push('\n');
        text
    })
}
