//! A tenth set of generators, all of it held out: written before anything was judged by it, without reading the code that
//! judges. What applications do: caches whose hot keys change, workers replaced by count, children of a task queue, frames,
//! batches by shape, fan-outs, books of orders, windows of streams, uploads, timetables, backfills, pools, conversations,
//! autoscalers, days of a shop; and leaks by what happens there: by fork, by message, by file, by thread, by label, by
//! incident, on Mondays. Most processes have lived for a while before their window begins. Seen at one second to half an
//! hour, ninety to two thousand samples in half an hour to five days (weeks where Mondays count).

pub(crate) mod chance;
mod data;
mod families;
mod family;
mod leaks;
mod made_of;
mod memory;
mod serving;

use crate::window::{Windows, drawn_from};

pub use family::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0x510e_527f_ade6_82d1,
    length: [0.0834, 20.0],
    samples: [90.0, 2000.0],
    every: [1.0, 600.0],
};

drawn_from!(WINDOWS);

#[cfg(test)]
mod tests {
    use super::*;

    crate::window::tests_of_families!();
}
