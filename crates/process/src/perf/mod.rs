//! The kernel's performance events: what to watch, on which task and CPU. Only this folder opens one.
#![allow(unsafe_code)]

mod alarm;
mod mapping;

pub use alarm::Alarm;
pub use mapping::Mapping;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Why the kernel did not open an event; the system's number tells the kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenError(
    /// The system's number.
    pub i32,
);

impl OpenError {
    fn last() -> Self {
        Self(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

/// On which task and CPU an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Thread id; 0 is the caller.
    pub tid: i32,
    /// CPU; -1 is any.
    pub cpu: i32,
}

/// The kernel's `perf_event_attr`, up to the fifth version of it (112 bytes; Linux 4.1).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    bp_type: u32,
    bp_addr: u64,
    bp_len: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

/// A read tells how long it was switched on while its task ran, too.
const READ_TIME_ENABLED: u64 = 1;
const TYPE_SOFTWARE: u32 = 1;
const TYPE_BREAKPOINT: u32 = 5;
const SOFTWARE_DUMMY: u64 = 9;
const BREAKPOINT_WRITE: u32 = 2;
const BREAKPOINT_EXECUTE: u32 = 4;
/// Instruction pointer, thread, time, address: what `record` parses.
const SAMPLE_TYPE: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 3;

const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
const TASK: u64 = 1 << 13;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCKID: u64 = 1 << 25;
const INHERIT_THREAD: u64 = 1 << 35;
const REMOVE_ON_EXEC: u64 = 1 << 36;

impl Attr {
    fn base(kind: u32) -> Self {
        Self {
            kind,
            size: size_of::<Self>() as u32,
            sample_type: SAMPLE_TYPE,
            flags: EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | SAMPLE_ID_ALL | USE_CLOCKID,
            clockid: libc::CLOCK_MONOTONIC,
            ..Self::default()
        }
    }

    /// An event that never fires: owner of a ring.
    #[must_use]
    pub fn dummy() -> Self {
        let mut attr = Self::base(TYPE_SOFTWARE);
        attr.config = SOFTWARE_DUMMY;
        attr
    }

    /// Fires after each write by the task to these bytes.
    #[must_use]
    pub fn write_watch(addr: u64, len: u64) -> Self {
        let mut attr = Self::base(TYPE_BREAKPOINT);
        attr.sample_period = 1;
        attr.bp_type = BREAKPOINT_WRITE;
        attr.bp_addr = addr;
        attr.bp_len = len;
        attr
    }

    /// Fires each time that the task executes the instruction at this address; never in another program.
    #[must_use]
    pub fn execution_watch(addr: u64) -> Self {
        let mut attr = Self::base(TYPE_BREAKPOINT);
        attr.sample_period = 1;
        attr.bp_type = BREAKPOINT_EXECUTE;
        attr.bp_addr = addr;
        attr.bp_len = size_of::<usize>() as u64;
        attr.flags |= REMOVE_ON_EXEC;
        // Programs of the kernel see it; nobody reads records of it.
        attr.sample_type = 0;
        attr
    }

    /// Can be asked for how long it was switched on while its task ran: [`Event::ran_ns`].
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.read_format = READ_TIME_ENABLED;
        self
    }

    /// Ends where the task executes another program (Linux 5.13).
    #[must_use]
    pub fn gone_with_the_program(mut self) -> Self {
        self.flags |= REMOVE_ON_EXEC;
        self
    }

    /// Counts in threads born later too; in child processes too, if wanted; never in another program.
    #[must_use]
    pub fn inherited(mut self, children: bool) -> Self {
        self.flags |= INHERIT | REMOVE_ON_EXEC | if children { 0 } else { INHERIT_THREAD };
        self
    }

    /// Tells of threads that start and end.
    #[must_use]
    pub fn telling_tasks(mut self) -> Self {
        self.flags |= TASK;
        self
    }

    /// Wakes whoever waits for its ring each time.
    #[must_use]
    pub fn waking(mut self) -> Self {
        self.wakeup = 1;
        self
    }

    /// Wakes whoever waits for its ring each time that so many bytes came to it, whatever wrote them.
    #[must_use]
    pub fn waking_at(mut self, bytes: u32) -> Self {
        self.flags |= WATERMARK;
        self.wakeup = bytes;
        self
    }

    /// Starts switched off.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.flags |= DISABLED;
        self
    }
}

/// An open event; closing it is dropping it.
#[derive(Debug)]
pub struct Event(OwnedFd);

/// Descriptors that events leave to the rest of m5. Where they took the last one, a list of threads could no longer
/// be read, and the watch would be called whole.
const DESCRIPTORS_LEFT: u64 = 32;

const FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_REFRESH: libc::c_ulong = 0x2402;
const IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
/// Write direction, eight bytes (a pointer), `$`, 11.
const IOC_MODIFY_ATTRIBUTES: libc::c_ulong = 0x4008_240b;

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Event {
    /// Opens an event, in the group of `leader` if there is one: a group is on or off as a whole.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn open(attr: &Attr, target: Target, leader: Option<&Self>) -> Result<Self, OpenError> {
        let group = leader.map_or(-1, Self::fd);
        // SAFETY: `attr` is a valid perf_event_attr whose `size` field says how long it is.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                std::ptr::from_ref(attr),
                target.tid,
                target.cpu,
                group,
                FLAG_FD_CLOEXEC,
            )
        };
        if fd < 0 {
            return Err(OpenError::last());
        }
        // SAFETY: the kernel has just given us this descriptor and nobody else owns it.
        let event = Self(unsafe { OwnedFd::from_raw_fd(fd as i32) });
        // The lowest free number is what the kernel gives, so that none below the limit would be left.
        let last = crate::descriptor_limit().saturating_sub(DESCRIPTORS_LEFT);
        if fd as u64 >= last { Err(OpenError(libc::EMFILE)) } else { Ok(event) }
    }

    /// Its descriptor.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Writes its records to the ring of another event of the same CPU.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn redirect(&self, ring: &Self) -> Result<(), OpenError> {
        self.control(IOC_SET_OUTPUT, ring.fd() as libc::c_ulong)
    }

    /// Switches it and all that inherited it on or off.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn switch(&self, on: bool) -> Result<(), OpenError> {
        self.control(if on { IOC_ENABLE } else { IOC_DISABLE }, 0)
    }

    /// Switches it on until it has fired so many times more than it was allowed before: then the kernel itself switches it off,
    /// whatever became of m5. A program that runs at each firing must return 1 (Linux 6.10). Not for inherited events.
    ///
    /// # Errors
    /// The number of the kernel's refusal.
    pub fn switch_on_for(&self, more: u32) -> Result<(), OpenError> {
        self.control(IOC_REFRESH, libc::c_ulong::from(more))
    }

    /// Watches other bytes from now on, it and all that inherited it, and is on (Linux 4.17).
    ///
    /// # Errors
    /// The number of the kernel's refusal: all but the place must be as it was opened.
    pub fn move_to(&self, attr: &Attr) -> Result<(), OpenError> {
        // SAFETY: the kernel reads a valid perf_event_attr whose `size` field says how long it is.
        match unsafe { libc::ioctl(self.fd(), IOC_MODIFY_ATTRIBUTES as _, std::ptr::from_ref(attr)) } {
            0 => Ok(()),
            _ => Err(OpenError::last()),
        }
    }

    /// For how long it was switched on while its task ran, so far, nanoseconds: of one that is [`Attr::timed`].
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn ran_ns(&self) -> std::io::Result<u64> {
        let mut words = [0u8; 16];
        let n = rustix::io::read(&self.0, &mut words)?;
        let time = words.get(8..n).and_then(|time| time.try_into().ok());
        time.map(u64::from_ne_bytes).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
    }

    fn control(&self, request: libc::c_ulong, value: libc::c_ulong) -> Result<(), OpenError> {
        // SAFETY: these requests take a plain number, no pointer.
        match unsafe { libc::ioctl(self.fd(), request as _, value) } {
            0 => Ok(()),
            _ => Err(OpenError::last()),
        }
    }
}
