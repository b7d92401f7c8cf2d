//! What every object refers to, and what each reference is called.
//!
//! One walk serves both: building the graph takes the targets, naming a reference takes the labels.

mod code;
mod containers;
mod instances;
mod ndarray;
mod suspended;

use crate::census::Census;
use crate::census::anchor::Anchor;
use crate::census::kind::Kind;
use crate::census::outside::Outside;
use crate::census::types::TypeDesc;
use crate::graph::dict::word;
use crate::image::Image;
use m5_cpython::layout::objects::{Field, type_fields as tf};
use m5_process::LOWEST_ADDRESS;
use rustc_hash::FxHashMap;

/// Where in the referring object a reference was found; cheap to make, turned into words on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// A field of a known struct.
    Field(&'static str),
    /// `__dict__` of an instance, module or class.
    Namespace,
    /// An attribute by the address of its name.
    Attribute(u64),
    /// A word of the object at this offset: a slot or a field of an unknown struct.
    Slot(u64),
    /// A value by the address of its key, or the key itself.
    Key(u64),
    /// A position.
    Index(u64),
    /// A local variable of a code object by its number; 0 for the code.
    Local(u64, u64),
    /// Something without a name.
    Member,
}

impl Label {
    /// Whether an object must be there: the word of an unknown struct may be anything.
    pub(crate) fn certain(self) -> bool {
        !matches!(self, Self::Slot(_) | Self::Member)
    }
}

/// Receives references: the address referred to and the label.
pub(crate) trait Visit {
    /// One reference; the address may be none of an object.
    fn see(&mut self, target: u64, label: Label);
}

impl<F: FnMut(u64, Label)> Visit for F {
    fn see(&mut self, target: u64, label: Label) {
        self(target, label);
    }
}

/// What the interpreter's own compiler makes of a loop.
const EXECUTOR: &str = "uop_executor";

/// Of a date or time: whether it has a time zone.
const HAS_ZONE: u64 = 24;

/// Buffers of unknown extension types, by the object that owns them: address and bytes.
pub(crate) type BlockOwners = FxHashMap<u32, Vec<(u64, u64)>>;

/// Walks the references of objects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walker<'a> {
    pub(crate) image: &'a Image,
    pub(crate) anchor: &'a Anchor,
    pub(crate) census: &'a Census,
    pub(crate) owners: &'a BlockOwners,
}

impl Walker<'_> {
    /// Hands out every reference that an object holds.
    pub(crate) fn visit(&self, object: u32, see: &mut impl Visit) {
        let Some(at) = self.census.address.get(object as usize).copied() else { return };
        let Some(desc) = self.census.desc(object) else { return };
        if self.census.interned == Some(object) {
            return;
        }
        if desc.heap() {
            see.see(desc.address, Label::Field("__class__"));
        }
        match desc.kind {
            // A bytearray of 3.15 keeps its bytes in an object, which the scan behind its own fields finds.
            Kind::Leaf | Kind::Int | Kind::Str | Kind::Bytes | Kind::ByteArray => {}
            Kind::List => self.list(at, see),
            Kind::Tuple => self.tuple(at, see),
            Kind::Dict => self.dict(at, see),
            Kind::OrderedDict => self.ordered_dict(at, see),
            Kind::Set => self.set(at, see),
            Kind::Deque => self.deque(at, see),
            // The object that it refers to is not held.
            Kind::Weakref => self.fields(at, &[(24, "__callback__")], see),
            Kind::Type => self.class(at, see),
            Kind::Function => self.fields(at, self.anchor.layout.function, see),
            Kind::Code => self.code(at, see),
            Kind::Frame => self.frame_object(at, see),
            Kind::Generator => self.generator(at, desc, see),
            Kind::NdArray => self.array(at, see),
            Kind::LruCache => self.lru_cache(at, desc, see),
            Kind::LruEntry => self.fields(at, &[(40, "key"), (48, "result")], see),
            Kind::Plain => self.plain(at, desc, see),
        }
        match desc.kind {
            Kind::Plain => match desc.outside {
                Some(Outside::Element) => self.element(at, see),
                Some(Outside::Ring(ring)) => self.ring(at, u64::from(ring), see),
                _ => self.claimed(object, see),
            },
            _ if desc.basic_size > desc.covered => {
                self.scan(at, desc.covered, desc.basic_size, desc, see);
                self.claimed(object, see);
            }
            _ => {}
        }
        self.attributes(at, desc, see);
    }

    /// Fields with names.
    fn fields(&self, at: u64, fields: &[Field], see: &mut impl Visit) {
        for (offset, name) in fields {
            if let Some(target) = self.image.word_at(at, u64::from(*offset)).filter(|t| *t != 0) {
                see.see(target, Label::Field(name));
            }
        }
    }

    /// A run of pointers.
    fn items(&self, at: u64, count: u64, see: &mut impl Visit) {
        let bytes = self.image.tail(at).unwrap_or(&[]);
        let wanted = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(8);
        let bytes = bytes.get(..wanted.min(bytes.len())).unwrap_or(&[]);
        for (i, item) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let target = u64::from_le_bytes(*item);
            if target != 0 {
                see.see(target, Label::Index(i as u64));
            }
        }
    }

    /// The words of a struct that m5 does not know, and of its items.
    fn plain(&self, at: u64, desc: &TypeDesc, see: &mut impl Visit) {
        if desc.item_size == 1 && desc.name == EXECUTOR {
            return self.exits(at, desc, see);
        }
        // A date without a zone has no room for one.
        let zoned = desc.slack > 0 && self.image.byte_at(at, HAS_ZONE) == Some(1);
        let slack = if zoned { 0 } else { desc.slack };
        self.scan(at, self.anchor.layout.header(), desc.basic_size.saturating_sub(slack), desc, see);
        if desc.item_size == 8 {
            let items = (self.image.word_at(at, 16).unwrap_or(0) as i64).unsigned_abs();
            self.items(at.wrapping_add(desc.basic_size), items, see);
        }
    }

    /// Blocks that belong to an object of C. What leads back to the object itself from there is not counted: nobody would
    /// ever free it (a greenlet's own state knows its greenlet). Nor is the frame that something left off at: the frames
    /// that it remembers hold it.
    fn claimed(&self, object: u32, see: &mut impl Visit) {
        let at = self.census.address.get(object as usize).copied().unwrap_or(0);
        for (buffer, bytes) in self.owners.get(&object).into_iter().flatten() {
            let words = self.image.tail(*buffer).unwrap_or(&[]);
            let words = words.get(..words.len().min(*bytes as usize)).unwrap_or(&[]);
            let waits = self.suspended(words, see);
            let counts = |to: u64| to != at && !(waits && self.is(to, Kind::Frame));
            let targets = words.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
            targets.filter(|to| counts(*to)).for_each(|to| see.see(to, Label::Member));
        }
    }

    /// Whether an object of a kind lies there.
    pub(crate) fn is(&self, at: u64, kind: Kind) -> bool {
        self.object(at).and_then(|object| self.census.desc(object)).is_some_and(|desc| desc.kind == kind)
    }

    /// Words between two offsets, but for the list of weak references and links that are not owned.
    fn scan(&self, at: u64, from: u64, to: u64, desc: &TypeDesc, see: &mut impl Visit) {
        if to <= from {
            return;
        }
        let bytes = self.image.slice(at + from, (to - from) as usize).unwrap_or(&[]);
        let borrowed = desc.borrowed;
        for i in (0..bytes.len() / 8).map(|i| i as u64 * 8) {
            let offset = from + i;
            let target = word(bytes, i as usize);
            // A struct of C that points to itself (Cython's functions) does not count that.
            let own = target == at && !desc.exact;
            let skip = own
                || offset as i64 == desc.weaklist_offset
                || borrowed.contains(&(offset - self.image.shift()));
            if skip || target < LOWEST_ADDRESS {
                continue;
            }
            let label = match offset as i64 == desc.dict_offset {
                true => Label::Namespace,
                false => Label::Slot(offset),
            };
            see.see(target, label);
        }
    }

    /// The object at an address, if there is one.
    pub(crate) fn object(&self, address: u64) -> Option<u32> {
        self.census.index.get(self.image, address)
    }
}

/// Whether references out of a type's instances are only words that look like references.
pub(crate) fn conservative(desc: &TypeDesc) -> bool {
    desc.kind == Kind::Plain && !desc.exact
}

/// `tp_flags` of the class at an address.
fn flags(image: &Image, class: u64) -> u64 {
    image.word_at(class, tf::FLAGS).unwrap_or(0)
}
