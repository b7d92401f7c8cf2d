//! Programs that are started without transparent huge pages. Whether a process has them is inherited, so it is said of
//! ourselves for the moment of the start: of one start at a time, and taken back.

use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};
use std::io::Result;
use std::sync::{Mutex, PoisonError};

static OURS: Mutex<()> = Mutex::new(());

/// What `start` returns, which started something without them; an error, and nothing started, where the kernel refuses.
pub(crate) fn without<T>(start: impl FnOnce() -> T) -> Result<T> {
    let _ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = transparent_huge_pages_are_disabled()?;
    disable_transparent_huge_pages(true)?;
    let started = start();
    disable_transparent_huge_pages(before)?;
    Ok(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several at once leave ours as they were: the last to end does not put back what another had said.
    #[test]
    fn ours_are_as_they_were() {
        let before = || {
            let _ours = OURS.lock().unwrap();
            transparent_huge_pages_are_disabled().unwrap()
        };
        let was = before();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    (0..50).for_each(|_| {
                        assert!(without(transparent_huge_pages_are_disabled).unwrap().unwrap())
                    });
                });
            }
        });
        assert_eq!(before(), was);
    }
}
