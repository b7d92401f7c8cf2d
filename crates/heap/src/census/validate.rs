//! A closer look at what may be an object where no allocator confirms that a block begins there.

use crate::census::Finder;
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::graph::dict::Dict;
use crate::names::text;

/// Bytes of the collector's header.
const HEAD: u64 = 16;
/// Bytes of an interpreter's state, at the most.
const STATE: u64 = 1 << 20;
/// Longer integers than any program makes.
const LONG: u64 = 1 << 20;

/// Whether the fields of an object with this type and size lead where they must.
pub(super) fn is_object(finder: &Finder<'_>, own: u64, desc: &TypeDesc, size: u64) -> bool {
    let (image, layout) = (finder.image, finder.anchor.layout);
    let word = |offset: u64| image.word_at(own, offset).unwrap_or(u64::MAX);
    let object = |at: u64| image.word(at.wrapping_add(8)).is_some_and(|of| finder.types.number(of).is_some());
    let leads = |at: u64| at == 0 || object(at);
    // The first and the last stand for all.
    let ends = |items: u64, count: u64| {
        let last = items.wrapping_add(count.wrapping_sub(1).wrapping_mul(8));
        count == 0 || [items, last].iter().all(|at| image.word(*at).is_some_and(leads))
    };
    // Text ends with a zero; pages that nobody touched are not there.
    let ended = || image.byte(own.wrapping_add(size - 1)).is_none_or(|byte| byte == 0);
    let next = if desc.gc() { image.word(own.wrapping_sub(16)).unwrap_or(0) } else { 0 };
    // The collector's list goes on to another object, or ends in the state of an interpreter.
    let state = |at: u64| {
        let file = || image.mapping_of(at).and_then(|i| image.maps().get(i)).is_some_and(|m| m.inode != 0);
        finder.anchor.interpreters.iter().any(|i| (*i..*i + STATE).contains(&at)) || file()
    };
    let linked = next == 0 || object((next & !3) + HEAD) || state(next & !3);
    linked
        && match desc.kind {
            Kind::Tuple => ends(own + u64::from(layout.tuple_items), word(16)),
            Kind::List => word(16) <= word(32) && ends(word(24), word(16)),
            Kind::Dict | Kind::OrderedDict => Dict::read(image, layout, own)
                .is_some_and(|dict| dict.items(image).take(2).all(|(key, value)| leads(key) && leads(value))),
            Kind::Set => word(24) <= word(16) && word(16) <= word(32).saturating_add(1),
            Kind::Str => text::shape(image, layout, own).is_some_and(|s| !s.compact || ended()),
            Kind::Bytes => desc.name != "bytes" || ended(),
            Kind::Int => size < LONG,
            _ => true,
        }
}
