//! Large zeroed buffers on huge pages: with small ones the first touch would cost more than the reading.
#![allow(unsafe_code)]

/// A zeroed buffer that the kernel may back with huge pages; nothing is touched yet.
pub(crate) fn zeroed(len: usize) -> Vec<u8> {
    const HUGE: usize = 2 << 20;
    let mut bytes = vec![0u8; len];
    let start = (bytes.as_mut_ptr() as usize).next_multiple_of(HUGE);
    let end = bytes.as_ptr() as usize + len;
    if start + HUGE <= end {
        // SAFETY: the range lies inside the buffer, which nobody else knows yet; the advice changes no content.
        unsafe {
            libc::madvise(start as *mut libc::c_void, (end - start) & !(HUGE - 1), libc::MADV_HUGEPAGE)
        };
    }
    bytes
}
