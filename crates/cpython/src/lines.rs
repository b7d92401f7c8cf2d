//! From an instruction to its line: the three forms in which code objects keep that.

/// The form of a code object's line table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineTable {
    /// Pairs of byte and line increments (up to 3.9).
    Increments,
    /// Pairs of range lengths and line increments (3.10).
    Ranges,
    /// Entries of variable length with columns (3.11 on).
    Locations,
}

/// The line of the instruction at a byte offset; `None` where the table says that it has none.
pub(crate) fn line(form: LineTable, table: &[u8], first: i64, offset: i64) -> Option<u32> {
    let line = match form {
        LineTable::Increments => increments(table, first, offset),
        LineTable::Ranges => ranges(table, first, offset),
        LineTable::Locations => locations(table, first, offset.div_euclid(2)),
    };
    line.and_then(|l| u32::try_from(l).ok())
}

fn increments(table: &[u8], first: i64, offset: i64) -> Option<i64> {
    let (mut at, mut line) = (0, first);
    for pair in table.as_chunks::<2>().0 {
        at += i64::from(pair[0]);
        if at > offset {
            break;
        }
        line += i64::from(pair[1].cast_signed());
    }
    Some(line)
}

fn ranges(table: &[u8], first: i64, offset: i64) -> Option<i64> {
    let (mut end, mut line) = (0, first);
    for pair in table.as_chunks::<2>().0 {
        let nowhere = pair[1].cast_signed() == i8::MIN;
        end += i64::from(pair[0]);
        line += if nowhere { 0 } else { i64::from(pair[1].cast_signed()) };
        if offset < end {
            return (!nowhere).then_some(line);
        }
    }
    None
}

fn locations(table: &[u8], first: i64, unit: i64) -> Option<i64> {
    let (mut rest, mut at, mut line) = (table, 0i64, first);
    while let [head, tail @ ..] = rest {
        let (code, units) = (head >> 3 & 15, i64::from(head & 7) + 1);
        rest = tail;
        match code {
            15 => {}
            14 => {
                line += signed(&mut rest)?;
                for _ in 0..3 {
                    number(&mut rest)?;
                }
            }
            13 => line += signed(&mut rest)?,
            10..=12 => {
                line += i64::from(code - 10);
                rest = rest.get(2..)?;
            }
            _ => rest = rest.get(1..)?,
        }
        at += units;
        if unit < at {
            return (code != 15).then_some(line);
        }
    }
    None
}

/// Six bits a byte, least first; bit 6 says that more follow.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..60).step_by(6) {
        let (head, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(head & 63) << shift;
        if head & 64 == 0 {
            return Some(value);
        }
    }
    None
}

fn signed(rest: &mut &[u8]) -> Option<i64> {
    let value = number(rest)?;
    let size = (value >> 1) as i64;
    Some(if value & 1 == 1 { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form() {
        // Two instructions a line; then a jump back of two lines.
        let old = [4, 1, 4, 1, 4, 254];
        assert_eq!(line(LineTable::Increments, &old, 10, 2), Some(10));
        assert_eq!(line(LineTable::Increments, &old, 10, 8), Some(12));
        assert_eq!(line(LineTable::Increments, &old, 10, 40), Some(10));
        let middle = [4, 0, 4, 1, 4, 128, 4, 1];
        assert_eq!(line(LineTable::Ranges, &middle, 10, 5), Some(11));
        assert_eq!(line(LineTable::Ranges, &middle, 10, 9), None);
        assert_eq!(line(LineTable::Ranges, &middle, 10, 13), Some(12));
        let new = [0x80 | 13 << 3 | 1, 2, 0x80 | 11 << 3, 1, 2, 0x80 | 15 << 3, 0x80 | 1, 0];
        assert_eq!(line(LineTable::Locations, &new, 10, 2), Some(11));
        assert_eq!(line(LineTable::Locations, &new, 10, 4), Some(12));
        assert_eq!(line(LineTable::Locations, &new, 10, 6), None);
        assert_eq!(line(LineTable::Locations, &new, 10, 10), Some(12));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(
            table in proptest::collection::vec(any::<u8>(), 0..300), first in any::<i32>(), offset in any::<i32>()
        ) {
            for form in [LineTable::Increments, LineTable::Ranges, LineTable::Locations] {
                let _ = line(form, &table, first.into(), offset.into());
            }
        }
    }
}
