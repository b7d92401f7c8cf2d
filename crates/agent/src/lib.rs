<<<<<<< HEAD
//! What runs for a while: finding processes, the sampling loop, recordings and what is derived from them.

mod discover;

pub use discover::{Discovered, discover};
=======
//! What runs for days.

pub mod web;
>>>>>>> main
