//! How much of what was allocated survives: sampled objects are looked at again, later and later.
//!
//! Small blocks are handed out again at once, so a block alone proves nothing: an object survives a look only
//! if it has the same type as at every look before, and no later sample was given its block. The young are looked at again
//! and again: a block that others of the type come and go in is seen empty once.

use super::program::LARGEST_POOLED;
use crate::bpf::word;
use m5_process::{LiveMemory, Memory};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// When each sampled object is looked at again, seconds after its allocation.
pub const LOOKS_S: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// An object is looked at again when it has become older by this share of its age, but not sooner than after this long.
const AGAIN: u64 = 4;
const SOONEST_NS: u64 = 20_000_000;
/// Objects that are followed at a time at most.
const MOST: usize = 200_000;
/// What may lie before an object: nothing, a collector's head, that and two words of attributes.
const BEFORE: [u64; 4] = [0, 16, 32, 24];
/// Offsets in a type: its name, the sizes of its instances.
const TYPE_NAME: u64 = 24;
const TYPE_BASIC: u64 = 32;
const TYPE_ITEM: u64 = 40;
const TYPE_FLAGS: u64 = 168;
/// The attributes of its instances lie behind them, as many as the first ones had (3.13 on; no flag before).
const INLINE_VALUES: u64 = 1 << 2;
/// More items than an object has: not their number.
const MOST_ITEMS: u64 = 1 << 32;
/// The smallest text, of any version.
const TEXT: u64 = 40;

/// How many of a line's sampled objects were followed, and still lived at each look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survival {
    /// Objects whose look had come, for each of [`LOOKS_S`].
    pub looked: [u64; LOOKS_S.len()],
    /// Of these, how many lived.
    pub alive: [u64; LOOKS_S.len()],
    /// Objects that were followed at all.
    pub followed: u64,
    /// Of these, how many lived when m5 ended.
    pub alive_at_end: u64,
}

/// The beginning of a block: as much as tells the type of the object in it.
pub(super) type Words = [u8; 56];

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// An object of this type, which is followed.
    Object(String),
    /// One that a pool gave: it is seen at the allocator.
    Small,
    /// No object of that size (yet, or any more).
    Nothing,
}

/// A block that was handed out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Birth {
    pub(super) block: u64,
    /// `None` where it is not known, and the block larger than what pools give.
    pub(super) size: Option<u64>,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub(super) time_ns: u64,
    /// The number of its stack.
    pub(super) stack: usize,
    /// Whether nobody else got the block for as long as it was watched, and that was long enough to say something.
    pub(super) settled: bool,
    /// It was read so late that what was found in it may be the next owner's.
    pub(super) late: bool,
}

#[derive(Debug, Clone, Copy)]
struct Followed {
    birth: Birth,
    /// Where it is counted.
    slot: usize,
    object: u64,
    kind: u64,
    /// Of [`LOOKS_S`], how many have come.
    looks: usize,
    /// When it is looked at again.
    next_ns: u64,
}

/// An object that lived at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alive {
    pub(super) object: u64,
    pub(super) type_name: String,
    /// Where it is counted.
    pub(super) slot: usize,
    pub(super) stack: usize,
    /// What was found first may already have been the next owner's.
    pub(super) late: bool,
}

/// The sampled objects that still live, as far as is known.
#[derive(Debug)]
pub(super) struct Followers {
    memory: LiveMemory,
    /// `PyType_Type`.
    type_type: u64,
    by_block: FxHashMap<u64, Followed>,
    /// The dead whose later looks have not come yet.
    dead: Vec<Followed>,
    types: FxHashMap<u64, Option<(String, u64, u64)>>,
}

impl Followers {
    pub(super) fn new(memory: LiveMemory, type_type: u64) -> Self {
        Self {
            memory,
            type_type,
            by_block: FxHashMap::default(),
            dead: Vec::new(),
            types: FxHashMap::default(),
        }
    }

    /// A block was handed out: what lived in it before is dead.
    pub(super) fn handed_out(&mut self, block: u64) {
        self.dead.extend(self.by_block.remove(&block));
    }

    /// A block that was handed out again before anybody could look, or holds no object: what was in it is dead. Without
    /// these a line of short-lived objects would be judged by the few that were mistaken for others.
    pub(super) fn gone(&mut self, birth: Birth, slot: usize) -> bool {
        let room = self.by_block.len() + self.dead.len() < MOST;
        if room {
            self.dead.push(Followed { birth, slot, object: 0, kind: 0, looks: 0, next_ns: 0 });
        }
        room
    }

    /// What these blocks hold now.
    pub(super) fn read(&self, blocks: impl Iterator<Item = Option<u64>>) -> Vec<Option<Words>> {
        let blocks: Vec<Option<u64>> = blocks.collect();
        let known: Vec<u64> = blocks.iter().copied().flatten().collect();
        let mut words = self.memory.each(&known).unwrap_or_default().into_iter();
        blocks.iter().map(|block| block.and_then(|_| words.next().flatten())).collect()
    }

    /// Follows the object in a block that was just handed out and holds these bytes.
    pub(super) fn follow(&mut self, birth: Birth, slot: usize, words: &Words) -> Found {
        if self.by_block.len() + self.dead.len() >= MOST {
            return Found::Nothing;
        }
        self.found(birth, slot, words).unwrap_or(Found::Nothing)
    }

    fn found(&mut self, birth: Birth, slot: usize, words: &Words) -> Option<Found> {
        let Birth { block, size, .. } = birth;
        for before in BEFORE {
            let kind = word(words, before as usize + 8)?;
            let object = block + before;
            let Some((name, basic, item)) = self.kind(kind) else { continue };
            // Its size says whether it is the one that was asked for.
            let fits = match size.map(|size| size.checked_sub(before)) {
                Some(None) => return None,
                Some(Some(room)) if item == 0 => room.abs_diff(basic) <= 16 && room >= basic,
                Some(Some(room)) => room >= basic,
                None => {
                    let items = word(words, before as usize + 16)?.min(MOST_ITEMS);
                    if before + basic + item * items <= LARGEST_POOLED as u64 {
                        return Some(Found::Small);
                    }
                    true
                }
            };
            if fits {
                let next_ns = birth.time_ns + SOONEST_NS;
                self.by_block.insert(block, Followed { birth, slot, object, kind, looks: 0, next_ns });
                return Some(Found::Object(name));
            }
        }
        None
    }

    /// Looks again at what is due.
    pub(super) fn look(&mut self, now_ns: u64, survival: &mut [Survival]) {
        let due = |f: &Followed| now_ns >= f.next_ns;
        let blocks: Vec<u64> = self.by_block.iter().filter(|(_, f)| due(f)).map(|(b, _)| *b).collect();
        let lives = self.lives(&blocks);
        for (block, lives) in blocks.into_iter().zip(lives) {
            if !lives {
                self.dead.extend(self.by_block.remove(&block));
            } else if let Some(f) = self.by_block.get_mut(&block) {
                count(f, now_ns, true, survival);
                f.next_ns = now_ns + (now_ns.saturating_sub(f.birth.time_ns) / AGAIN).max(SOONEST_NS);
            }
        }
        // The dead are counted when their looks come, not before: else every age would look deadlier than it is.
        self.dead.retain_mut(|f| {
            count(f, now_ns, false, survival);
            f.looks < LOOKS_S.len()
        });
    }

    /// The last look of all; the settled ones that still live, in order of their addresses.
    pub(super) fn end(&mut self, survival: &mut [Survival]) -> Vec<Alive> {
        let mut blocks: Vec<u64> = self.by_block.keys().copied().collect();
        blocks.sort_unstable();
        let lives = self.lives(&blocks);
        let mut alive = Vec::new();
        for (block, _) in blocks.into_iter().zip(lives).filter(|(_, lives)| *lives) {
            let Some(f) = self.by_block.get(&block).copied() else { continue };
            if let Some(line) = survival.get_mut(f.slot) {
                line.alive_at_end += 1;
            }
            if f.birth.settled
                && let Some((type_name, ..)) = self.kind(f.kind)
            {
                let Birth { stack, late, .. } = f.birth;
                alive.push(Alive { object: f.object, type_name, slot: f.slot, stack, late });
            }
        }
        alive
    }

    /// Whether each of these blocks still holds an object of the same type, with a sane reference count.
    fn lives(&self, blocks: &[u64]) -> Vec<bool> {
        let objects: Vec<u64> = blocks.iter().map(|b| self.by_block.get(b).map_or(0, |f| f.object)).collect();
        let read = self.memory.each::<16>(&objects).unwrap_or_default();
        let lives = |(block, bytes): (&u64, Option<&Option<[u8; 16]>>)| {
            let (Some(f), Some(Some(bytes))) = (self.by_block.get(block), bytes) else { return false };
            // A count has 32 bits, and flags in the uppermost ones from 3.14 on. A free block begins with a pointer to the next
            // one, or with nothing.
            let counted = word(bytes, 0).is_some_and(|w| w as u32 != 0 && w >> 32 & 0xffff == 0);
            word(bytes, 8) == Some(f.kind) && counted
        };
        blocks.iter().enumerate().map(|(i, b)| lives((b, read.get(i)))).collect()
    }

    /// Name and sizes of a type; `None` where the address is none.
    fn kind(&mut self, kind: u64) -> Option<(String, u64, u64)> {
        if kind < 4096 || kind & 7 != 0 {
            return None;
        }
        let (memory, type_type) = (&self.memory, self.type_type);
        self.types
            .entry(kind)
            .or_insert_with(|| {
                let meta = memory.u64(kind + 8).ok()?;
                let is_type = meta == type_type || memory.u64(meta.checked_add(8)?).ok()? == type_type;
                let basic = memory.u64(kind + TYPE_BASIC).ok().filter(|b| (16..1 << 20).contains(b))?;
                let item = memory.u64(kind + TYPE_ITEM).ok().filter(|i| *i < 1 << 20)?;
                is_type.then_some(())?;
                let name = name(memory, memory.u64(kind + TYPE_NAME).ok()?)?;
                // Most texts are smaller than their type says, and hold their characters themselves.
                let flags = memory.u64(kind + TYPE_FLAGS).ok()?;
                let item = if flags & INLINE_VALUES != 0 { item.max(8) } else { item };
                let text = name == "str";
                Some(if text { (name, basic.min(TEXT), 1) } else { (name, basic, item) })
            })
            .clone()
    }
}

/// Counts the looks that have come.
fn count(f: &mut Followed, now_ns: u64, alive: bool, survival: &mut [Survival]) {
    let Some(line) = survival.get_mut(f.slot) else { return };
    while LOOKS_S.get(f.looks).is_some_and(|at| age_s(f, now_ns) >= *at) {
        line.looked[f.looks] += 1;
        line.alive[f.looks] += u64::from(alive);
        f.looks += 1;
    }
}

fn age_s(f: &Followed, now_ns: u64) -> f64 {
    now_ns.saturating_sub(f.birth.time_ns) as f64 / 1e9
}

fn name(memory: &LiveMemory, at: u64) -> Option<String> {
    let mut bytes = [0; 64];
    // A short name may lie at the end of what is mapped.
    let length = [64usize, 32, 16, 8]
        .into_iter()
        .find(|n| bytes.get_mut(..*n).is_some_and(|part| memory.read(at, part).is_ok()))?;
    let end = bytes[..length].iter().position(|b| *b == 0)?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    (!text.is_empty() && text.chars().all(|c| !c.is_control())).then(|| text.to_owned())
}
