//! What one trap costs on this machine: back-to-back watched writes of m5 to a word of its own.
#![allow(unsafe_code)]

use crate::perf::{Attr, Event, Mapping, OpenError, Record, Target, parse};
use std::sync::atomic::{AtomicU32, Ordering};

const WRITES: u32 = 200;

/// Nanoseconds from one watched write to the next with nothing between, the fastest tenth of them: what a trap
/// adds between two time stamps. `None` where too few were seen.
pub(crate) fn trap_ns() -> Result<Option<u64>, OpenError> {
    let word = AtomicU32::new(0);
    let attr = Attr::write_watch(word.as_ptr() as u64, 4);
    let event = Event::open(&attr, Target { tid: 0, cpu: -1 }, None)?;
    let ring = Mapping::new(&event, 64 << 10)?;
    for i in 0..WRITES {
        word.store(i, Ordering::SeqCst);
    }
    event.switch(false)?;
    let (mut bytes, mut records) = (Vec::new(), Vec::new());
    ring.drain(&mut bytes);
    parse(&bytes, &mut records);
    let times: Vec<u64> =
        records.iter().filter(|r| matches!(r, Record::Sample(_))).map(Record::time).collect();
    let mut gaps: Vec<u64> = times.windows(2).map(|w| w[1].saturating_sub(w[0])).collect();
    gaps.sort_unstable();
    Ok((gaps.len() >= 20).then(|| gaps[gaps.len() / 10]))
}
