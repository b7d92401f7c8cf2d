//! What the benchmarks of verdicts and of the gate share: seeded randomness.

mod rng;

pub use rng::Rng;
