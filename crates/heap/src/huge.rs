//! Large buffers on huge pages: with small ones the first touch would cost more than the work.
#![allow(unsafe_code)]

const HUGE: usize = 2 << 20;

/// A zeroed buffer that the kernel may back with huge pages; nothing is touched yet.
pub(crate) fn zeroed<T: Clone + Default>(len: usize) -> Vec<T> {
    advised(vec![T::default(); len])
}

fn advised<T>(mut buffer: Vec<T>) -> Vec<T> {
    let begin = buffer.as_mut_ptr() as usize;
    let (start, end) =
        (begin.next_multiple_of(HUGE), begin.saturating_add(buffer.capacity() * size_of::<T>()));
    if start.saturating_add(HUGE) <= end {
        // SAFETY: the range lies inside the buffer, which nobody else knows yet; the advice changes no content.
        unsafe {
            libc::madvise(start as *mut libc::c_void, (end - start) & !(HUGE - 1), libc::MADV_HUGEPAGE)
        };
    }
    buffer
}
