//! A ninth set of generators, all of it held out: written before anything was judged by it, looked at once.
//! What runtimes, allocators and kernels do beneath services: code that is compiled as it is used, entries that expire while
//! traffic changes, workers recycled in step, indexes mapped anew, heaps trimmed from a threshold on, huge pages, full
//! collections by a quarter, storms of connections, configurations, limits with throttling, copies on write, weekends. Seen
//! at one second to ten minutes, ninety to two thousand samples in half an hour to four days and a half.

mod beneath;
mod families;
mod leaks;
mod parts;

use crate::window::{Windows, drawn_from};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x6a09_e667_f3bc_c908,
    length: [0.085, 18.0],
    samples: [90.0, 2000.0],
    every: [1.0, 600.0],
};

drawn_from!(WINDOWS);
