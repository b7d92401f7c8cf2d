//! Families to learn from, drawn widely: a few kinds of processes with parameters over orders of magnitude, each alone and
//! below a leak of any shape. Nothing is judged on them but by trees that saw neither a family nor its twin.

mod families;
mod parts;

use crate::window::{Windows, drawn_from};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x1f83_d9ab_fb41_bd6b,
    length: [0.1, 18.0],
    samples: [110.0, 2200.0],
    every: [2.0, 600.0],
};

drawn_from!(WINDOWS);
