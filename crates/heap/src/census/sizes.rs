//! How large objects are: in their own block, and as `sys.getsizeof` would say.

use super::kind::Kind;
use super::outside::{BYTES_HEAD, Outside, class_description, item_size};
use super::types::TypeDesc;
use crate::graph::dict::{Dict, InImage};
use crate::image::Image;
use crate::names::text;
use m5_cpython::KeyTable;
use m5_cpython::layout::objects::{Field, Frames, Managed, ObjectLayout, type_fields as tf};

const ABSURD: u64 = 1 << 40;

/// Bytes of the object itself from its address on; `None` where its fields make no sense.
pub(crate) fn inline(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    let values = match layout.managed {
        Managed::Inline if desc.flags & tf::INLINE_VALUES != 0 => inline_values(image, at, desc),
        _ => 0,
    };
    Some(fields(image, layout, at, desc)? + values)
}

/// Whether the fields of a container agree with each other; a few words that look like an object rarely do.
pub(crate) fn consistent(image: &Image, layout: &ObjectLayout, at: u64, kind: Kind) -> bool {
    let word = |offset: u64| image.word_at(at, offset).unwrap_or(u64::MAX);
    let held = |pointer: u64| image.locate(pointer).is_some();
    match kind {
        Kind::List => {
            let (length, items, room) = (word(16), word(24), word(32));
            // Room that was never used may not be in memory.
            let there = |bytes: u64| image.holds(items, bytes);
            const LARGE: u64 = 1 << 17;
            let map = || image.mapping_of(items).and_then(|i| image.maps().get(i));
            let fits = room < LARGE || map().is_some_and(|m| room < ABSURD && room * 8 <= m.end - items);
            length <= room && fits && (length == 0 || there(length * 8))
        }
        Kind::Dict | Kind::OrderedDict => held(word(32)),
        Kind::Set => {
            let slots = word(32).wrapping_add(1);
            slots.is_power_of_two() && slots < ABSURD && held(word(40))
        }
        Kind::ByteArray => word(16) <= word(24) && word(24) < ABSURD && (word(32) == 0 || held(word(32))),
        Kind::Str => text::shape(image, layout, at).is_some_and(|s| {
            let data = u64::from(layout.str_compact);
            // Its own buffer lies in memory whole: nothing but text that was written.
            let whole = |s: text::StrShape| {
                let bytes = s.length.saturating_mul(s.width.max(1));
                bytes < ABSURD && image.holds(word(data), bytes)
            };
            let kept = s.compact || s.length == 0 || whole(s);
            // A character takes four bytes of UTF-8 at most.
            let copy = u64::from(layout.str_ascii);
            let copied = s.ascii || word(copy + 8) == 0 || word(copy) <= s.length.saturating_mul(4);
            matches!(s.width, 0 | 1 | 2 | 4)
                && s.length < ABSURD
                && kept
                && copied
                && (s.compact || !s.ascii || s.width == 1)
        }),
        Kind::Function => refer(image, at, layout.function),
        Kind::Code => refer(image, at, layout.code),
        _ => true,
    }
}

/// Whether each field is empty or leads to something.
fn refer(image: &Image, at: u64, fields: &[Field]) -> bool {
    let leads = |pointer: u64| pointer == 0 || image.locate(pointer).is_some();
    fields.iter().all(|(offset, _)| image.word_at(at, u64::from(*offset)).is_some_and(leads))
}

/// The same without the values of attributes that 3.13 and later keep behind an instance: `sys.getsizeof`
/// leaves them out.
fn fields(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    let size = match desc.kind {
        Kind::Int => int(image, layout, at)?,
        Kind::Str => {
            let shape = text::shape(image, layout, at)?;
            string(layout, shape)
        }
        Kind::Type if desc.outside == Some(Outside::Class) => desc.basic_size,
        Kind::Type => {
            let heap = image.word_at(at, tf::FLAGS)? & tf::HEAP != 0;
            u64::from(if heap { layout.heap_type_size } else { layout.type_size })
        }
        Kind::Frame | Kind::Generator if matches!(layout.frames, Frames::Interpreter(_)) => desc.basic_size,
        _ => generic(image, at, desc)?,
    };
    (size < ABSURD).then_some(size)
}

/// Fields plus items.
fn generic(image: &Image, at: u64, desc: &TypeDesc) -> Option<u64> {
    if desc.item_size == 0 {
        return Some(desc.basic_size);
    }
    let items = (image.word_at(at, 16)? as i64).unsigned_abs();
    if items > ABSURD {
        return None;
    }
    Some(desc.basic_size + items * desc.item_size)
}

fn int(image: &Image, layout: &ObjectLayout, at: u64) -> Option<u64> {
    let raw = image.word_at(at, 16)?;
    let digits = if layout.int_tagged { raw >> 3 } else { (raw as i64).unsigned_abs() };
    let digits = digits.max(u64::from(layout.int_least_digits));
    (digits < ABSURD).then(|| INT_HEAD + layout.shift() + digits * 4)
}

/// Bytes before the digits of an int.
const INT_HEAD: u64 = 24;

fn string(layout: &ObjectLayout, shape: text::StrShape) -> u64 {
    if !shape.compact {
        return u64::from(layout.str_compact) + layout.shift() + 8;
    }
    let head = u64::from(if shape.ascii { layout.str_ascii } else { layout.str_compact });
    head + layout.shift() + (shape.length.min(ABSURD) + 1) * shape.width.max(1)
}

/// The values of attributes that lie behind an instance (3.13 on).
fn inline_values(image: &Image, at: u64, desc: &TypeDesc) -> u64 {
    let capacity = u64::from(image.byte_in(at, desc.basic_size).unwrap_or(0));
    capacity.next_multiple_of(8) + (capacity + 1) * 8
}

/// What `sys.getsizeof` says.
pub(crate) fn shallow(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> u64 {
    let own = match desc.kind {
        Kind::Frame => frame(image, layout, at, desc),
        Kind::Code => generic(image, at, desc).map(|size| size.next_multiple_of(8)),
        _ => fields(image, layout, at, desc),
    };
    let own = own.unwrap_or(desc.basic_size);
    own + outside(image, layout, at, desc).unwrap_or(0) + before(image, layout, at, desc)
}

/// Headers before the object.
fn before(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> u64 {
    let heap = || image.word_at(at, tf::FLAGS).is_some_and(|f| f & tf::HEAP != 0);
    if desc.kind == Kind::Type && !layout.static_types_have_head && !heap() { 0 } else { desc.prefix }
}

/// Buffers that belong to the object.
fn outside(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    Some(match desc.kind {
        Kind::List => image.word_at(at, 32)?.min(ABSURD) * 8,
        Kind::ByteArray => byte_array(image, layout, at)?,
        Kind::Dict | Kind::OrderedDict => {
            let more = desc.outside.and_then(|o| o.bytes(image, at)).unwrap_or(0);
            dictionary(image, layout, at, desc)? + more
        }
        Kind::Set => {
            let (mask, table) = (image.word_at(at, 32)?, image.word_at(at, 40)?);
            if table == at + 64 + layout.shift() { 0 } else { (mask.min(ABSURD) + 1) * 16 }
        }
        Kind::Str => {
            let shape = text::shape(image, layout, at)?;
            let text = if shape.compact { 0 } else { (shape.length.min(ABSURD) + 1) * shape.width };
            text + encoded(image, layout, at, shape)
        }
        Kind::Type if desc.outside == Some(Outside::Class) => class_description(image, layout, at)?,
        Kind::Type => shared_keys(image, layout, at)?,
        Kind::Deque => {
            /// A block: 64 items and two links.
            const BLOCK: u64 = 66 * 8;
            let (index, length) = (image.word_at(at, 40)?, image.word_at(at, 16)?);
            (index.min(64) + length.min(ABSURD)).div_ceil(64).max(1) * BLOCK
        }
        Kind::Generator => generator(image, layout, at)?,
        Kind::NdArray => array(image, at)?,
        Kind::Code => match layout.code_cell2arg {
            Some(offset) if image.word_at(at, u64::from(offset))? != 0 => {
                image.word_at(image.word_at(at, 88)?, 16)?.min(1 << 16) * 8
            }
            _ => 0,
        },
        _ => desc.outside.and_then(|o| o.bytes(image, at)).unwrap_or(0),
    })
}

/// The one buffer that an object has outside itself, where it has one: address and bytes.
pub(crate) fn buffer(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<(u64, u64)> {
    let pointer = |offset: u64| image.word_at(at, offset).filter(|p| *p != 0);
    let (address, bytes) = match desc.kind {
        Kind::Dict | Kind::OrderedDict => (pointer(32)?, KeyTable::read(image, layout, pointer(32)?)?.bytes),
        Kind::List => (pointer(24)?, outside(image, layout, at, desc)?),
        // An object of its own, where its contents lie in one.
        Kind::ByteArray if layout.bytearray_object.is_some() => return None,
        Kind::ByteArray => (pointer(32)?, outside(image, layout, at, desc)?),
        Kind::Set => (pointer(40)?, outside(image, layout, at, desc)?),
        Kind::NdArray => (pointer(16)?, outside(image, layout, at, desc)?),
        Kind::Type => (pointer(u64::from(layout.cached_keys))?, shared_keys(image, layout, at)?),
        _ => return desc.outside?.buffer(image, at),
    };
    (bytes > 0).then_some((address, bytes))
}

/// The contents of a bytearray, with the head of the object that they lie in.
fn byte_array(image: &Image, layout: &ObjectLayout, at: u64) -> Option<u64> {
    let room = image.word_at(at, 24)?.min(ABSURD);
    let head = if layout.bytearray_object.is_some() && room > 0 { BYTES_HEAD + layout.shift() } else { 0 };
    Some(head + room)
}

/// The keys that instances of a class share.
fn shared_keys(image: &Image, layout: &ObjectLayout, class: u64) -> Option<u64> {
    let heap = image.word_at(class, tf::FLAGS)? & tf::HEAP != 0;
    let keys = if heap { image.word_at(class, u64::from(layout.cached_keys))? } else { 0 };
    Some(KeyTable::read(image, layout, keys).map_or(0, |k| k.bytes))
}

/// A copy in UTF-8 beside the text.
fn encoded(image: &Image, layout: &ObjectLayout, at: u64, shape: text::StrShape) -> u64 {
    let field = |offset: u16| image.word_at(at, u64::from(offset)).unwrap_or(0);
    let (length, copy) = (field(layout.str_ascii), field(layout.str_ascii + 8));
    let own = copy != 0 && (shape.compact || copy != field(layout.str_compact));
    if shape.ascii || !own { 0 } else { length.min(ABSURD) + 1 }
}

fn dictionary(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    let dict = Dict::read(image, layout, at)?;
    let own = if dict.keys.references == 1 { dict.keys.bytes } else { 0 };
    let room = dict.keys.count.min(ABSURD) + dict.keys.usable.min(ABSURD);
    let values = if dict.values.is_some() { room * 8 } else { 0 };
    let order = if desc.kind == Kind::OrderedDict {
        /// A node: key, hash, two links.
        const NODE: u64 = 32;
        let fast = if image.word_at(at, 48)? == 0 { 0 } else { dict.keys.slots.min(ABSURD) * 8 };
        fast + dict.used.min(ABSURD) * NODE
    } else {
        0
    };
    Some(own + values + order)
}

/// Up to 3.10: as many slots as the code needs, one of which the struct has; the block may hold more.
fn frame(image: &Image, layout: &ObjectLayout, at: u64, desc: &TypeDesc) -> Option<u64> {
    if let Frames::Interpreter(f) = layout.frames {
        let code = image.word_in(image.word_at(at, u64::from(f.object_frame))?, u64::from(f.code))? & !7;
        return Some(desc.basic_size + slots(image, code, f.code_locals, f.code_stack)? * 8);
    }
    let code = image.word_at(at, 32)?;
    let tuple = |offset: u64| image.word_at(image.word_at(code, offset)?, 16);
    let named = slots(image, code, 28, 32)? + tuple(80)?.min(1 << 20) + tuple(88)?.min(1 << 20);
    Some(desc.basic_size + named.saturating_sub(1) * 8)
}

/// Local variables and depth of the stack of a code object.
fn slots(image: &Image, code: u64, locals: u16, stack: u16) -> Option<u64> {
    let count = |offset: u16| image.half_at(code, u64::from(offset)).map(u64::from);
    Some((count(locals)? + count(stack)?).min(1 << 20))
}

/// Room for the local variables and the stack.
fn generator(image: &Image, layout: &ObjectLayout, at: u64) -> Option<u64> {
    let Frames::Interpreter(f) = layout.frames else { return Some(0) };
    let code = image.word_at(at, u64::from(f.generator_frame) + u64::from(f.code))? & !7;
    Some(slots(image, code, f.code_locals, f.code_stack)? * 8)
}

/// Dimensions, strides and, where they are its own, data.
fn array(image: &Image, at: u64) -> Option<u64> {
    const OWNS_DATA: u32 = 4;
    let dimensions = image.half_at(at, 24)?.min(64);
    let shape = u64::from(dimensions) * 16;
    if image.half_at(at, 64)? & OWNS_DATA == 0 {
        return Some(shape);
    }
    Some(shape + array_bytes(image, at).unwrap_or(0))
}

/// Bytes of an array's elements.
pub(crate) fn array_bytes(image: &Image, at: u64) -> Option<u64> {
    let dimensions = image.half_at(at, 24)?.min(64);
    let shape = image.word_at(at, 32)?;
    let dtype = image.word_at(at, 56)?;
    let mut bytes = item_size(image, dtype)?;
    for i in 0..u64::from(dimensions) {
        bytes = bytes.checked_mul(image.word_in(shape, i * 8)?)?;
    }
    (bytes < ABSURD).then_some(bytes)
}
