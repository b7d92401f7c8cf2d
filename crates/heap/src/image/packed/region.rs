//! Addresses whose pages the kernel asks us for when somebody touches them (userfaultfd), and takes back as others come.
#![allow(unsafe_code)]

use super::blocks::BLOCK;
use m5_process::page_size;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::Duration;

/// Blocks that are brought ahead of whoever looks at them in order.
const AHEAD: usize = 3;

/// The kernel's interface, which has no words in libc.
mod kernel {
    pub(super) const VERSION: u64 = 0xaa;
    pub(super) const USER_MODE_ONLY: libc::c_int = 1;
    pub(super) const API: u64 = 0xc018_aa3f;
    pub(super) const REGISTER: u64 = 0xc020_aa00;
    pub(super) const WAKE: u64 = 0x8010_aa02;
    pub(super) const COPY: u64 = 0xc028_aa03;
    pub(super) const MISSING: u64 = 1;
    pub(super) const PAGE_FAULT: u8 = 0x12;
    /// A message: its event is the first byte, the address of a fault the third word.
    pub(super) type Message = [u64; 4];

    #[repr(C)]
    pub(super) struct Api {
        pub(super) version: u64,
        pub(super) features: u64,
        pub(super) ioctls: u64,
    }

    #[repr(C)]
    pub(super) struct Register {
        pub(super) start: u64,
        pub(super) len: u64,
        pub(super) mode: u64,
        pub(super) ioctls: u64,
    }

    #[repr(C)]
    pub(super) struct Span {
        pub(super) start: u64,
        pub(super) len: u64,
    }

    #[repr(C)]
    pub(super) struct Copy {
        pub(super) to: u64,
        pub(super) from: u64,
        pub(super) len: u64,
        pub(super) mode: u64,
        pub(super) done: i64,
    }
}

/// Blocks of bytes that are there when they are looked at.
pub(super) struct Region {
    addresses: Addresses,
    /// Ends the thread when it closes.
    stop: Option<io::PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Region {
    /// So many blocks, at most `at_hand` of them in memory. `begin` runs on the thread that fills them and gives what
    /// does it.
    ///
    /// # Errors
    /// Those of the kernel where it does not let us.
    pub(super) fn new<F: FnMut(usize, &mut [u8])>(
        blocks: usize,
        at_hand: usize,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> io::Result<Self> {
        let faults = open()?;
        let addresses = Addresses::reserve(blocks * BLOCK)?;
        let mut register = kernel::Register {
            start: addresses.base as u64,
            len: addresses.len as u64,
            mode: kernel::MISSING,
            ioctls: 0,
        };
        call(&faults, kernel::REGISTER, &mut register)?;
        let (stopped, stop) = io::pipe()?;
        let base = addresses.base;
        let work = move || {
            Filler {
                base,
                faults,
                fill: begin(),
                at_hand: VecDeque::new(),
                most: at_hand.max(4 * (AHEAD + 1)),
                here: vec![false; blocks],
                brought: 0,
            }
            .run(&stopped);
        };
        let thread = std::thread::Builder::new().name("m5-blocks".to_owned()).spawn(work)?;
        Ok(Self { addresses, stop: Some(stop), thread: Some(thread) })
    }

    /// How many blocks it has.
    pub(super) fn blocks(&self) -> usize {
        self.addresses.len / BLOCK
    }

    /// Bytes of it; none beyond its end.
    #[inline]
    pub(super) fn bytes(&self, within: &Range<usize>) -> &[u8] {
        if within.start > within.end || within.end > self.addresses.len {
            return &[];
        }
        // SAFETY: the range lies in a mapping that lives as long as we do and that nobody writes to but the kernel, which
        // fills a page before it can be read, always with the same bytes.
        unsafe {
            std::slice::from_raw_parts(
                (self.addresses.base + within.start) as *const u8,
                within.end - within.start,
            )
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told.
            let _ = thread.join();
        }
    }
}

/// Whether the kernel lets us.
pub(super) fn possible() -> bool {
    open().is_ok()
}

/// A descriptor that tells of faults of our own code. Code of the kernel never touches these pages.
fn open() -> io::Result<OwnedFd> {
    let with = |flags: libc::c_int| {
        // SAFETY: takes a number and gives a descriptor.
        match unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK | flags) } {
            // SAFETY: a descriptor that is new and nobody else's.
            fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // Before Linux 5.11 there was no such mode.
    let faults = with(kernel::USER_MODE_ONLY).or_else(|_| with(0))?;
    let mut api = kernel::Api { version: kernel::VERSION, features: 0, ioctls: 0 };
    call(&faults, kernel::API, &mut api)?;
    Ok(faults)
}

fn call<T>(faults: &OwnedFd, what: u64, with: &mut T) -> io::Result<()> {
    // SAFETY: `with` is the struct that this call takes and fills.
    match unsafe { libc::ioctl(faults.as_raw_fd(), what as _, std::ptr::from_mut(with)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Addresses that are set aside, readable.
struct Addresses {
    base: usize,
    len: usize,
}

impl Addresses {
    fn reserve(len: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base as usize, len })
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // SAFETY: our own mapping, to which no reference is left.
        unsafe { libc::munmap(self.base as *mut libc::c_void, self.len) };
    }
}

/// Fills blocks as they are asked for, and some ahead where they are asked for in order.
struct Filler<F> {
    base: usize,
    faults: OwnedFd,
    fill: F,
    /// Blocks in memory, in the order in which they came.
    at_hand: VecDeque<usize>,
    most: usize,
    here: Vec<bool>,
    /// Blocks that were filled so far.
    brought: u64,
}

impl<F: FnMut(usize, &mut [u8])> Filler<F> {
    fn run(&mut self, stopped: &io::PipeReader) {
        let mut bytes = vec![0; BLOCK];
        let wanted = |fd: i32| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        loop {
            let mut wait = [wanted(self.faults.as_raw_fd()), wanted(stopped.as_raw_fd())];
            // SAFETY: an array of our own and its length.
            unsafe { libc::poll(wait.as_mut_ptr(), wait.len() as libc::nfds_t, -1) };
            if wait[1].revents != 0 {
                tracing::debug!(blocks = self.brought, "unpacked");
                return;
            }
            while let Some(address) = self.fault() {
                self.serve((address as usize).saturating_sub(self.base) / BLOCK, &mut bytes);
            }
        }
    }

    /// The address that somebody waits for.
    fn fault(&self) -> Option<u64> {
        let mut message: kernel::Message = [0; 4];
        let size = size_of::<kernel::Message>();
        // SAFETY: a buffer of our own of that size.
        let read = unsafe { libc::read(self.faults.as_raw_fd(), message.as_mut_ptr().cast(), size) };
        let [event, _, address, _] = message;
        (read == size as isize && event.to_le_bytes()[0] == kernel::PAGE_FAULT).then_some(address)
    }

    fn serve(&mut self, block: usize, bytes: &mut [u8]) {
        if self.here.get(block) == Some(&true) {
            // Another thread asked for it before.
            let mut span = kernel::Span { start: self.address(block), len: BLOCK as u64 };
            let _ = call(&self.faults, kernel::WAKE, &mut span);
            return;
        }
        self.bring(block, bytes);
        let in_order = block.checked_sub(1).is_some_and(|before| self.here.get(before) == Some(&true));
        let ahead = if in_order { AHEAD } else { 0 };
        for next in (block + 1..).take(ahead) {
            if self.here.get(next) == Some(&false) {
                self.bring(next, bytes);
            }
        }
    }

    fn bring(&mut self, block: usize, bytes: &mut [u8]) {
        let Some(here) = self.here.get_mut(block) else { return };
        *here = true;
        if self.at_hand.len() >= self.most {
            self.drop_oldest();
        }
        (self.fill)(block, bytes);
        self.at_hand.push_back(block);
        self.brought += 1;
        let mut done = 0;
        while done < bytes.len() {
            let mut copy = kernel::Copy {
                to: self.address(block) + done as u64,
                from: bytes.as_ptr() as u64 + done as u64,
                len: (bytes.len() - done) as u64,
                mode: 0,
                done: 0,
            };
            match call(&self.faults, kernel::COPY, &mut copy) {
                Ok(()) => return,
                // A part of it, because the addresses are changed at this moment or memory is short.
                Err(_) if copy.done > 0 => done += copy.done as usize,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => done += page_size() as usize,
                Err(_) => std::thread::sleep(Duration::from_micros(100)),
            }
        }
    }

    /// Takes back a quarter of the blocks, neighbours at once: each call interrupts all processors that work with us.
    fn drop_oldest(&mut self) {
        let mut oldest: Vec<usize> = self.at_hand.drain(..self.at_hand.len() / 4).collect();
        oldest.sort_unstable();
        for run in oldest.chunk_by(|a, b| a + 1 == *b) {
            let Some(first) = run.first() else { continue };
            if let Some(here) = self.here.get_mut(*first..*first + run.len()) {
                here.fill(false);
            }
            let (start, len) = (self.address(*first), run.len() * BLOCK);
            // SAFETY: blocks of the mapping, whose pages come back with the same bytes when they are looked at.
            unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
        }
    }

    fn address(&self, block: usize) -> u64 {
        (self.base + block * BLOCK) as u64
    }
}
