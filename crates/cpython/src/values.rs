//! Values of a live process: texts, attributes, items. Nothing is stopped for it: every pointer is checked by the
//! kernel, every length is bounded, and what makes no sense is `None`.

use crate::decode::word;
use crate::dict::{KEYS_HEAD, KeyTable};
use crate::layout::objects::{Managed, ObjectLayout, type_fields as tf};
use m5_process::Memory;
use std::cell::RefCell;
use std::collections::HashMap;

/// Longest text, in characters.
const LONGEST_NAME: u64 = 1024;
/// Longest name of a type, in bytes.
const LONGEST_TYPE: usize = 256;
/// Most bytes of a table, and most items of a list, that are read.
const LARGEST: u64 = 64 << 20;
/// Deepest chain of base classes.
const BASES: usize = 64;
/// Offsets that are the same from 3.8 on: of a module, a set, a weak reference, a list, an int.
const MODULE_DICT: u64 = 16;
const SET_MASK: u64 = 32;
const SET_TABLE: u64 = 40;
const REFERENT: u64 = 16;
const LIST_ITEMS: u64 = 24;
const INT_DIGITS: u64 = 24;
const SIZE: u64 = 16;

/// Reads values of one interpreter's version.
pub(crate) struct Values<M> {
    pub(crate) memory: M,
    pub(crate) objects: &'static ObjectLayout,
    types: RefCell<HashMap<u64, Option<String>>>,
}

impl<M: Memory> Values<M> {
    pub(crate) fn new(memory: M, objects: &'static ObjectLayout) -> Self {
        Self { memory, objects, types: RefCell::default() }
    }

    pub(crate) fn field(&self, at: u64, offset: u64) -> Option<u64> {
        self.memory.u64(at.wrapping_add(offset)).ok()
    }

    /// A field of an object.
    pub(crate) fn member(&self, object: u64, offset: u64) -> Option<u64> {
        self.field(object, offset + self.objects.shift())
    }

    /// A pointer in an object that is not null.
    pub(crate) fn held(&self, object: u64, offset: u64) -> Option<u64> {
        self.member(object, offset).filter(|p| *p != 0)
    }

    /// A pointer that is not null.
    pub(crate) fn pointer(&self, at: u64, offset: u64) -> Option<u64> {
        self.field(at, offset).filter(|p| *p != 0)
    }

    fn block(&self, at: u64, bytes: u64) -> Option<Vec<u8>> {
        let mut block = vec![0; usize::try_from(bytes).ok().filter(|b| *b as u64 <= LARGEST)?];
        self.memory.read(at, &mut block).ok().map(|()| block)
    }

    /// The text of a string object.
    pub(crate) fn text(&self, string: u64) -> Option<String> {
        let length = self.member(string, SIZE).filter(|l| *l <= LONGEST_NAME)?;
        let string = string.wrapping_add(self.objects.shift());
        let state = self.memory.i32(string.wrapping_add(32)).ok()?.cast_unsigned();
        let state = state >> self.objects.str_kind;
        let (width, compact, ascii) = (state & 7, state >> 3 & 1, state >> 4 & 1);
        if compact == 0 || !matches!(width, 1 | 2 | 4) {
            return None;
        }
        let start = if ascii == 1 { self.objects.str_ascii } else { self.objects.str_compact };
        let bytes = self.block(string.wrapping_add(start.into()), length * u64::from(width))?;
        match width {
            1 => Some(bytes.iter().map(|b| char::from(*b)).collect()),
            2 => Some(bytes.as_chunks().0.iter().map(|c| wide(u16::from_le_bytes(*c).into())).collect()),
            _ => Some(bytes.as_chunks().0.iter().map(|c| wide(u32::from_le_bytes(*c))).collect()),
        }
    }

    /// A small int that is not negative.
    pub(crate) fn int(&self, at: u64) -> Option<u64> {
        let tag = self.member(at, SIZE)?;
        let at = at.wrapping_add(self.objects.shift());
        let digits = if self.objects.int_tagged { tag >> 3 } else { tag };
        let block = self.block(at.wrapping_add(INT_DIGITS), 4 * Some(digits).filter(|d| *d <= 3)?)?;
        let digit = |d: &[u8; 4]| u64::from(u32::from_le_bytes(*d));
        Some(block.as_chunks().0.iter().rev().fold(0, |sum, d| sum << 30 | digit(d)))
    }

    /// The class of an object.
    pub(crate) fn class(&self, object: u64) -> Option<u64> {
        self.held(object, 8)
    }

    /// What C calls a class: with its module where it is written in C, without where it is not.
    pub(crate) fn class_name(&self, class: u64) -> Option<String> {
        if let Some(known) = self.types.borrow().get(&class) {
            return known.clone();
        }
        let name = self.held(class, tf::NAME).and_then(|at| self.c_text(at));
        self.types.borrow_mut().insert(class, name.clone());
        name
    }

    /// The same of an object's class.
    pub(crate) fn type_name(&self, object: u64) -> Option<String> {
        self.class_name(self.class(object)?)
    }

    /// Whether an object's class is the one of that name, or is derived from it.
    pub(crate) fn is_a(&self, object: u64, name: &str) -> bool {
        let mut class = self.class(object);
        for _ in 0..BASES {
            let Some(at) = class else { return false };
            if self.class_name(at).as_deref() == Some(name) {
                return true;
            }
            class = self.held(at, tf::BASE);
        }
        false
    }

    fn c_text(&self, at: u64) -> Option<String> {
        let mut bytes = Vec::new();
        while bytes.len() < LONGEST_TYPE {
            // Words do not lie across pages.
            let next = at.wrapping_add(bytes.len() as u64);
            let chunk = self.block(next, 8 - next % 8)?;
            bytes.extend_from_slice(&chunk);
            if let Some(end) = bytes.iter().position(|b| *b == 0) {
                bytes.truncate(end);
                return String::from_utf8(bytes).ok();
            }
        }
        None
    }

    fn keys(&self, at: u64) -> Option<Vec<(u64, u64)>> {
        let head = self.memory.bytes::<KEYS_HEAD>(at).ok()?;
        let table = KeyTable::decode(self.objects.keys, at, &head)?;
        let entries = self.block(table.entries, table.count.checked_mul(table.stride)?)?;
        Some(table.pairs(&entries).collect())
    }

    /// Key and value of every item of a dictionary.
    pub(crate) fn items(&self, dict: u64) -> Option<Vec<(u64, u64)>> {
        let keys = self.keys(self.held(dict, 32)?)?;
        let items = match self.member(dict, 40)? {
            0 => keys,
            values => {
                let first = if self.objects.managed == Managed::Inline { values + 8 } else { values };
                self.beside(&keys, first)?
            }
        };
        Some(items.into_iter().filter(|(key, value)| *key != 0 && *value != 0).collect())
    }

    /// Keys with values that are kept apart.
    fn beside(&self, keys: &[(u64, u64)], values: u64) -> Option<Vec<(u64, u64)>> {
        let block = self.block(values, 8 * keys.len() as u64)?;
        Some(keys.iter().enumerate().map(|(i, (key, _))| (*key, word(&block, 8 * i))).collect())
    }

    fn named(&self, items: &[(u64, u64)], name: &str) -> Option<u64> {
        let found = items.iter().find(|(key, value)| {
            *value != 0
                && *key != 0
                && self.member(*key, SIZE) == Some(name.len() as u64)
                && self.text(*key).as_deref() == Some(name)
        });
        found.map(|(_, value)| *value)
    }

    /// The value behind a text key of a dictionary.
    pub(crate) fn get(&self, dict: u64, name: &str) -> Option<u64> {
        self.named(&self.items(dict)?, name)
    }

    /// An attribute that an instance holds itself.
    pub(crate) fn attribute(&self, object: u64, name: &str) -> Option<u64> {
        let class = self.class(object)?;
        let flags = self.member(class, tf::FLAGS)?;
        // The collector's header lies between these words and the object.
        let before = |words: u64| {
            let at = object.wrapping_sub(8 * words + self.objects.collector_head());
            self.field(at, 0).unwrap_or(0)
        };
        let values = |first: u64| {
            let keys = self.keys(self.held(class, self.objects.cached_keys.into())?)?;
            self.named(&self.beside(&keys, first)?, name)
        };
        let managed = self.objects.managed;
        if flags & tf::MANAGED_DICT == 0 || managed == Managed::None {
            let offset = self.member(class, tf::DICT_OFFSET)?.cast_signed();
            return self.get(self.pointer(object, u64::try_from(offset).ok().filter(|o| *o != 0)?)?, name);
        }
        match managed {
            Managed::None => None,
            Managed::ValuesAndDict => match (before(2), before(1)) {
                (first, 0) if first != 0 => values(first),
                (_, dict) => self.get(dict, name),
            },
            Managed::Tagged => match before(1) {
                tagged if tagged & 1 != 0 => values(tagged.wrapping_add(1)),
                dict => self.get(dict, name),
            },
            Managed::Inline => match before(1) {
                0 if flags & tf::INLINE_VALUES != 0 => {
                    let inside = object.wrapping_add(self.member(class, tf::BASIC_SIZE)?);
                    values(inside.wrapping_add(8))
                }
                dict => self.get(dict, name),
            },
        }
    }

    /// Items of a set; `None` where it changed meanwhile.
    pub(crate) fn set(&self, set: u64) -> Option<Vec<u64>> {
        let head = || Some((self.member(set, SET_MASK)?, self.member(set, SET_TABLE)?));
        let (mask, table) = head()?;
        let block = self.block(table, mask.checked_add(1)?.checked_mul(16)?)?;
        let items = block.chunks_exact(16).map(|entry| word(entry, 0)).filter(|item| *item != 0);
        (head()? == (mask, table)).then(|| items.collect())
    }

    /// What a weak reference refers to.
    pub(crate) fn referent(&self, reference: u64) -> Option<u64> {
        self.held(reference, REFERENT)
    }

    /// Items of a list.
    pub(crate) fn list(&self, list: u64) -> Option<Vec<u64>> {
        let block = self.block(self.member(list, LIST_ITEMS)?, self.member(list, SIZE)?.checked_mul(8)?)?;
        Some(block.chunks_exact(8).map(|item| word(item, 0)).collect())
    }

    /// A name in a module of an interpreter.
    pub(crate) fn in_module(&self, interpreter: u64, module: &str, name: &str) -> Option<u64> {
        let modules = self.pointer(interpreter, self.objects.modules.into())?;
        self.get(self.held(self.get(modules, module)?, MODULE_DICT)?, name)
    }

    /// Whether an interpreter has imported a module; `None` where its modules do not read.
    pub(crate) fn imported(&self, interpreter: u64, module: &str) -> Option<bool> {
        let items = self.items(self.pointer(interpreter, self.objects.modules.into())?)?;
        (!items.is_empty()).then(|| self.named(&items, module).is_some())
    }
}

fn wide(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}
