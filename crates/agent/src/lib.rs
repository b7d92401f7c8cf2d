//! What runs for days.

pub mod fleet;
pub mod web;
