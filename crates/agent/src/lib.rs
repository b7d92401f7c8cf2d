//! What runs for a while: finding processes, the sampling loop, recordings and what is derived from them; the
//! web side of the exporter.

mod discover;
pub mod web;

pub use discover::{Discovered, discover};
