//! Who holds the interpreter's lock.

use crate::layout::running::{GIL_HOLDER, GIL_LOCKED, GilAt};
use crate::{Interpreter, Result};
use m5_process::Memory;

/// The interpreter's lock at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gil {
    /// Held by the thread with this state.
    Held(u64),
    /// Held by nobody.
    Free,
    /// There is none: a free-threaded build.
    Absent,
    /// It does not read as this version's lock does.
    Unknown,
}

impl<M: Memory + Clone> Interpreter<M> {
    /// Where its lock is, of [`GIL_BYTES`](crate::layout::running::GIL_BYTES); `None` where it has none or this version's is not
    /// known.
    ///
    /// # Errors
    /// [`crate::Error`] where the interpreter cannot be read: the process has ended.
    pub fn gil_address(&self) -> Result<Option<u64>> {
        if self.layout().free_threaded {
            return Ok(None);
        }
        Ok(match self.objects().map(|o| o.running.gil) {
            None => None,
            Some(GilAt::Runtime(offset)) => Some(self.runtime().wrapping_add(offset)),
            Some(GilAt::Interpreter(offset)) => Some(self.memory().u64(self.address().wrapping_add(offset))?),
        })
    }

    /// Who holds its lock now. The answer is of one moment: threads hand the lock on many times a second.
    ///
    /// # Errors
    /// [`crate::Error`] where the interpreter cannot be read: the process has ended.
    pub fn gil(&self) -> Result<Gil> {
        if self.layout().free_threaded {
            return Ok(Gil::Absent);
        }
        let memory = self.memory();
        let Some(gil) = self.gil_address()? else { return Ok(Gil::Unknown) };
        // Both in one piece.
        let [holder, locked] = match memory.bytes::<16>(gil.wrapping_add(GIL_HOLDER)) {
            Ok(bytes) => [0, 8].map(|at| crate::decode::word(&bytes, at)),
            Err(m5_process::Error::Unmapped { .. }) => return Ok(Gil::Unknown),
            Err(error) => return Err(error.into()),
        };
        debug_assert_eq!(GIL_LOCKED, GIL_HOLDER + 8);
        Ok(match (locked as u32).cast_signed() {
            1 if holder != 0 => Gil::Held(holder),
            0 | -1 => Gil::Free,
            _ => Gil::Unknown,
        })
    }
}
