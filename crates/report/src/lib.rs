//! Values in, a document out: text in English and Chinese, JSON with the same values. Touches no process.

mod chrome;
pub mod doc;
pub mod gate;
pub mod heap;
pub mod html;
mod lang;
pub mod metrics;
pub mod rules;
pub mod text;
pub mod texts;
pub mod units;

pub use chrome::chrome_trace;
pub use lang::{Lang, Text};

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
