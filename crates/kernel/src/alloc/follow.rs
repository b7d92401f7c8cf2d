//! How much of what was allocated survives: sampled objects are looked at again, later and later.
//!
//! Small blocks are handed out again at once, so a block alone proves nothing: an object survives a look only
//! if it has the same type as at every look before, and no later sample was given its block. The young are looked at again
//! and again: a block that others of the type come and go in is seen empty once.

use super::contents::{Contents, Early, KNOWN, Places, Words, now};
use crate::bpf::word;
use m5_process::{LiveMemory, Memory};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// When each sampled object is looked at again, seconds after its allocation.
pub const LOOKS_S: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// An object is looked at again when it has become older by this share of its age, but not sooner than after this long.
const AGAIN: u64 = 4;
const SOONEST_NS: u64 = 20_000_000;
/// Of a build without the GIL, an object that is younger: when it is twice as old, but not sooner than after this long. Its allocator does
/// not hand a block out again at once, so that the next owner is not seen in the same window.
const SOON_NS: u64 = 1_000_000;
/// Objects that are followed at a time at most.
const MOST: usize = 200_000;
/// What may lie before an object: nothing, a collector's head, that and two words of attributes.
const BEFORE: [u64; 4] = [0, 16, 32, 24];
/// Offsets in an object: its type, the number of its items. All of these are larger by as much as a build without the GIL has a
/// longer header.
const TYPE: u64 = 8;
const ITEMS: u64 = 16;
/// Offsets in a type: its name, the sizes of its instances.
const TYPE_NAME: u64 = 24;
const TYPE_BASIC: u64 = 32;
const TYPE_ITEM: u64 = 40;
const TYPE_FLAGS: u64 = 168;
/// The attributes of its instances lie behind them, as many as the first ones had (3.13 on; no flag before).
const INLINE_VALUES: u64 = 1 << 2;
/// Bytes that tell whether an object lives; of a build without the GIL, and where the two parts of its count are.
const HEAD: usize = 16;
const LONG_HEAD: usize = 32;
const COUNTED_BY_OWNER: usize = 12;
const COUNTED_BY_OTHERS: usize = 16;
/// More items than an object has: not their number.
const MOST_ITEMS: u64 = 1 << 32;
/// So many that became another's say something of the others.
const LEAST_CHANGED: u64 = 3;
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
    /// What it held soon after it was made, where that was read.
    contents: Option<Contents>,
    /// Whether it surely held that at the last look.
    sure: bool,
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
    places: Places,
    /// Of those counted at the same place: whose contents were another's at a look, and were still their own at the last one.
    changed: FxHashMap<usize, [u64; 2]>,
    handed_on: FxHashMap<String, u64>,
    /// The largest block that is known at the call.
    largest: u64,
    by_block: FxHashMap<u64, Followed>,
    /// The dead whose later looks have not come yet.
    dead: Vec<Followed>,
    types: FxHashMap<u64, Option<(String, u64, u64)>>,
}

impl Followers {
    /// Nobody yet; `largest` is the largest block that is known at the call.
    pub(super) fn new(memory: LiveMemory, type_type: u64, places: Places, largest: u64) -> Self {
        Self {
            memory,
            type_type,
            places,
            changed: FxHashMap::default(),
            handed_on: FxHashMap::default(),
            largest,
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
            self.dead.push(Followed {
                birth,
                slot,
                object: 0,
                kind: 0,
                contents: None,
                sure: false,
                looks: 0,
                next_ns: 0,
            });
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

    /// Follows the object in a block that was just handed out and holds these bytes; and what it held a few allocations after that.
    pub(super) fn follow(
        &mut self,
        birth: Birth,
        slot: usize,
        words: &Words,
        early: Option<&Early>,
    ) -> Found {
        if self.by_block.len() + self.dead.len() >= MOST {
            return Found::Nothing;
        }
        self.found(birth, slot, words, early).unwrap_or(Found::Nothing)
    }

    fn found(&mut self, birth: Birth, slot: usize, words: &Words, early: Option<&Early>) -> Option<Found> {
        let Birth { block, size, .. } = birth;
        for before in BEFORE {
            let at = |offset: u64| word(words, (before + self.places.shift + offset) as usize);
            let kind = at(TYPE)?;
            let object = block + before;
            let items = at(ITEMS);
            let Some((name, basic, item)) = self.kind(kind) else { continue };
            // Its size says whether it is the one that was asked for.
            let fits = match size.map(|size| size.checked_sub(before)) {
                Some(None) => return None,
                Some(Some(room)) if item == 0 => room.abs_diff(basic) <= 16 && room >= basic,
                Some(Some(room)) => room >= basic,
                None => {
                    if before + basic + item * items?.min(MOST_ITEMS) <= self.largest {
                        return Some(Found::Small);
                    }
                    true
                }
            };
            if fits {
                let next_ns = birth.time_ns + self.soonest_ns();
                let (typed, places) = ((before + self.places.shift + TYPE) as usize, self.places);
                let contents = early.filter(|early| word(&early.words, typed) == Some(kind));
                let contents = contents.and_then(|early| Contents::of(&name, early, places));
                let followed =
                    Followed { birth, slot, object, kind, contents, sure: false, looks: 0, next_ns };
                // A free block keeps the type of what was in it: whoever gets it next may be of the same.
                if self.places.shift > 0 && words.get(before as usize..).is_some_and(is_dead_without_gil) {
                    self.dead.push(followed);
                } else {
                    self.by_block.insert(block, followed);
                }
                return Some(Found::Object(name));
            }
        }
        None
    }

    /// A young object is looked at after this long.
    fn soonest_ns(&self) -> u64 {
        if self.places.shift > 0 { SOON_NS } else { SOONEST_NS }
    }

    /// When somebody has to be looked at who is that young.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let young = |f: &&Followed| f.next_ns < f.birth.time_ns + 2 * SOONEST_NS;
        (self.places.shift > 0)
            .then(|| self.by_block.values().filter(young).map(|f| f.next_ns).min())
            .flatten()
    }

    /// Looks again at what is due.
    pub(super) fn look(&mut self, now_ns: u64, survival: &mut [Survival]) {
        let due = |f: &Followed| now_ns >= f.next_ns;
        let blocks: Vec<u64> = self.by_block.iter().filter(|(_, f)| due(f)).map(|(b, _)| *b).collect();
        let (lives, soonest_ns) = (self.lives(&blocks), self.soonest_ns());
        for (block, lives) in blocks.into_iter().zip(lives) {
            if !lives {
                self.dead.extend(self.by_block.remove(&block));
            } else if let Some(f) = self.by_block.get_mut(&block) {
                count(f, now_ns, true, survival);
                f.next_ns = now_ns + again_ns(soonest_ns, now_ns.saturating_sub(f.birth.time_ns));
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
        let left = blocks.into_iter().zip(lives).filter(|(_, lives)| *lives);
        let left: Vec<Followed> = left.filter_map(|(block, _)| self.by_block.get(&block).copied()).collect();
        for f in left.iter().filter(|f| f.sure) {
            self.changed.entry(f.slot).or_default()[1] += 1;
        }
        let mut alive = Vec::new();
        for f in left {
            if !f.sure && self.hands_on(&f) {
                continue;
            }
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

    /// How many of each type became another line's.
    pub(super) fn handed_on(&self) -> FxHashMap<String, u64> {
        self.handed_on.clone()
    }

    /// Whether most of what was made where this was is known to have become another's, so that it was as well, as far as it is not known.
    fn hands_on(&mut self, f: &Followed) -> bool {
        let [changed, own] = self.changed.get(&f.slot).copied().unwrap_or_default();
        changed >= LEAST_CHANGED
            && changed > own
            && self.kind(f.kind).is_some_and(|(name, ..)| KNOWN.contains(&name.as_str()))
    }

    /// Whether each of these blocks still holds an object of the same type, with a sane reference count.
    fn lives(&mut self, blocks: &[u64]) -> Vec<bool> {
        let objects: Vec<u64> = blocks.iter().map(|b| self.by_block.get(b).map_or(0, |f| f.object)).collect();
        let alive: Vec<Option<u64>> = if self.places.shift == 0 {
            let heads = self.memory.each::<HEAD>(&objects).unwrap_or_default();
            heads.into_iter().map(|head| head.and_then(|head| type_of_living(&head))).collect()
        } else {
            let heads = self.memory.each::<LONG_HEAD>(&objects).unwrap_or_default();
            heads.into_iter().map(|head| head.and_then(|head| type_of_living_without_gil(&head))).collect()
        };
        let lives = |(i, block): (usize, &u64)| {
            let kind = self.by_block.get(block).map(|f| f.kind);
            kind.is_some() && alive.get(i).copied().flatten() == kind
        };
        let mut lives: Vec<bool> = blocks.iter().enumerate().map(lives).collect();
        self.still_hold(blocks, &mut lives);
        lives
    }

    /// Of those that live: whether they hold what they held, as far as that is known.
    fn still_hold(&mut self, blocks: &[u64], lives: &mut [bool]) {
        let known = |(n, block): (usize, &u64)| {
            let followed = self.by_block.get(block).filter(|_| lives.get(n).copied().unwrap_or(false))?;
            Some((n, *block, followed.slot, followed.contents?, followed.kind))
        };
        let known: Vec<_> = blocks.iter().enumerate().filter_map(known).collect();
        let now = now(&self.memory, &known.iter().map(|known| known.1).collect::<Vec<u64>>());
        for ((n, block, slot, contents, kind), now) in known.into_iter().zip(now) {
            let (places, kind) = (self.places, self.kind(kind));
            let Some((name, ..)) = kind else { continue };
            match contents.are_of_one(now.and_then(|now| Contents::of(&name, &now, places))) {
                Some(false) => {
                    lives[n] = false;
                    self.changed.entry(slot).or_default()[0] += 1;
                    *self.handed_on.entry(name).or_default() += 1;
                }
                same => drop(self.by_block.get_mut(&block).map(|f| f.sure = same.is_some())),
            }
        }
    }

    /// Name and sizes of a type; `None` where the address is none.
    fn kind(&mut self, kind: u64) -> Option<(String, u64, u64)> {
        if kind < 4096 || kind & 7 != 0 {
            return None;
        }
        let (memory, type_type, shift) = (&self.memory, self.type_type, self.places.shift);
        let field = |of: u64, offset: u64| memory.u64(of.checked_add(shift + offset)?).ok();
        self.types
            .entry(kind)
            .or_insert_with(|| {
                let meta = field(kind, TYPE)?;
                let is_type = meta == type_type || field(meta, TYPE)? == type_type;
                let basic = field(kind, TYPE_BASIC).filter(|b| (16..1 << 20).contains(b))?;
                let item = field(kind, TYPE_ITEM).filter(|i| *i < 1 << 20)?;
                is_type.then_some(())?;
                let name = name(memory, field(kind, TYPE_NAME)?)?;
                // Most texts are smaller than their type says, and hold their characters themselves.
                let flags = field(kind, TYPE_FLAGS)?;
                let item = if flags & INLINE_VALUES != 0 { item.max(8) } else { item };
                let text = name == "str";
                Some(if text { (name, basic.min(TEXT + shift), 1) } else { (name, basic, item) })
            })
            .clone()
    }
}

/// The type of the object that begins so, if its count says that it lives. A count has 32 bits, and flags in the uppermost ones
/// from 3.14 on. A free block begins with a pointer to the next one, or with nothing.
fn type_of_living(head: &[u8; HEAD]) -> Option<u64> {
    word(head, 0).filter(|w| *w as u32 != 0 && w >> 32 & 0xffff == 0)?;
    word(head, TYPE as usize)
}

/// Likewise without the GIL: its owner counts in one place (all ones for ever), others in another, which may be negative, above
/// two bits. A free block keeps all but its first word.
fn type_of_living_without_gil(head: &[u8; LONG_HEAD]) -> Option<u64> {
    word(head, LONG_HEAD - 8).filter(|_| !is_dead_without_gil(head))
}

fn is_dead_without_gil(head: &[u8]) -> bool {
    let owner = half(head, COUNTED_BY_OWNER).map_or(0, i64::from);
    let others = word(head, COUNTED_BY_OTHERS).map_or(0, |count| count.cast_signed() >> 2);
    owner.saturating_add(others) <= 0
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// After how long an object of this age that lives is looked at again, where the youngest are after `soonest_ns`.
fn again_ns(soonest_ns: u64, age_ns: u64) -> u64 {
    if age_ns < SOONEST_NS { age_ns.max(soonest_ns) } else { (age_ns / AGAIN).max(SOONEST_NS) }
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
