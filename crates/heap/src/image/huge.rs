//! Large buffers on huge pages: with small ones the first touch would cost more than the work.
#![allow(unsafe_code)]

const HUGE: usize = 2 << 20;

/// A zeroed buffer that the kernel may back with huge pages; nothing is touched yet.
pub(crate) fn zeroed<T: Clone + Default>(len: usize) -> Vec<T> {
    advised(vec![T::default(); len])
}

/// A buffer full of one value.
pub(crate) fn filled<T: Clone>(len: usize, value: T) -> Vec<T> {
    let mut buffer = with_room(len);
    buffer.resize(len, value);
    buffer
}

/// An empty buffer with room.
pub(crate) fn with_room<T>(capacity: usize) -> Vec<T> {
    advised(Vec::with_capacity(capacity))
}

/// What an iterator of known length gives.
pub(crate) fn collected<T>(items: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut buffer = with_room(items.len());
    buffer.extend(items);
    buffer
}

/// A zeroed buffer of bytes that is in memory.
pub(crate) fn touched(len: usize) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut bytes = zeroed(len);
    // One write a page is what it takes; the kernel may make a huge page of it.
    for page in bytes.chunks_mut(PAGE) {
        if let Some(first) = page.first_mut() {
            // SAFETY: a valid, exclusive reference; volatile so that writing the zero that is there is not left out.
            unsafe { std::ptr::write_volatile(first, 0) };
        }
    }
    bytes
}

/// Gives whole pages of a buffer back to the system; nobody reads what was in it.
pub(crate) fn give_back(bytes: &mut [u8]) {
    let page = m5_process::page_size() as usize;
    let begin = bytes.as_mut_ptr() as usize;
    let (start, end) = (begin.next_multiple_of(page), (begin + bytes.len()) / page * page);
    if start < end {
        // SAFETY: pages inside an exclusive slice of plain bytes, which are zeroes afterwards or as they were.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
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
