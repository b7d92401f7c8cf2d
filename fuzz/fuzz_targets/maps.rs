//! The text of /proc/PID/maps, whose paths a process chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = m5_process::parse_maps(&String::from_utf8_lossy(data));
});
