//! A collector's state, its rings, and what a build publishes about itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use m5_cpython::layout::{Published, Stats, TABLES};
use m5_cpython::{decode_gc, decode_population, decode_rings};

fuzz_target!(|data: &[u8]| {
    for layout in TABLES {
        let _ = (decode_gc(data, layout), decode_population(data, layout));
        if let Stats::Ring { sizes, .. } = layout.stats {
            let _ = decode_rings(data, sizes);
        }
        if let Some(at) = layout.published {
            let published = Published::decode(data, &at);
            if published.unsound(published.runtime_size).is_none() {
                let _ = published.beside(&published.applied_to(layout));
            }
        }
    }
});
