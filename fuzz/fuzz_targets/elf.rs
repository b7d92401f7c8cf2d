//! A foreign process's ELF image: headers, dynamic section, hash tables.
#![no_main]

use libfuzzer_sys::fuzz_target;
use m5_cpython::elf::Image;
use m5_process::BufferMemory;

fuzz_target!(|data: &[u8]| {
    let base = 0x5555_0000;
    let memory = BufferMemory::new(base, data.to_vec());
    if let Ok(Some(image)) = Image::open(&memory, base) {
        let _ = image.symbol(&memory, "_PyRuntime");
    }
});
