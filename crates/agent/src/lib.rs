//! What runs for a while: finding processes, the sampling loop, recordings and what is derived from them; the
//! web side of the exporter.

pub mod criteria;
pub mod derive;
mod discover;
pub mod record;
pub mod web;

pub use discover::{Discovered, discover};
