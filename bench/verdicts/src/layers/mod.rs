//! A sixth set of generators, all of it held out to the end. What watchers see of the layers of a process: threads,
//! descriptors, objects, arenas, resident and anonymous memory with swap; stores that flush and merge, timetables,
//! trading hours, pages shared since a fork, warm-ups that begin late, leaks that pause. Seen at five seconds to five
//! minutes, a hundred and fifty to twelve hundred samples in one hour to sixty.

mod families;
mod parts;

use crate::window::{Windows, drawn_from};

pub use families::{FAMILIES, Family, is_leak};

const WINDOWS: Windows = Windows {
    salt: 0xbb67_ae85_84ca_a73b,
    length: [0.17, 10.0],
    samples: [150.0, 1200.0],
    every: [5.0, 300.0],
};

drawn_from!(WINDOWS);
