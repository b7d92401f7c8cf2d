//! What runs for days.

pub mod web;
