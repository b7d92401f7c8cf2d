//! The small object allocator of a running process: its arenas, and the blocks in use by the counts that each
//! pool keeps itself. Nothing is stopped, so the figures are those of about one moment.
//!
//! A megabyte of arenas costs a few dozen headers: a gigabyte is read in some milliseconds.

use crate::decode::{half, word};
use crate::layout::objects::{Arenas, ObjectLayout};
use crate::{Interpreter, Result, symbols::symbols};
use m5_process::{LiveMemory, Mapping, Memory, Process};
use std::collections::BTreeMap;

/// `sizeof(struct arena_object)`.
const ARENA_OBJECT: usize = 48;
/// From the list of arenas to the counts of arenas and of large blocks, where the allocator is in an interpreter:
/// four words and 65 pointers lie before them.
const ARENA_COUNT: u64 = 552;
const LARGE_BLOCKS: u64 = 576;
/// More entries than any process has.
const MOST_ARENAS: u64 = 1 << 22;
/// Bytes of a pool's header.
const POOL_HEADER: u64 = 48;
/// Size classes: blocks of 16 to 512 bytes.
const SIZE_CLASSES: u32 = 32;
/// Bytes of an interpreter's data in which its list is looked for at most.
const MOST_DATA: u64 = 64 << 20;

/// What the allocator holds. Of mimalloc, which serves all sizes from its pages: those in use, and all blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolUse {
    /// Bytes of all arenas.
    pub arena_bytes: u64,
    /// Blocks in use.
    pub blocks: u64,
    /// Bytes of them.
    pub block_bytes: u64,
    /// Blocks of more than 512 bytes, which it takes from the C library for Python; absent where a stripped
    /// build hides their count. What native code takes for itself is not among them.
    pub large_blocks: Option<u64>,
}

/// Python's own allocators: one, or one for each interpreter.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    memory: LiveMemory,
    layout: &'static ObjectLayout,
    interpreter: Interpreter,
    list: At,
}

/// Where the list of arenas is.
#[derive(Debug, Clone, Copy)]
enum At {
    /// In each interpreter's state, or behind it.
    Interpreters,
    /// Addresses of the variables `arenas` and `maxarenas`, and `raw_allocated_blocks` where that is named too.
    Named(u64, u64, Option<u64>),
    /// Address of the variable that proved to point to it; its length shows.
    Found(u64),
}

/// One allocator.
struct List {
    /// First entry.
    address: u64,
    entries: Option<u64>,
    /// Its counts of arenas and of large blocks.
    arenas: Option<u64>,
    large_blocks: Option<u64>,
}

struct Arena {
    address: u64,
    /// First pool that was never used.
    unused: u64,
}

impl Pools {
    /// `None` where the process does not use them or hides them.
    pub(crate) fn find(process: &Process, interpreter: &Interpreter) -> Option<Self> {
        let layout = interpreter.objects().filter(|l| !l.free_threaded)?;
        let mut found = Self {
            memory: process.memory(),
            layout,
            interpreter: interpreter.clone(),
            list: At::Interpreters,
        };
        if layout.arenas == Arenas::Symbols {
            let maps = process.maps().ok()?;
            found.list = found.named(process, &maps).or_else(|| found.search(&maps))?;
        }
        found.read().ok().filter(|used| used.arena_bytes > 0)?;
        Some(found)
    }

    /// What they hold now.
    pub(crate) fn read(&self) -> Result<PoolUse> {
        let mut used = PoolUse::default();
        let mut arenas = BTreeMap::new();
        let mut large = Some(0);
        for list in self.lists()?.iter().filter(|list| list.address != 0) {
            let entries = self.entries(list)?;
            // An own count that differs says that the fields lie elsewhere.
            let true_count = list.arenas.is_none_or(|count| count.abs_diff(entries.len() as u64) <= 2);
            large = large.zip(list.large_blocks.filter(|_| true_count)).map(|(sum, more)| sum + more);
            arenas.extend(entries.into_iter().map(|arena| (arena.address, arena)));
        }
        let mut pools = Vec::new();
        for arena in arenas.values() {
            used.arena_bytes += self.arena_size();
            let first = arena.address.next_multiple_of(self.pool_size());
            let end = arena.unused.min(arena.address.saturating_add(self.arena_size()));
            pools.extend((first..end).step_by(self.pool_size() as usize));
        }
        for header in self.memory.each::<{ POOL_HEADER as usize }>(&pools)?.into_iter().flatten() {
            let (count, class) = (half(&header, 0) as u32, half(&header, 36) as u32);
            if class >= SIZE_CLASSES {
                continue;
            }
            let size = u64::from(class + 1) * 16;
            // A pool may be handed out or taken back while it is read.
            if u64::from(count) <= (self.pool_size() - POOL_HEADER) / size {
                used.blocks += u64::from(count);
                used.block_bytes += u64::from(count) * size;
            }
        }
        used.large_blocks = large;
        Ok(used)
    }

    fn arena_size(&self) -> u64 {
        1 << self.layout.arena_bits
    }

    fn pool_size(&self) -> u64 {
        1 << self.layout.pool_bits
    }

    /// Every allocator.
    fn lists(&self) -> Result<Vec<List>> {
        let word = |at: u64| self.memory.u64(at);
        let count = |at: u64| self.memory.i32(at).map(|n| Some(u64::from(n as u32)));
        match self.list {
            At::Named(list, entries, large) => {
                let large_blocks = large.map(word).transpose()?;
                let (address, entries) = (word(list)?, count(entries)?);
                Ok(vec![List { address, entries, arenas: None, large_blocks }])
            }
            At::Found(list) => {
                Ok(vec![List { address: word(list)?, entries: None, arenas: None, large_blocks: None }])
            }
            At::Interpreters => self.interpreter.all()?.iter().map(|i| self.inside(i.address())).collect(),
        }
    }

    /// The allocator of an interpreter.
    fn inside(&self, interpreter: u64) -> Result<List> {
        let at = match self.layout.arenas {
            Arenas::Behind(pointer, offset) => {
                self.memory.u64(interpreter + u64::from(pointer))?.wrapping_add(u64::from(offset))
            }
            Arenas::Interpreter(offset) => interpreter + u64::from(offset),
            Arenas::Symbols => {
                return Ok(List { address: 0, entries: None, arenas: None, large_blocks: None });
            }
        };
        Ok(List {
            address: self.memory.u64(at)?,
            entries: Some(u64::from(self.memory.i32(at.wrapping_add(8))? as u32)),
            arenas: Some(self.memory.u64(at.wrapping_add(ARENA_COUNT))?),
            large_blocks: Some(self.memory.u64(at.wrapping_add(LARGE_BLOCKS))?),
        })
    }

    /// The arenas of one list. Without a length it ends at the first entry that is none: the length is sixteen,
    /// and doubles.
    fn entries(&self, list: &List) -> Result<Vec<Arena>> {
        let (list, count) = (list.address, list.entries);
        let mut arenas = Vec::new();
        let (mut from, mut to) = (0, count.unwrap_or(16));
        while to <= MOST_ARENAS {
            let mut bytes = vec![0; (to - from) as usize * ARENA_OBJECT];
            match self.memory.read(list + from * ARENA_OBJECT as u64, &mut bytes) {
                Err(m5_process::Error::Unmapped { .. }) if from > 0 => break,
                other => other?,
            }
            let entries: Option<Vec<_>> =
                bytes.chunks_exact(ARENA_OBJECT).map(|b| self.entry(b, list)).collect();
            let Some(entries) = entries else { break };
            arenas.extend(entries.into_iter().flatten());
            if count.is_some() {
                break;
            }
            (from, to) = (to, 2 * to);
        }
        Ok(arenas)
    }

    /// One entry: none if it is no arena object, `Some(None)` if it has no arena.
    fn entry(&self, bytes: &[u8], list: u64) -> Option<Option<Arena>> {
        let (address, unused) = (word(bytes, 0), word(bytes, 8));
        let (free, pools) = (half(bytes, 16) as u64, half(bytes, 20) as u64);
        if address == 0 {
            // The next one without an arena, or none.
            let next = word(bytes, 32);
            let linked = next == 0 || next.checked_sub(list).is_some_and(|d| d % ARENA_OBJECT as u64 == 0);
            return linked.then_some(None);
        }
        let most = self.arena_size() / self.pool_size();
        let fits = address.is_multiple_of(4096)
            && free <= pools
            && (pools == most || pools + 1 == most)
            && (address..=address.checked_add(self.arena_size())?).contains(&unused)
            && unused.is_multiple_of(self.pool_size());
        fits.then_some(Some(Arena { address, unused }))
    }

    /// By the names of the variables, where the file still has them.
    fn named(&self, process: &Process, maps: &[Mapping]) -> Option<At> {
        let file = self.interpreter.file();
        let map = maps.iter().find(|m| m.path == file)?;
        let program = process.open_program(map)?;
        match symbols(program, maps, file, &["arenas", "maxarenas", "raw_allocated_blocks"])[..] {
            [Some(list), Some(count), large] => Some(At::Named(list, count, large)),
            _ => None,
        }
    }

    /// In a stripped build: the word of the interpreter's data that points to the longest list.
    fn search(&self, maps: &[Mapping]) -> Option<At> {
        let of_file = |m: &&Mapping| m.path == self.interpreter.file();
        let zeroed = |pair: &[Mapping]| (of_file(&&pair[0]) && pair[1].inode == 0).then_some(pair[1].clone());
        let named = maps.iter().filter(of_file).cloned();
        let data = named.chain(maps.windows(2).filter_map(zeroed)).filter(|m| m.writable);
        let anonymous: Vec<&Mapping> = maps.iter().filter(|m| m.writable && m.inode == 0).collect();
        let mut candidates = Vec::new();
        for map in data.filter(|m| m.end - m.start <= MOST_DATA) {
            let mut bytes = vec![0; (map.end - map.start) as usize];
            if self.memory.read(map.start, &mut bytes).is_err() {
                continue;
            }
            for at in (0..bytes.len()).step_by(8) {
                let list = word(&bytes, at);
                let i = anonymous.partition_point(|m| m.end <= list);
                let inside = anonymous.get(i).is_some_and(|m| m.start <= list);
                if inside && list.is_multiple_of(16) {
                    candidates.push((map.start + at as u64, list));
                }
            }
        }
        let lists: Vec<u64> = candidates.iter().map(|c| c.1).collect();
        let first = self.memory.each::<ARENA_OBJECT>(&lists).ok()?;
        let begins = candidates.iter().zip(first).filter(|((_, list), bytes)| {
            bytes.is_some_and(|b| matches!(self.entry(&b, *list), Some(Some(_))))
        });
        let length = |address: u64| {
            let list = List { address, entries: None, arenas: None, large_blocks: None };
            self.entries(&list).map_or(0, |arenas| arenas.len())
        };
        let longest = begins.max_by_key(|((_, list), _)| length(*list))?;
        Some(At::Found(longest.0.0))
    }
}
