//! jemalloc 5.3: extents of pages, slabs of equal blocks or one large block each. Polars, DuckDB and Arrow carry it, and
//! services are started under it.
//!
//! Each extent has a description somewhere in memory. Descriptions are looked for by what they say, and taken where the
//! allocator's own table of pages leads to them: one that is kept for reuse is in no table. Which size of page it was
//! built for is told by the table as well: with another size it leads nowhere.

mod extent;

use self::extent::{ALIGN, Extent, Geometry, MOST_CLASSES};
use super::glibc::{Region, RegionKind};
use super::statics::Piece;
use crate::graph::dict::word;
use crate::image::Image;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::ops::Range;

/// An entry of the table of pages: the class from this bit on, an address, and flags below.
const ENTRY_CLASS: u32 = 48;
const ENTRY_ADDRESS: u64 = (1 << ENTRY_CLASS) - ALIGN;
/// The allocator takes memory for its own books in such pieces.
const BOOKS: u64 = 2 << 20;
/// Fewer descriptions that the table leads to prove nothing.
const PROOF: usize = 4;

/// Regions of every extent and of the allocator's books, in order, none over another; `pieces` is memory that is no
/// other allocator's. A process may have several copies of it, each library its own.
pub(crate) fn walk(image: &Image, pieces: &[Piece<'_>]) -> Vec<Region> {
    let places: Vec<Piece<'_>> = pieces.par_iter().flat_map_iter(|piece| places(*piece)).collect();
    let found = Geometry::possible().filter_map(|geometry| Found::of(geometry, image, pieces, &places));
    let mut found: Vec<Found> = found.collect();
    found.sort_by_key(|f| Reverse(f.live.len()));
    let mut regions: Vec<Region> = Vec::new();
    for found in found {
        let taken: Vec<Range<u64>> = regions.iter().map(|r| r.start..r.end).collect();
        let apart = |r: &Region| {
            let next = taken.partition_point(|t| t.end <= r.start);
            taken.get(next).is_none_or(|t| t.start >= r.end)
        };
        regions.extend(found.regions(pieces).into_iter().filter(apart));
        regions.sort_by_key(|r| r.start);
    }
    regions
}

/// Where parts of the table of pages begin, by the upper bits of the pages: where most of its entries want it to be, and
/// wherever enough of them do, since each copy of the library has a table of its own.
type Tables = FxHashMap<u64, Vec<u64>>;

/// What one size of page explains.
struct Found {
    geometry: Geometry,
    tables: Tables,
    /// Extents that a table leads to, in order, none over another.
    live: Vec<Extent>,
}

impl Found {
    fn of(geometry: Geometry, image: &Image, pieces: &[Piece<'_>], places: &[Piece<'_>]) -> Option<Self> {
        let read = |(at, bytes): &Piece<'_>| Extent::read(geometry, *at, bytes);
        let described: FxHashMap<u64, Extent> =
            places.par_iter().filter_map(read).map(|e| (e.described, e)).collect();
        if described.len() < PROOF {
            return None;
        }
        let tables = tables(geometry, pieces, &described);
        let led = |e: &Extent| leads(geometry, image, &tables, e);
        let mut live: Vec<Extent> = described.into_values().filter(led).collect();
        live.sort_by_key(|e| e.pages().start);
        let mut end = 0;
        live.retain(|e| {
            let apart = e.pages().start >= end;
            end = end.max(if apart { e.pages().end } else { 0 });
            apart
        });
        (live.len() >= PROOF).then_some(Self { geometry, tables, live })
    }

    fn regions(&self, pieces: &[Piece<'_>]) -> Vec<Region> {
        let mut regions: Vec<Region> = self.live.iter().map(Extent::region).collect();
        regions.extend(self.books(pieces));
        regions.sort_by_key(|r| r.start);
        regions
    }

    /// Memory that the allocator keeps its descriptions and tables in.
    fn books(&self, pieces: &[Piece<'_>]) -> Vec<Region> {
        let last = self.geometry.entries() * 8 - 1;
        let of_tables = self.tables.values().flatten().flat_map(|table| [*table, table.saturating_add(last)]);
        let windows: FxHashSet<u64> =
            self.live.iter().map(|e| e.described).chain(of_tables).map(|at| at / BOOKS).collect();
        let extents: Vec<Range<u64>> = self.live.iter().map(Extent::pages).collect();
        let within = |(start, bytes): &Piece<'_>| {
            let end = start + bytes.len() as u64;
            let touched = start / BOOKS..=(end - 1) / BOOKS;
            let parts = touched.filter(|w| windows.contains(w)).map(|w| w * BOOKS..(w + 1) * BOOKS);
            parts.map(|p| p.start.max(*start)..p.end.min(end)).collect::<Vec<_>>()
        };
        let parts = pieces.iter().filter(|(_, bytes)| !bytes.is_empty()).flat_map(within);
        let free = parts.flat_map(|part| super::foreign::without(part, &extents));
        let span = |r: Range<u64>| Region {
            kind: RegionKind::Span,
            start: r.start,
            end: r.end,
            broken: false,
            chunks: Vec::new(),
            top: None,
        };
        free.map(span).collect()
    }
}

/// Where a description may lie, whatever the size of page, with all that follows.
fn places((start, bytes): Piece<'_>) -> impl Iterator<Item = Piece<'_>> {
    let first = (start.next_multiple_of(ALIGN) - start) as usize;
    let places = (first..bytes.len()).step_by(ALIGN as usize);
    places
        .filter_map(move |at| Some((start + at as u64, bytes.get(at..)?)))
        .filter(|(_, bytes)| Geometry::possible().any(|geometry| geometry.may_describe(bytes)))
}

fn tables(geometry: Geometry, pieces: &[Piece<'_>], described: &FxHashMap<u64, Extent>) -> Tables {
    let votes = |(start, bytes): &Piece<'_>| {
        let mut votes: FxHashMap<(u64, u64), u32> = FxHashMap::default();
        for at in (0..bytes.len().saturating_sub(7)).step_by(8) {
            let entry = word(bytes, at);
            // Classes are above an address, which other words have nothing above.
            if entry >> ENTRY_CLASS == 0 || entry >> ENTRY_CLASS >= MOST_CLASSES {
                continue;
            }
            let Some(extent) = described.get(&(entry & ENTRY_ADDRESS)) else { continue };
            if extent.class() == entry >> ENTRY_CLASS {
                let (upper, place) = divided(geometry, extent);
                *votes.entry((upper, (start + at as u64).wrapping_sub(place))).or_default() += 1;
            }
        }
        votes
    };
    let mut sums: FxHashMap<(u64, u64), u32> = FxHashMap::default();
    for counted in pieces.par_iter().map(votes).collect::<Vec<_>>() {
        counted.into_iter().for_each(|(key, n)| *sums.entry(key).or_default() += n);
    }
    let mut by_part: FxHashMap<u64, Vec<(u32, u64)>> = FxHashMap::default();
    for ((upper, table), n) in sums {
        by_part.entry(upper).or_default().push((n, table));
    }
    let chosen = |mut voted: Vec<(u32, u64)>| {
        voted.sort_unstable_by(|a, b| b.cmp(a));
        let enough = |(i, (n, _)): &(usize, (u32, u64))| *i == 0 || *n as usize >= PROOF;
        voted.into_iter().enumerate().take_while(enough).map(|(_, (_, table))| table).collect()
    };
    by_part.into_iter().map(|(upper, voted)| (upper, chosen(voted))).collect()
}

/// The part of the table that an extent's first page has its entry in, and how far in.
fn divided(geometry: Geometry, extent: &Extent) -> (u64, u64) {
    let page = extent.address / geometry.page();
    (page / geometry.entries(), page % geometry.entries() * 8)
}

/// Whether a table leads from the first page of an extent to its description.
fn leads(geometry: Geometry, image: &Image, tables: &Tables, extent: &Extent) -> bool {
    let (upper, place) = divided(geometry, extent);
    let entry = |table: &u64| image.word(table.wrapping_add(place)).map(|entry| entry & ENTRY_ADDRESS);
    tables.get(&upper).is_some_and(|tables| tables.iter().any(|t| entry(t) == Some(extent.described)))
}
