//! The types of a process: which addresses are types, how their instances lie in memory, what they are called.

use super::kind::Kind;
use super::outside::{self, Outside};
use crate::census::anchor::Anchor;
use crate::graph::dict;
use crate::image::Image;
use crate::names::text;
use m5_cpython::layout::objects::{Managed, type_fields as tf};
use rustc_hash::FxHashMap;

/// What is known of a type.
#[derive(Debug, Clone)]
pub struct TypeDesc {
    /// Its address.
    pub address: u64,
    /// Module-qualified name.
    pub name: String,
    /// How its instances are parsed.
    pub kind: Kind,
    /// `tp_flags`.
    pub flags: u64,
    /// Bytes of an instance.
    pub basic_size: u64,
    /// Bytes of an item.
    pub item_size: u64,
    /// Bytes that the parser of the kind covers; what lies between them and the basic size is scanned.
    pub covered: u64,
    /// Bytes before the object in its block.
    pub prefix: u64,
    /// `tp_dictoffset`.
    pub dict_offset: i64,
    /// `tp_weaklistoffset`.
    pub weaklist_offset: i64,
    /// Whether the fields come from the interpreter or a Python class, not from an unknown extension.
    pub exact: bool,
    /// Bytes by which an instance may be smaller than the type says.
    pub slack: u64,
    /// What its instances keep outside their structs, where that is known by the name of a base.
    pub(crate) outside: Option<Outside>,
    /// Offsets of fields that point to objects without holding them.
    pub borrowed: &'static [u64],
}

impl TypeDesc {
    /// Whether instances have a collector's header.
    #[must_use]
    pub fn gc(&self) -> bool {
        self.flags & tf::GC != 0
    }

    /// Whether it was made at run time.
    #[must_use]
    pub fn heap(&self) -> bool {
        self.flags & tf::HEAP != 0
    }

    /// Whether its instances are types.
    #[must_use]
    pub fn meta(&self) -> bool {
        self.kind == Kind::Type
    }
}

/// All types, by number and by address.
#[derive(Debug, Default)]
pub struct TypeTable {
    /// By number.
    pub descs: Vec<TypeDesc>,
    by_address: FxHashMap<u64, u32>,
    cache: Vec<(u64, u32)>,
}

const CACHE: usize = 1 << 12;
/// What an entry holds that no type took: where nothing lies, though a hash that was not computed yet looks like it.
const EMPTY: u64 = u64::MAX;

impl TypeTable {
    /// Number of a type.
    #[must_use]
    #[inline]
    pub fn number(&self, address: u64) -> Option<u32> {
        let (cached, number) = *self.cache.get(slot(address))?;
        if cached == address {
            return Some(number).filter(|_| address != EMPTY);
        }
        self.by_address.get(&address).copied()
    }

    /// A type by number.
    #[must_use]
    #[inline]
    pub fn get(&self, number: u32) -> Option<&TypeDesc> {
        self.descs.get(number as usize)
    }

    /// Takes all types among these addresses: whatever has a metatype as its type, until no metatype is new.
    #[must_use]
    pub fn find(image: &Image, anchor: &Anchor, candidates: &[u64]) -> Self {
        let mut meta = vec![anchor.type_type];
        let mut found: Vec<u64> = Vec::new();
        let mut done = 0;
        while done < meta.len() {
            let fresh: Vec<u64> = meta.split_off(done);
            meta.extend(&fresh);
            done = meta.len();
            for candidate in candidates {
                let Some(of) = image.word_at(*candidate, 8) else { continue };
                if !fresh.contains(&of) || !plausible(image, *candidate) {
                    continue;
                }
                found.push(*candidate);
                let flags = image.word_at(*candidate, tf::FLAGS).unwrap_or(0);
                if flags & tf::TYPE_SUBCLASS != 0 && !meta.contains(candidate) {
                    meta.push(*candidate);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Self::describe(image, anchor, &found)
    }

    fn describe(image: &Image, anchor: &Anchor, addresses: &[u64]) -> Self {
        let mut table = Self { cache: vec![(EMPTY, 0); CACHE], ..Self::default() };
        for (number, address) in addresses.iter().enumerate() {
            table.by_address.insert(*address, number as u32);
            if let Some(entry) = table.cache.get_mut(slot(*address)) {
                *entry = (*address, number as u32);
            }
        }
        table.descs = addresses.iter().map(|a| desc(image, anchor, *a)).collect();
        table
    }
}

fn slot(address: u64) -> usize {
    ((address >> 4) ^ (address >> 16)) as usize & (CACHE - 1)
}

/// Whether the fields are those of a type that is ready for use, or of a static one: the entries of
/// `functools.lru_cache` up to 3.9 have one that nobody makes ready.
fn plausible(image: &Image, address: u64) -> bool {
    let word = |at: u64| image.word_at(address, at).unwrap_or(0);
    let flags = word(tf::FLAGS);
    (flags & tf::READY != 0 || flags & tf::HEAP == 0 && word(tf::BASE) == 0)
        && (16..1 << 24).contains(&word(tf::BASIC_SIZE))
        && word(tf::ITEM_SIZE) < 1 << 20
        && name(image, address).is_some()
}

fn name(image: &Image, address: u64) -> Option<String> {
    let name = image.c_string(image.word_at(address, tf::NAME)?, 500)?;
    (!name.is_empty() && !name.contains(char::is_control)).then_some(name)
}

fn desc(image: &Image, anchor: &Anchor, address: u64) -> TypeDesc {
    let word = |at: u64| image.word_at(address, at).unwrap_or(0);
    let flags = word(tf::FLAGS);
    let (kind, covered, exact) = kind_of(image, anchor, address);
    let layout = anchor.layout;
    let name = qualified(image, anchor, address, flags);
    let head = if flags & tf::GC != 0 { anchor.layout.collector_head() } else { 0 };
    let pre = if flags & layout.preheader != 0 { 16 } else { 0 };
    TypeDesc {
        address,
        kind,
        flags,
        basic_size: word(tf::BASIC_SIZE),
        item_size: word(tf::ITEM_SIZE),
        covered,
        prefix: if layout.managed == Managed::None { head } else { head + pre },
        dict_offset: word(tf::DICT_OFFSET) as i64,
        weaklist_offset: word(tf::WEAKLIST_OFFSET) as i64,
        exact,
        slack: if matches!(name.as_str(), "datetime.time" | "datetime.datetime") { 8 } else { 0 },
        outside: outside::of(image, layout, address, |at| self::name(image, at)),
        borrowed: borrowed(&name),
        name,
    }
}

/// The nearest base whose layout is known decides; how many bytes its struct has; whether everything beyond it
/// was added by Python classes.
fn kind_of(image: &Image, anchor: &Anchor, address: u64) -> (Kind, u64, bool) {
    const DEEPEST: usize = 64;
    let mut at = address;
    let mut exact = true;
    for _ in 0..DEEPEST {
        let flags = image.word_at(at, tf::FLAGS).unwrap_or(0);
        let spelled = name(image, at).unwrap_or_default();
        // A class made by a `class` statement has a name without a dot; types of C carry their module.
        let of_c = flags & tf::HEAP == 0 || spelled.contains('.');
        if of_c {
            let kind = Kind::by_name(&spelled, flags);
            if kind != Kind::Plain {
                let covered = image.word_at(at, tf::BASIC_SIZE).unwrap_or(anchor.layout.header());
                return (
                    kind,
                    if kind == Kind::ByteArray { covered.min(56 + image.shift()) } else { covered },
                    exact,
                );
            }
            exact &= anchor.owns(image, at) || spelled == "object";
        }
        match image.word_at(at, tf::BASE) {
            Some(base) if base != 0 && base != at => at = base,
            _ => break,
        }
    }
    (Kind::Plain, anchor.layout.header(), exact)
}

/// `module.qualname` for classes made at run time; the C name otherwise.
fn qualified(image: &Image, anchor: &Anchor, address: u64, flags: u64) -> String {
    let spelled = name(image, address).unwrap_or_else(|| format!("type at {address:#x}"));
    if flags & tf::HEAP == 0 {
        return spelled.strip_prefix("builtins.").unwrap_or(&spelled).to_owned();
    }
    let qualname = image.word_at(address, u64::from(anchor.layout.qualname));
    let qualname =
        qualname.and_then(|q| text::of(image, anchor.layout, q)).unwrap_or_else(|| spelled.clone());
    let module = image.word_at(address, tf::DICT).and_then(|d| {
        let value = dict::get(image, anchor.layout, d, "__module__")?;
        text::of(image, anchor.layout, value)
    });
    match module {
        Some(module) if module == "builtins" => qualname,
        Some(module) => format!("{module}.{qualname}"),
        None if spelled.contains('.') => spelled,
        None => qualname,
    }
}

/// Links and caches of known structs that raise no reference count.
fn borrowed(name: &str) -> &'static [u64] {
    match name {
        "_contextvars.ContextVar" | "ContextVar" => &[32],
        _ => &[],
    }
}
