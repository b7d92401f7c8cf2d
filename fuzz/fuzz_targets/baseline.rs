//! A saved recording, which may come from anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = m5_report::doc::read_baseline(data);
});
