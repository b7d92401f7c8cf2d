//! Who runs: the holder of the interpreter's lock, and whether a generator is running.

/// Where the lock (GIL) of an interpreter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GilAt {
    /// One for the process: offset of it in the runtime (up to 3.11).
    Runtime(u64),
    /// One for each interpreter, or one that several share: offset of the pointer to it in the interpreter.
    Interpreter(u64),
}

/// How a generator that runs is told from one that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executing {
    /// A byte of the generator that is not zero (up to 3.9).
    Generator(u64),
    /// A byte of its frame that is zero (3.10).
    Frame(u64),
    /// The state right before the first one that has no frame (3.11 on).
    BeforeOver,
}

/// What a version keeps about running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningFields {
    /// The lock.
    pub gil: GilAt,
    /// Generators.
    pub executing: Executing,
}

/// Offset in the lock of the thread state that held it last.
pub const GIL_HOLDER: u64 = 8;
/// Offset in the lock of the mark that it is held: 1, or 0, or −1 before there are threads.
pub const GIL_LOCKED: u64 = 16;
/// Bytes of the lock: four words, then two conditions (48 bytes) and two mutexes (40) of the C library.
pub const GIL_BYTES: u64 = 32 + 2 * (48 + 40);
