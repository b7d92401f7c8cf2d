//! How large objects are: in their own block, and as `sys.getsizeof` would say.

use super::kind::Kind;
use super::types::TypeDesc;
use crate::dict::{Dict, KeyTable, word};
use crate::image::Image;
use crate::text;
use m5_cpython::layout::objects::{Frames, Keys, Managed, ObjectLayout, type_fields as tf};

const ABSURD: u64 = 1 << 40;

/// Bytes of the object itself from its address on; `None` where its fields make no sense.
pub(crate) fn inline(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    let size = match desc.kind {
        Kind::Int => int(image, layout, at, desc)?,
        Kind::Str => {
            let shape = text::shape(image, at)?;
            string(layout, shape, desc)
        }
        Kind::Type => {
            let heap = image.word(at + tf::FLAGS)? & tf::HEAP != 0;
            u64::from(if heap { layout.heap_type_size } else { layout.type_size })
        }
        Kind::Frame | Kind::Generator if layout.keys == Keys::Logarithmic => desc.basic_size,
        _ => generic(image, at, desc)?,
    };
    let values = match layout.managed {
        Managed::Inline if desc.flags & tf::INLINE_VALUES != 0 => inline_values(image, at, desc),
        _ => 0,
    };
    (size < ABSURD).then_some(size + values)
}

/// Fields plus items.
fn generic(image: &Image, at: u64, desc: &TypeDesc) -> Option<u64> {
    if desc.item_size == 0 {
        return Some(desc.basic_size);
    }
    let items = (image.word(at + 16)? as i64).unsigned_abs();
    if items > ABSURD {
        return None;
    }
    Some(desc.basic_size + items * desc.item_size)
}

fn int(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    let raw = image.word(at + 16)?;
    let digits = if layout.int_tagged { (raw >> 3).max(1) } else { (raw as i64).unsigned_abs() };
    (digits < ABSURD).then_some(desc.basic_size + digits * 4)
}

fn string(layout: &ObjectLayout, shape: text::StrShape, desc: &TypeDesc) -> u64 {
    if !shape.compact {
        return desc.basic_size;
    }
    let head = u64::from(if shape.ascii { layout.str_ascii } else { layout.str_compact });
    head + (shape.length.min(ABSURD) + 1) * shape.width.max(1)
}

/// The values of attributes that lie behind an instance (3.13 on).
fn inline_values(image: &Image, at: u64, desc: &TypeDesc) -> u64 {
    let capacity = u64::from(image.byte(at + desc.basic_size).unwrap_or(0));
    capacity.next_multiple_of(8) + (capacity + 1) * 8
}

/// What `sys.getsizeof` says.
pub(crate) fn shallow(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> u64 {
    let own = inline(image, layout, at, desc).unwrap_or(desc.basic_size);
    own + outside(image, layout, at, desc).unwrap_or(0) + before(image, layout, at, desc)
}

/// Headers before the object.
fn before(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> u64 {
    let heap = || image.word(at + tf::FLAGS).is_some_and(|f| f & tf::HEAP != 0);
    if desc.kind == Kind::Type && !layout.static_types_have_head && !heap() { 0 } else { desc.prefix }
}

/// Buffers that belong to the object.
fn outside(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    Some(match desc.kind {
        Kind::List => image.word(at + 32)?.min(ABSURD) * 8,
        Kind::ByteArray => image.word(at + 24)?.min(ABSURD),
        Kind::Dict | Kind::OrderedDict => dictionary(image, layout, at, desc)?,
        Kind::Set => {
            let (mask, table) = (image.word(at + 32)?, image.word(at + 40)?);
            if table == at + 64 { 0 } else { (mask.min(ABSURD) + 1) * 16 }
        }
        Kind::Str => {
            let shape = text::shape(image, at)?;
            if shape.compact { 0 } else { (shape.length.min(ABSURD) + 1) * shape.width }
        }
        Kind::Type => {
            let heap = image.word(at + tf::FLAGS)? & tf::HEAP != 0;
            let keys = if heap { image.word(at + u64::from(layout.cached_keys))? } else { 0 };
            KeyTable::read(image, layout, keys).map_or(0, |k| k.bytes)
        }
        Kind::Deque => {
            /// A block: 64 items and two links.
            const BLOCK: u64 = 66 * 8;
            let (index, length) = (image.word(at + 40)?, image.word(at + 16)?);
            (index.min(64) + length.min(ABSURD)).div_ceil(64).max(1) * BLOCK
        }
        Kind::Generator => generator(image, layout, at)?,
        Kind::NdArray => array(image, at)?,
        _ => 0,
    })
}

fn dictionary(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    let dict = Dict::read(image, layout, at)?;
    let own = if dict.keys.references == 1 { dict.keys.bytes } else { 0 };
    let values =
        if dict.values.is_some() && !dict.embedded { (dict.keys.count + dict.keys.usable) * 8 } else { 0 };
    let order = if desc.kind == Kind::OrderedDict {
        /// A node: key, hash, two links.
        const NODE: u64 = 32;
        image.word(at + 56)?.min(ABSURD) * 8 + dict.used.min(ABSURD) * NODE
    } else {
        0
    };
    Some(own + values + order)
}

/// Room for the local variables and the stack.
fn generator(image: &Image, layout: &ObjectLayout, at: u64) -> Option<u64> {
    let Frames::Interpreter(f) = layout.frames else { return Some(0) };
    let code = image.word(at + u64::from(f.generator_frame) + u64::from(f.code))?;
    let (locals, stack) =
        (image.half(code + u64::from(f.code_locals))?, image.half(code + u64::from(f.code_stack))?);
    Some((u64::from(locals) + u64::from(stack)).min(1 << 20) * 8)
}

/// Dimensions, strides and, where they are its own, data.
fn array(image: &Image, at: u64) -> Option<u64> {
    const OWNS_DATA: u32 = 4;
    let fields = image.slice(at, 72)?;
    let dimensions = (word(fields, 24) as u32).min(64);
    let shape = u64::from(dimensions) * 16;
    if image.half(at + 64)? & OWNS_DATA == 0 {
        return Some(shape);
    }
    Some(shape + array_bytes(image, at).unwrap_or(0))
}

/// Bytes of an array's elements.
pub(crate) fn array_bytes(image: &Image, at: u64) -> Option<u64> {
    let dimensions = image.half(at + 24)?.min(64);
    let shape = image.word(at + 32)?;
    let dtype = image.word(at + 56)?;
    // `elsize` is an int at 32 up to NumPy 1, a word at 40 from NumPy 2 on.
    let small = u64::from(image.half(dtype + 32)?);
    let item = if small != 0 { small } else { image.word(dtype + 40)? };
    let mut bytes = item;
    for i in 0..u64::from(dimensions) {
        bytes = bytes.checked_mul(image.word(shape + i * 8)?)?;
    }
    (bytes < ABSURD).then_some(bytes)
}
