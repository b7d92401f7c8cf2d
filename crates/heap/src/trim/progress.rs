//! Who looks on while memory is given back.

/// Who wants to know how far it is, and may end it.
pub trait Progress: Sync {
    /// Bytes given so far; whether to go on.
    fn goes_on(&self, bytes: u64) -> bool;
}

/// Never ends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToTheEnd;

impl Progress for ToTheEnd {
    fn goes_on(&self, _bytes: u64) -> bool {
        true
    }
}
