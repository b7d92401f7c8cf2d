//! Who owns a block of native memory that is no object: the object, the library or the interpreter from which pointers
//! lead to its beginning, over as many blocks as it takes (a tree of C nodes, a list of callbacks).
//!
//! Whoever comes first has it, nearest first, in the order: objects of extension types, other objects of C, modules and
//! classes, interpreters, data of libraries, descriptors of threads. Words that only look like pointers are rare among beginnings of blocks.

use crate::census::blocks::{block, enclosing, holds_object};
use crate::census::kind::Kind;
use crate::census::sizes;
use crate::graph::dict::word;
use crate::graph::edges::Walker;
use crate::image::stacks;
use m5_process::{ADDRESS_BITS, LOWEST_ADDRESS};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// Larger blocks are numbers, not references.
pub(super) const LARGEST: u64 = 16 << 20;
/// Blocks of all allocators begin at multiples of this.
const ALIGN: u64 = 16;
/// A library that keeps something before what it hands out, or links the insides of its structs, points so far behind the
/// beginning of a block.
const HEADERS: [u64; 2] = [8, 16];
/// Bytes of an interpreter's state that are looked through, where it is no block of its own.
const STATE: u64 = 1 << 19;

/// An owner of native memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An object.
    Object(u32),
    /// An interpreter's own state.
    Interpreter,
    /// Static data, by its piece.
    Data(u32),
    /// What the C library and others keep for each thread.
    Thread,
}

/// Owners by the first address of a block.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    owner: FxHashMap<u64, Owner>,
    queue: VecDeque<(u64, u64, Owner)>,
    /// Blocks that are pointed to a little behind their beginning, for when nobody points to that.
    inside: Vec<(u64, u64, Owner)>,
    /// Owners of those, and of what they lead to: good enough to say whose the bytes are, not to hold an object.
    likely: FxHashMap<u64, Owner>,
    settling: bool,
}

impl Claims {
    /// Follows pointers from everything that may own blocks; `known` are buffers whose owners are known.
    pub(crate) fn of(walker: &Walker<'_>, known: &FxHashSet<u64>, pieces: &[(u64, &[u8])]) -> Self {
        let mut claims = Self::default();
        let census = walker.census;
        let header = walker.anchor.layout.header() as usize;
        let fields = |object: u32| {
            let desc = census.desc(object)?;
            let at = *census.address.get(object as usize)?;
            // Of a class too: its documentation, its names and its members lie apart. One of C is smaller than its own
            // class says of all; what lies behind it is another's.
            let size = match desc.kind {
                Kind::Type => sizes::inline(walker.image, walker.anchor.layout, at, desc)?,
                _ => desc.basic_size,
            };
            walker.image.slice(at, size as usize)?.get(header..)
        };
        let rank = |object: u32| match census.desc(object) {
            Some(d) if d.kind == Kind::Type || d.name == "module" => Some(2),
            Some(d) if d.kind == Kind::Plain && !d.exact => Some(0),
            // A Python class adds no pointers to blocks.
            Some(d) if d.kind == Kind::Plain && (!d.heap() || d.name.contains('.')) => Some(1),
            _ => None,
        };
        let ranks: Vec<Option<u8>> = (0..census.len() as u32).map(rank).collect();
        claims.told_buffers(walker);
        for wanted in 0..3 {
            for object in (0..census.len() as u32).filter(|o| ranks.get(*o as usize) == Some(&Some(wanted))) {
                for (block, bytes) in walker.owners.get(&object).into_iter().flatten() {
                    claims.take(*block, *bytes, Owner::Object(object));
                }
                claims.look(walker, known, fields(object).unwrap_or(&[]), Owner::Object(object));
            }
            claims.follow(walker, known);
        }
        for state in &walker.anchor.interpreters {
            let size = block(walker.image, walker.census, *state).unwrap_or(STATE) as usize;
            let bytes = walker.image.tail(*state).unwrap_or(&[]);
            let bytes = bytes.get(..bytes.len().min(size)).unwrap_or(&[]);
            claims.look(walker, known, bytes, Owner::Interpreter);
        }
        claims.follow(walker, known);
        for (i, (_, bytes)) in pieces.iter().enumerate() {
            claims.look(walker, known, bytes, Owner::Data(i as u32));
        }
        claims.follow(walker, known);
        for part in stacks::descriptors(walker.image) {
            let bytes = walker.image.slice(part.start, (part.end - part.start) as usize).unwrap_or(&[]);
            claims.look(walker, known, bytes, Owner::Thread);
        }
        claims.follow(walker, known);
        claims.settle(walker, known);
        for object in (0..census.len() as u32).filter(|o| ranks.get(*o as usize) == Some(&Some(0))) {
            claims.within(walker, known, fields(object).unwrap_or(&[]), Owner::Object(object));
        }
        claims.follow(walker, known);
        claims.settle(walker, known);
        claims
    }

    /// Gives what still nobody is known to own to the object of an extension that points anywhere into it: an arena lies
    /// at the end of its first block (protobuf), a C++ object's part far behind its beginning.
    fn within(&mut self, walker: &Walker<'_>, known: &FxHashSet<u64>, fields: &[u8], owner: Owner) {
        for at in (0..fields.len() / 8).map(|i| i * 8) {
            let pointer = word(fields, at);
            if pointer < LOWEST_ADDRESS || pointer >> ADDRESS_BITS != 0 || !pointer.is_multiple_of(8) {
                continue;
            }
            let Some(start) = enclosing(walker.image, walker.census, pointer) else { continue };
            if self.has(start) || known.contains(&start) {
                continue;
            }
            let size = block(walker.image, walker.census, start).unwrap_or(0);
            if size > 0 && !holds_object(walker.image, walker.census, start, size) {
                self.take(start, size, owner);
            }
        }
    }

    /// What arrays told of their buffers to those who asked for them, which NumPy keeps (from 1.20 on) behind a marked
    /// pointer.
    fn told_buffers(&mut self, walker: &Walker<'_>) {
        const INFO: u64 = 80;
        const MARK: u64 = 7;
        let census = walker.census;
        let keeps: Vec<bool> =
            census.types.descs.iter().map(|d| d.kind == Kind::NdArray && d.basic_size > INFO).collect();
        for (object, at) in census.address.iter().enumerate() {
            let kind = census.type_of.get(object).map_or(usize::MAX, |kind| *kind as usize);
            if keeps.get(kind) != Some(&true) {
                continue;
            }
            let info = walker.image.word_at(*at, INFO).unwrap_or(0) & !MARK;
            if let Some(size) = block(walker.image, census, info).filter(|_| info >= LOWEST_ADDRESS)
                && !holds_object(walker.image, census, info, size)
            {
                self.take(info, size, Owner::Object(object as u32));
            }
        }
    }

    /// The owner of the block that begins here.
    pub(crate) fn owner(&self, block: u64) -> Option<Owner> {
        self.owner.get(&block).copied()
    }

    /// The owner of the block that begins here, or whoever points into it.
    pub(crate) fn likely(&self, block: u64) -> Option<Owner> {
        self.owner(block).or_else(|| self.likely.get(&block).copied())
    }

    /// Gives what nobody points to the beginning of to who points a little behind it.
    fn settle(&mut self, walker: &Walker<'_>, known: &FxHashSet<u64>) {
        self.settling = true;
        while !self.inside.is_empty() {
            for (block, bytes, owner) in std::mem::take(&mut self.inside) {
                if !self.has(block) {
                    self.take(block, bytes, owner);
                }
            }
            self.follow(walker, known);
        }
    }

    fn has(&self, block: u64) -> bool {
        self.owner.contains_key(&block) || self.likely.contains_key(&block)
    }

    fn take(&mut self, block: u64, bytes: u64, owner: Owner) {
        let owners = if self.settling { &mut self.likely } else { &mut self.owner };
        if owners.insert(block, owner).is_none() && bytes <= LARGEST {
            self.queue.push_back((block, bytes, owner));
        }
    }

    fn follow(&mut self, walker: &Walker<'_>, known: &FxHashSet<u64>) {
        while let Some((start, bytes, owner)) = self.queue.pop_front() {
            let there = walker.image.tail(start).unwrap_or(&[]);
            self.look(walker, known, there.get(..there.len().min(bytes as usize)).unwrap_or(&[]), owner);
        }
    }

    fn look(&mut self, walker: &Walker<'_>, known: &FxHashSet<u64>, bytes: &[u8], owner: Owner) {
        for at in (0..bytes.len() / 8).map(|i| i * 8) {
            let pointer = word(bytes, at);
            if pointer < LOWEST_ADDRESS || pointer >> ADDRESS_BITS != 0 || !pointer.is_multiple_of(8) {
                continue;
            }
            let begins = |at: &u64| at.is_multiple_of(ALIGN) && !known.contains(at);
            let candidates = std::iter::once(pointer).chain(HEADERS.map(|header| pointer - header));
            for start in candidates.filter(begins) {
                if self.has(start) {
                    break;
                }
                let Some(size) = block(walker.image, walker.census, start) else { continue };
                if pointer - start < size && !holds_object(walker.image, walker.census, start, size) {
                    match pointer == start {
                        true => self.take(start, size, owner),
                        false => self.inside.push((start, size, owner)),
                    }
                }
                break;
            }
        }
    }
}
