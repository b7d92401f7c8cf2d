//! References from native memory: data of libraries, stacks, blocks that are no objects.
//!
//! Only objects whose count exceeds the references that other objects hold are looked for. A block that leads back to
//! an object (over other blocks if need be) is that object's reference; any other makes a root.

pub(crate) mod buffers;
pub(crate) mod claims;
mod gaps;
mod type_cache;

use crate::census::blocks::{block, holds_object};
use crate::census::glibc::{Region, RegionKind};
use crate::graph::dict::word;
use crate::graph::edges::Walker;
use crate::graph::model::HeapGraph;
use crate::image::stacks;
use claims::{Claims, LARGEST, Owner};
use m5_process::LOWEST_ADDRESS;
use rustc_hash::{FxHashMap, FxHashSet};
pub(crate) use type_cache::TYPE_CACHE;

/// What a holder in memory that leads nowhere is called.
const BLOCK: &str = "a native memory block";
/// What the stack of a thread is called as a holder: native code that is at work, or was.
const STACK: &str = "the stack of a thread";
/// Memory that the state of the interpreter leads to.
const INTERPRETER: &str = "the interpreter's own memory, where exit handlers are";
/// Places that are kept of one object; more say nothing new.
const PLACES: usize = 8;

/// Where a reference lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A block that begins there.
    Block(u64),
    /// Static data, by its piece.
    Data(u32),
    /// Memory of an allocator that is not known.
    Unknown,
    /// The stack of a thread.
    Stack,
    /// The interpreter's cache of names.
    TypeCache,
}

/// What native memory refers to.
#[derive(Debug, Default)]
pub(crate) struct NativeWords {
    /// By how much the count of an object exceeds the references that were found, ascending by object.
    excess: Vec<(u32, u32)>,
    found: FxHashMap<u32, Found>,
    /// References that objects hold through blocks of their own: owner and object.
    pub(crate) edges: Vec<(u32, u32)>,
    /// Who owns which block.
    pub(crate) native: Native,
}

/// Native memory and its owners.
#[derive(Debug, Default)]
pub(crate) struct Native {
    /// Owners of blocks that are no objects.
    pub(crate) claims: Claims,
    /// Chunks that are buffers of objects.
    pub(crate) buffers: FxHashSet<u64>,
    /// What the pieces of static data are called, by number.
    pub(crate) files: Vec<String>,
}

#[derive(Debug, Default)]
struct Found {
    count: u32,
    places: Vec<Place>,
    name: String,
}

impl NativeWords {
    /// Looks for the words that refer to objects with references left to explain; `held` says how many of an object's
    /// references are those of frames.
    pub(crate) fn find(
        walker: &Walker<'_>,
        graph: &HeapGraph,
        excess: Vec<(u32, u32)>,
        held: &FxHashMap<u32, u32>,
    ) -> Self {
        let mut wanted = vec![0u64; graph.len().div_ceil(64)];
        for (object, _) in &excess {
            if let Some(bits) = wanted.get_mut(*object as usize / 64) {
                *bits |= 1 << (object % 64);
            }
        }
        let buffers = buffers::large(walker);
        let pieces = gaps::without_objects(walker);
        let claims = Claims::of(walker, &buffers, &pieces);
        let files = (0..pieces.len() as u32).map(|i| data_name(walker, &pieces, i)).collect();
        let native = Native { claims, buffers, files };
        let mut words = Self { excess, native, ..Self::default() };
        if !words.excess.is_empty() {
            words.look(walker, &wanted, &pieces);
            words.drop_buffers(walker);
            words.name();
        }
        for (object, frames) in held {
            words.found.entry(*object).or_default().count += frames;
        }
        words
    }

    /// Objects with references that no object holds.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = u32> {
        self.excess.iter().map(|(object, _)| *object)
    }

    /// Which native memory refers to an object.
    pub(crate) fn holder(&self, object: u32) -> Option<&str> {
        self.found.get(&object).map(|f| f.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Objects all of whose references were found when native memory is counted too.
    pub(crate) fn explained(&self) -> usize {
        let counted = |(object, over): &&(u32, u32)| self.found.get(object).is_some_and(|f| f.count >= *over);
        self.excess.iter().filter(counted).count()
    }

    fn look(&mut self, walker: &Walker<'_>, wanted: &[u64], pieces: &[(u64, &[u8])]) {
        let (image, census) = (walker.image, walker.census);
        let Native { buffers: large, claims, files } = &self.native;
        let file = walker.anchor.file.rsplit('/').next().unwrap_or_default();
        let own = |place| match place {
            Place::Data(piece) => files.get(piece as usize).is_some_and(|name| name.ends_with(file)),
            Place::Block(at) => claims.owner(at) == Some(Owner::Interpreter),
            _ => false,
        };
        let found = &mut self.found;
        let mut look = |bytes: &[u8], place: Place| {
            let own = own(place);
            for at in (0..bytes.len() / 8).map(|i| i * 8) {
                let target = word(bytes, at);
                let object = if target >= LOWEST_ADDRESS { walker.object(target) } else { None };
                let Some(object) = object.filter(|o| has(wanted, *o)) else { continue };
                let entry = found.entry(object).or_default();
                entry.count += 1;
                if entry.places.len() < PLACES {
                    let cached = own && type_cache::holds(walker, bytes, at);
                    entry.places.push(if cached { Place::TypeCache } else { place });
                }
            }
        };
        for (i, (_, bytes)) in pieces.iter().enumerate() {
            look(bytes, Place::Data(i as u32));
        }
        for bytes in thread_stacks(walker) {
            look(bytes, Place::Stack);
        }
        let owned: FxHashSet<u64> = walker.owners.values().flatten().map(|(block, _)| *block).collect();
        let part = |at: u64, size: u64| {
            let bytes = image.tail(at).unwrap_or(&[]);
            bytes.get(..bytes.len().min(size as usize)).unwrap_or(&[])
        };
        let regions = census.heaps.regions.iter();
        let chunks = regions.clone().filter(|r| r.kind != RegionKind::Foreign).flat_map(|r| &r.chunks);
        for chunk in chunks.filter(|c| !c.free() && c.usable() <= LARGEST) {
            let at = chunk.address;
            let object = || holds_object(image, census, at, chunk.usable());
            if !large.contains(&at) && !owned.contains(&at) && !object() {
                look(part(at, chunk.usable()), Place::Block(at));
            }
        }
        for at in census.loose.iter().filter(|at| !owned.contains(*at)) {
            look(part(*at, block(image, census, *at).unwrap_or(0)), Place::Block(*at));
        }
        for gap in regions.filter(|r| r.kind == RegionKind::Foreign).flat_map(Region::gaps) {
            look(part(gap.start, gap.end - gap.start), Place::Unknown);
        }
    }

    /// What lies in the buffers of lists, dictionaries and their like was counted there.
    fn drop_buffers(&mut self, walker: &Walker<'_>) {
        let block = |place: &Place| if let Place::Block(at) = place { Some(*at) } else { None };
        let seen: FxHashSet<u64> =
            self.found.values().flat_map(|f| f.places.iter().filter_map(block)).collect();
        let buffers = buffers::among(walker, &seen);
        if buffers.is_empty() {
            return;
        }
        for found in self.found.values_mut() {
            let before = found.places.len();
            found.places.retain(|place| block(place).is_none_or(|at| !buffers.contains(&at)));
            found.count = found.count.saturating_sub((before - found.places.len()) as u32);
        }
        self.found.retain(|_, found| !found.places.is_empty());
    }

    fn name(&mut self) {
        let Native { claims, files, .. } = &self.native;
        let file = |piece: u32| files.get(piece as usize).cloned().unwrap_or_default();
        let over: FxHashMap<u32, u32> = self.excess.iter().copied().collect();
        for (object, found) in &mut self.found {
            let mut names = Vec::new();
            // References of the cache are certain; where there are others, those tell more.
            let cached = found.places.iter().filter(|p| **p == Place::TypeCache).count() as u32;
            let mut left = over.get(object).copied().unwrap_or(0).saturating_sub(cached);
            let alone = left == 0;
            for place in &found.places {
                match *place {
                    Place::Block(at) => match claims.owner(at) {
                        Some(Owner::Object(owner)) if owner != *object && left > 0 => {
                            self.edges.push((owner, *object));
                            left -= 1;
                        }
                        Some(Owner::Object(_)) => {}
                        Some(Owner::Interpreter) => names.push((2, INTERPRETER.to_owned())),
                        Some(Owner::Data(piece)) => names.push((1, file(piece))),
                        Some(Owner::Thread) => names.push((5, STACK.to_owned())),
                        None => names.push((3, BLOCK.to_owned())),
                    },
                    Place::Data(piece) => names.push((1, file(piece))),
                    Place::TypeCache => names.push((if alone { 0 } else { 6 }, TYPE_CACHE.to_owned())),
                    Place::Unknown => names.push((4, BLOCK.to_owned())),
                    Place::Stack => names.push((5, STACK.to_owned())),
                }
            }
            names.sort_unstable();
            found.name = names.into_iter().next().map_or_else(String::new, |(_, name)| name);
        }
        self.edges.sort_unstable();
    }
}

/// Whether the name of a native holder says who it is.
pub(crate) fn tells(name: &str) -> bool {
    !matches!(name, BLOCK | STACK)
}

fn data_name(walker: &Walker<'_>, pieces: &[(u64, &[u8])], piece: u32) -> String {
    let start = pieces.get(piece as usize).map_or(0, |(start, _)| *start);
    let maps = walker.image.maps();
    let index = walker.image.mapping_of(start);
    // Zeroed data has no name of its own; the written data of its file lies before it.
    let named = index.and_then(|i| maps.get(..=i)?.iter().rev().take(2).find(|m| !m.path.is_empty()));
    let file = named.and_then(|m| m.path.rsplit('/').next()).filter(|f| !f.is_empty());
    format!("native data of {}", file.unwrap_or("a library"))
}

/// The stacks of all threads, as far as they are in memory.
fn thread_stacks<'a>(walker: &Walker<'a>) -> Vec<&'a [u8]> {
    let (image, maps) = (walker.image, walker.image.maps());
    let mut out = Vec::new();
    let bytes_of = |start: u64, end: u64| {
        image.segments_of(start..end).filter_map(move |s| {
            let (from, to) = (start.max(s.start), end.min(s.end()));
            s.bytes.get((from - s.start) as usize..(to.max(from) - s.start) as usize)
        })
    };
    for (i, map) in maps.iter().enumerate() {
        let guard = i.checked_sub(1).and_then(|b| maps.get(b)).filter(|b| b.end == map.start);
        if map.path.starts_with("[stack") || guard.is_some_and(|g| stacks::is_guarded(g, map)) {
            out.extend(bytes_of(map.start, map.end));
        }
    }
    out
}

fn has(bits: &[u64], object: u32) -> bool {
    bits.get(object as usize / 64).is_some_and(|word| word >> (object % 64) & 1 != 0)
}
