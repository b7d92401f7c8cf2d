//! The bytes of the shared page, as `docs/shared-page.md` describes them. They come from a foreign process:
//! nothing in them is believed.

use super::name::{NAME_BYTES, split};
use m5_report::doc::{Application, ApplicationValue};
use thiserror::Error;

/// Bytes of the whole page.
pub(super) const BYTES: usize = 64 * 1024;
const MAGIC: &[u8; 8] = b"m5mem\0\0\0";
const LAYOUT: u32 = 1;
const HEADER: usize = 64;
const ENTRY: usize = 128;

/// Why a page is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum PageError {
    /// Another program's memory of that name, or one that is just being made.
    #[error("the mapping named m5mem holds no page of m5mem")]
    Foreign,
    /// Written by another m5mem.
    #[error("the page of m5mem has layout {0}, this m5 reads layout 1: update m5")]
    Layout(u32),
    /// Header and entries have other sizes than layout 1 has.
    #[error("the page of m5mem is damaged")]
    Damaged,
}

/// Who wrote a page, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    /// PID of the writer in its own namespace.
    pub(super) writer: u32,
    /// What it says.
    pub(super) said: Application,
}

/// Reads a page. `now_ns` is the monotonic clock, which is one for all processes of a machine.
pub(super) fn parse(bytes: &[u8], now_ns: u64) -> Result<Page, PageError> {
    if bytes.get(..8) != Some(MAGIC.as_slice()) {
        return Err(PageError::Foreign);
    }
    let word = |at: usize| number(bytes, at).ok_or(PageError::Damaged);
    let layout = word(8)?;
    if layout != LAYOUT {
        return Err(PageError::Layout(layout));
    }
    if (word(12)?, word(16)?) != (HEADER as u32, ENTRY as u32) {
        return Err(PageError::Damaged);
    }
    let count = word(20)? as usize;
    let entries = bytes.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY);
    if count > entries.len() {
        return Err(PageError::Damaged);
    }
    let written = u64::from(word(32)?) | u64::from(word(36)?) << 32;
    let age_seconds = (written != 0).then(|| now_ns.saturating_sub(written) as f64 / 1e9);
    let mut said = Application { age_seconds, ..Application::default() };
    for entry in entries.take(count) {
        match value(entry) {
            Some(value) => said.values.push(value),
            None => said.unreadable += 1,
        }
    }
    Ok(Page { writer: word(24)?, said })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn value(entry: &[u8]) -> Option<ApplicationValue> {
    let (name, number) = entry.split_at_checked(NAME_BYTES)?;
    let end = name.iter().position(|b| *b == 0)?;
    let (name, labels) = split(std::str::from_utf8(name.get(..end)?).ok()?)?;
    let number = f64::from_le_bytes(number.try_into().ok()?);
    Some(ApplicationValue { name, labels, value: number.is_finite().then_some(number) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(entries: &[(&str, f64)]) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        for (at, word) in [(8, 1_u32), (12, 64), (16, 128), (20, entries.len() as u32), (24, 7)] {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes[32..40].copy_from_slice(&1_000_000_000_u64.to_le_bytes());
        for (entry, (name, value)) in bytes[HEADER..].chunks_exact_mut(ENTRY).zip(entries) {
            entry[..name.len()].copy_from_slice(name.as_bytes());
            entry[NAME_BYTES..].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn says_what_was_written() {
        let bytes = page(&[("m5mem_cache_hits_total{cache=\"a,b\"}", 3.0), ("load", f64::NAN), ("a b", 1.0)]);
        let page = parse(&bytes, 3_500_000_000).unwrap();
        assert_eq!((page.writer, page.said.age_seconds, page.said.unreadable), (7, Some(2.5), 1));
        let [hits, load] = page.said.values.as_slice() else { panic!("two values") };
        assert_eq!((hits.name.as_str(), hits.value), ("m5mem_cache_hits_total", Some(3.0)));
        assert_eq!(hits.labels["cache"], "a,b");
        assert_eq!((load.name.as_str(), load.value), ("load", None));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(parse(&[0; 64], 0), Err(PageError::Foreign));
        let mut newer = page(&[]);
        newer[8] = 2;
        assert_eq!(parse(&newer, 0), Err(PageError::Layout(2)));
        let mut greedy = page(&[]);
        greedy[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(parse(&greedy, 0), Err(PageError::Damaged));
        assert_eq!(parse(&page(&[])[..30], 0), Err(PageError::Damaged));
    }

    proptest! {
        #[test]
        fn survives_any_bytes(at in 8_usize..400, junk in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..BYTES) {
            let mut bytes = page(&[("m5mem_pool_idle{pool=\"p\"}", 1.0), ("x", 2.0)]);
            let end = (at + junk.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&junk[..end - at]);
            let _ = parse(&bytes, 5);
            let _ = parse(&bytes[..cut], 5);
        }
    }
}
