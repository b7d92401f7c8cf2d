//! Names references by walking the referring object once more.

use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::graph::dict::{self, Dict};
use crate::graph::edges::{Label, Walker};
use crate::names::text;
use crate::names::{EdgeName, EdgeNamer};
use m5_cpython::layout::objects::{Frames, type_fields as tf};

/// Names references on the image.
#[derive(Debug, Clone, Copy)]
pub struct ImageNamer<'a> {
    pub(crate) walker: Walker<'a>,
}

/// Of the wrapper of `functools.lru_cache`: its dictionary.
const LRU_CACHE: u64 = 72;
/// Longest decimal number that is written out as a key.
const LARGEST_DIGITS: u64 = 2;

impl EdgeNamer for ImageNamer<'_> {
    fn name(&self, from: u32, to: u32) -> Option<EdgeName> {
        let wanted = *self.walker.census.address.get(to as usize)?;
        let mut found = None;
        let mut see = |target: u64, label: Label| {
            // `__class__` comes first, but a better name may follow.
            if target == wanted && (found.is_none() || found == Some(Label::Field("__class__"))) {
                found = Some(label);
            }
        };
        self.walker.visit(from, &mut see);
        let label = found?;
        self.words(from, label)
    }

    fn items(&self, object: u32) -> Option<u64> {
        let at = *self.walker.census.address.get(object as usize)?;
        let image = self.walker.image;
        match self.walker.census.desc(object)?.kind {
            Kind::List | Kind::Tuple | Kind::Deque => image.word_at(at, 16),
            Kind::Dict | Kind::OrderedDict => {
                Dict::read(image, self.walker.anchor.layout, at).map(|d| d.used)
            }
            Kind::Set => image.word_at(at, 24),
            Kind::LruCache => {
                let cache = image.word_at(at, LRU_CACHE)?;
                Dict::read(image, self.walker.anchor.layout, cache).map(|d| d.used)
            }
            _ => None,
        }
    }

    fn limit(&self, object: u32) -> Option<u64> {
        const MAXLEN: u64 = 64;
        const MAXSIZE: u64 = 96;
        let at = *self.walker.census.address.get(object as usize)?;
        let limit = match self.walker.census.desc(object)?.kind {
            Kind::Deque => self.walker.image.word_at(at, MAXLEN)?,
            Kind::LruCache => self.walker.image.word_at(at, MAXSIZE)?,
            _ => return None,
        };
        // A negative one is none.
        u64::try_from(limit as i64).ok()
    }

    fn bound(&self, owner: u32) -> Option<u64> {
        self.told_by(owner).or_else(|| self.told_by_class(owner))
    }

    fn bound_beside(&self, namespace: u32, container: &str) -> Option<u64> {
        self.told_beside(namespace, container)
    }
}

impl ImageNamer<'_> {
    fn words(&self, from: u32, label: Label) -> Option<EdgeName> {
        Some(match label {
            Label::Field(name) => EdgeName::Field(name.to_owned()),
            Label::Namespace => EdgeName::Attribute("__dict__".to_owned()),
            Label::Attribute(key) => EdgeName::Attribute(self.text(key)?),
            Label::Slot(offset) => EdgeName::Attribute(self.slot(self.walker.census.desc(from)?, offset)?),
            Label::Key(key) => EdgeName::Key(self.key(key)?),
            Label::Index(i) => self.named_item(from, i).map_or(EdgeName::Index(i), EdgeName::Attribute),
            Label::Local(code, i) => EdgeName::Local(self.local(code, i)?),
            Label::Member => EdgeName::Member,
        })
    }

    /// The name of an item of a named tuple: its class has them in order.
    fn named_item(&self, from: u32, i: u64) -> Option<String> {
        let (image, census, layout) = (self.walker.image, self.walker.census, self.walker.anchor.layout);
        let desc = census.desc(from).filter(|d| d.kind == Kind::Tuple && d.heap())?;
        let fields = self.class_dicts(desc).find_map(|dict| dict::get(image, layout, dict, "_fields"))?;
        census.desc(self.walker.object(fields)?).filter(|d| d.kind == Kind::Tuple)?;
        image.word_at(fields, 16).filter(|length| i < *length)?;
        self.text(image.word_at(fields, u64::from(layout.tuple_items) + 8 * i)?)
    }

    pub(super) fn text(&self, at: u64) -> Option<String> {
        text::of(self.walker.image, self.walker.anchor.layout, at)
    }

    /// A key in words: strings as they are, small numbers in digits, anything else by its type.
    fn key(&self, at: u64) -> Option<String> {
        let desc = self.walker.census.desc(self.walker.object(at)?)?;
        match desc.kind {
            Kind::Str => self.text(at),
            Kind::Int => self.number(at).or_else(|| Some(format!("<{}>", desc.name))),
            _ => Some(format!("<{}>", desc.name)),
        }
    }

    pub(super) fn number(&self, at: u64) -> Option<String> {
        const DIGIT_BITS: u32 = 30;
        let image = self.walker.image;
        let raw = image.word_at(at, 16)?;
        let (digits, negative) = if self.walker.anchor.layout.int_tagged {
            (raw >> 3, raw & 3 == 2)
        } else {
            ((raw as i64).unsigned_abs(), (raw as i64) < 0)
        };
        if digits > LARGEST_DIGITS {
            return None;
        }
        let digit = |i: u64| image.half_at(at, 24 + 4 * i).map(u64::from);
        let mut value = 0u64;
        for i in (0..digits).rev() {
            value = value << DIGIT_BITS | digit(i)?;
        }
        Some(if negative { format!("-{value}") } else { value.to_string() })
    }

    /// The name of a slot: the class that declared it keeps a descriptor with the offset.
    pub(super) fn slot(&self, desc: &TypeDesc, offset: u64) -> Option<String> {
        self.class_dicts(desc).find_map(|dict| self.descriptor(dict, offset))
    }

    /// Dictionaries of a class and of those that it is made from, itself first.
    pub(super) fn class_dicts(&self, desc: &TypeDesc) -> impl Iterator<Item = u64> {
        const DEEPEST: usize = 64;
        let image = self.walker.image;
        let base = move |class: &u64| image.word_at(*class, tf::BASE).filter(|b| *b != 0 && b != class);
        let classes = std::iter::successors(Some(desc.address), base).take(DEEPEST);
        classes.filter_map(move |class| image.word_at(class, tf::DICT))
    }

    fn descriptor(&self, dict: u64, offset: u64) -> Option<String> {
        /// Of a member descriptor: its definition; of that: the offset.
        const MEMBER: u64 = 40;
        const OFFSET: u64 = 16;
        let image = self.walker.image;
        let dict = Dict::read(image, self.walker.anchor.layout, dict)?;
        let found = dict.items(image).find(|(_, value)| {
            let desc = self.walker.object(*value).and_then(|o| self.walker.census.desc(o));
            desc.is_some_and(|d| d.name == "member_descriptor")
                && image.word_at(*value, MEMBER).and_then(|m| self.constant(m.wrapping_add(OFFSET)))
                    == Some(offset)
        });
        self.text(found?.0)
    }

    /// A word that may lie among constants.
    fn constant(&self, at: u64) -> Option<u64> {
        use m5_process::Memory;
        self.walker.image.u64(at).ok()
    }

    pub(crate) fn local(&self, code: u64, i: u64) -> Option<String> {
        let image = self.walker.image;
        let items = u64::from(self.walker.anchor.layout.tuple_items);
        let item = |tuple: u64, i: u64| image.word_at(tuple, items + 8 * i);
        let key = match self.walker.anchor.layout.frames {
            Frames::Interpreter(f) => item(image.word_at(code, u64::from(f.code_names))?, i)?,
            Frames::Objects { .. } => {
                // Variables, then cells, then free variables.
                let mut rest = i;
                let names = [72, 88, 80].into_iter().find_map(|offset| {
                    let tuple = image.word_at(code, offset)?;
                    let length = image.word_at(tuple, 16)?;
                    if rest < length {
                        return Some((tuple, rest));
                    }
                    rest -= length;
                    None
                });
                let (tuple, i) = names?;
                item(tuple, i)?
            }
        };
        self.text(key)
    }
}
