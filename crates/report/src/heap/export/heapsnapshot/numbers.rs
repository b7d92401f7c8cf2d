//! Rows of numbers as text: a large heap has a hundred million of them.

use std::io::{self, Write};

/// Bytes that are gathered before they are written.
const ROOM: usize = 1 << 16;

/// A list of numbers under way, a row a line.
pub(crate) struct Numbers<'a> {
    out: &'a mut dyn Write,
    text: Vec<u8>,
    first: bool,
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, text: Vec::with_capacity(ROOM + 256), first: true }
    }

    /// One more row.
    pub(crate) fn row(&mut self, row: &[u64]) -> io::Result<()> {
        for (i, number) in row.iter().enumerate() {
            match (i, self.first) {
                (0, true) => self.first = false,
                (0, false) => self.text.extend_from_slice(b",\n"),
                _ => self.text.push(b','),
            }
            self.digits(*number);
        }
        if self.text.len() >= ROOM {
            self.out.write_all(&self.text)?;
            self.text.clear();
        }
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.out.write_all(&self.text)
    }

    fn digits(&mut self, mut number: u64) {
        let start = self.text.len();
        loop {
            self.text.push(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text[start..].reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_any_other_writes_them() {
        let mut out = Vec::new();
        let mut numbers = Numbers::new(&mut out);
        numbers.row(&[0, 9, 10]).unwrap();
        numbers.row(&[u64::MAX]).unwrap();
        numbers.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("0,9,10,\n{}", u64::MAX));
    }
}
