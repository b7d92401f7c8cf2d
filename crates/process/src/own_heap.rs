//! What m5's own allocator keeps of memory that was freed.
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

/// Gives what is free within the heap back too, once: after work that took much more than what stays of it.
pub fn return_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number and touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
