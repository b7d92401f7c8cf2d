//! What runs for a while: finding processes, the sampling loop, recordings and what is derived from them; the
//! exporter's web side; queries over a whole fleet.

mod discover;
pub mod fleet;
pub mod web;

pub use discover::{Discovered, discover};
