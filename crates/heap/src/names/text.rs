//! The text of a string object, for names; contents of other strings are never read.

use crate::image::Image;
use m5_cpython::layout::objects::ObjectLayout;

/// Longest name that is read.
const LONGEST: u64 = 1000;

/// Where the characters of a string lie and how they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StrShape {
    /// Characters.
    pub(crate) length: u64,
    /// Bytes a character: 1, 2, 4; 0 where they are in a legacy form.
    pub(crate) width: u64,
    /// ASCII only.
    pub(crate) ascii: bool,
    /// In one block with the header.
    pub(crate) compact: bool,
}

/// The shape of the string at an address; its type is the caller's business.
pub(crate) fn shape(image: &Image, layout: &ObjectLayout, address: u64) -> Option<StrShape> {
    let length = image.word_at(address, 16)?;
    let state = image.half_at(address, 32)?;
    // The bit field `state`: how it is interned, then the kind in three bits.
    let state = state >> layout.str_kind;
    let (kind, rest) = (state & 7, state >> 3);
    Some(StrShape { length, width: u64::from(kind), compact: rest & 1 != 0, ascii: rest & 2 != 0 })
}

/// Whether the string at an address is one of those that the interpreter has once only.
pub(crate) fn interned(image: &Image, layout: &ObjectLayout, address: u64) -> bool {
    image.half_at(address, 32).is_some_and(|state| state & ((1 << layout.str_kind) - 1) != 0)
}

/// The text of a compact string.
pub(crate) fn of(image: &Image, layout: &ObjectLayout, address: u64) -> Option<String> {
    let shape = shape(image, layout, address)?;
    if shape.length > LONGEST || !shape.compact {
        return None;
    }
    let start = if shape.ascii { layout.str_ascii } else { layout.str_compact };
    let bytes = image.slice(
        address.wrapping_add(u64::from(start) + layout.shift()),
        (shape.length * shape.width) as usize,
    )?;
    match shape.width {
        1 => Some(bytes.iter().map(|b| char::from(*b)).collect()),
        2 => Some(String::from_utf16_lossy(
            &bytes.as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect::<Vec<_>>(),
        )),
        4 => bytes.as_chunks::<4>().0.iter().map(|c| char::from_u32(u32::from_le_bytes(*c))).collect(),
        _ => None,
    }
}
