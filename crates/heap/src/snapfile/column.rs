//! Numbers as bytes: LEB128, with differences folded so that small negative ones stay small.

use std::io::BufRead;

/// Appends a number.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number as an unsigned one: 0, −1, 1, −2, 2…
pub(super) fn fold(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The reverse of [`fold`].
pub(super) fn unfold(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Bytes of the longest number.
const LONGEST: usize = 10;

/// Reads numbers until the bytes end.
pub(super) struct Numbers<R>(pub(super) R);

impl<R: BufRead> Numbers<R> {
    /// A number of which not all is in the buffer: byte by byte.
    fn slowly(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.0.fill_buf().ok()?.first()?;
            self.0.consume(1);
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<R: BufRead> Iterator for Numbers<R> {
    /// `None` within: a number that is cut short, too long, or cannot be read.
    type Item = Option<u64>;

    fn next(&mut self) -> Option<Self::Item> {
        let Ok(bytes) = self.0.fill_buf() else { return Some(None) };
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() < LONGEST {
            return Some(self.slowly());
        }
        let mut value = 0_u64;
        for (i, byte) in bytes.iter().take(LONGEST).enumerate() {
            value |= u64::from(byte & 0x7f).checked_shl(7 * i as u32).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.0.consume(i + 1);
                return Some(Some(value));
            }
        }
        self.0.consume(LONGEST);
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    proptest! {
        #[test]
        fn numbers_come_back(values in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut bytes = Vec::new();
            values.iter().for_each(|v| put(&mut bytes, *v));
            let whole: Option<Vec<u64>> = Numbers(&bytes[..]).collect();
            prop_assert_eq!(whole.as_ref(), Some(&values));
            let in_pieces: Option<Vec<u64>> = Numbers(BufReader::with_capacity(3, &bytes[..])).collect();
            prop_assert_eq!(in_pieces, Some(values));
        }

        #[test]
        fn signs_come_back(value in any::<i64>()) {
            prop_assert_eq!(unfold(fold(value)), value);
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Numbers(&bytes[..]).count() <= bytes.len());
            let in_pieces: Vec<_> = Numbers(BufReader::with_capacity(3, &bytes[..])).collect();
            prop_assert_eq!(in_pieces, Numbers(&bytes[..]).collect::<Vec<_>>());
        }
    }
}
