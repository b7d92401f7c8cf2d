//! What m5 itself keeps in memory after a start that took more: freed memory, and code that ran once.
#![allow(unsafe_code)]

/// Largest block that comes from the heap, and most free bytes that stay at its end.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 128 << 10;

/// Gives large blocks back to the system as soon as they are freed, from now on. Left alone, glibc raises both bounds
/// with the first large block that is freed, up to 32 MiB, and what looking for interpreters took once stays for days.
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and changes how later calls of the allocator behave, not what is allocated.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Gives back, after work that took much more than what stays of it: what is free within the heap, and the pages of
/// programs and libraries that hold code. Those of code that runs again come back by themselves, from the file or from
/// where the kernel keeps it.
pub fn settle_memory() {
    return_freed();
    let Ok(maps) = crate::parse_maps(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default()) else {
        return;
    };
    // Code alone: nobody writes to it, so that memory holds nothing that the file does not. What the loader wrote to
    // and then protected looks like constants.
    for map in maps.iter().filter(|m| m.executable && !m.writable && !m.shared && m.inode != 0) {
        let len = (map.end - map.start) as usize;
        // SAFETY: pages of a private mapping of a file that were never written; they are read again when next used.
        unsafe { libc::madvise(map.start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
    }
}

fn return_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number and touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comes_back_by_itself() {
        static TOLD: &[&str] = &["a", "b"];
        for round in 0..3 {
            settle_memory();
            // Code and constants that the loader wrote addresses to.
            assert_eq!(
                format!("{TOLD:?} {round} {:.3}", 2.0f64.sqrt()),
                format!("[\"a\", \"b\"] {round} 1.414")
            );
        }
    }
}
