//! An eighth set of generators, all of it held out to the end: written before anything was judged by it, looked at once.
//! Habits of programs: backlogs that are worked off, tables that follow their count, buffers by turns, noise of every
//! length, controllers that ring, retries that back off, additive increase, epochs, purges by timer. Seen at two seconds
//! to ten minutes, a hundred to two thousand samples in forty minutes to four days.

mod families;
mod parts;

use crate::window::{Windows, drawn_from};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x5be0_cd19_137e_2179,
    length: [0.11, 16.0],
    samples: [100.0, 2000.0],
    every: [2.0, 600.0],
};

drawn_from!(WINDOWS);
