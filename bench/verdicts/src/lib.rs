//! What the benchmarks of verdicts and of the gate share: seeded randomness, generators, rivals.
#![allow(clippy::indexing_slicing)]

pub mod applications;
pub mod containers;
pub mod drawn;
pub mod events;
pub mod habits;
pub mod layers;
pub mod programs;
pub mod real;
pub mod rivals;
mod rng;
pub mod runtimes;
pub mod services;
pub mod wide;
mod window;
pub mod workloads;

pub use rng::Rng;
