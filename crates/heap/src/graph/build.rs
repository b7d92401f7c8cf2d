//! From a census to the graph: columns of objects, references and roots.

use crate::census::anchor::Anchor;
use crate::census::glibc::RegionKind;
use crate::census::kind::Kind;
use crate::census::outside::Outside;
use crate::census::{Census, sizes};
use crate::graph::edges::{BlockOwners, Label, Walker};
use crate::graph::model::{self, HeapGraph, MOST_BYTES, TypeInfo};
use crate::image::Image;
use crate::image::huge;
use rayon::prelude::*;

/// References out of a run of objects.
struct Batch {
    counts: Vec<u32>,
    targets: Vec<u32>,
    nowhere: u64,
    /// Objects that are the buffers of others, whose sizes count them.
    inside: Vec<u32>,
}

/// Objects in a batch: few enough to keep all processors busy and to stay in a cache; so many that a batch's columns are
/// blocks that go back to the system as soon as they are freed.
const BATCH: usize = 1 << 15;

/// The graph without roots, and the number of references that lead to no object.
pub(crate) fn build(
    image: &Image,
    anchor: &Anchor,
    census: &Census,
    owners: &BlockOwners,
) -> (HeapGraph, u64) {
    let walker = Walker { image, anchor, census, owners };
    let mut size = huge::zeroed(census.len());
    // An object's own words are in the cache when its size is asked for.
    let slices = size.par_chunks_mut(BATCH).enumerate();
    let batches: Vec<Batch> = slices.map(|(i, sizes)| batch(&walker, i * BATCH, sizes)).collect();
    let nowhere = batches.iter().map(|b| b.nowhere).sum();
    // The bytes inside a stream or a bytearray count with it, as `sys.getsizeof` has it, and not once more.
    let inside: Vec<u32> = batches.iter().flat_map(|b| b.inside.iter().copied()).collect();
    inside.iter().for_each(|object| size[*object as usize] = 0);
    let (edge_start, edge_to) = joined(batches, census.len());
    // A torn image may claim more than any machine has: no sum of sizes may overflow.
    if model::total(&size).is_none() {
        let most = MOST_BYTES / size.len() as u64;
        size.iter_mut().for_each(|s| *s = most.min(*s));
    }
    let named = census.types.descs.iter();
    let graph = HeapGraph {
        types: named.map(|d| TypeInfo { name: d.name.clone(), address: d.address }).collect(),
        address: census.address.clone(),
        type_id: census.type_of.clone(),
        size,
        edge_start,
        edge_to,
        roots: Vec::new(),
    };
    (graph, nowhere)
}

/// References of the objects from `first` on, and their shallow sizes.
fn batch(walker: &Walker<'_>, first: usize, sizes: &mut [u64]) -> Batch {
    let mut batch = Batch {
        counts: Vec::with_capacity(sizes.len()),
        targets: Vec::new(),
        nowhere: 0,
        inside: Vec::new(),
    };
    for (i, size) in sizes.iter_mut().enumerate() {
        let object = (first + i) as u32;
        let before = batch.targets.len();
        let known = walker.census.desc(object).is_some_and(|d| d.kind != Kind::Plain);
        walker.visit(object, &mut |target: u64, label: Label| {
            let found = walker.object(target);
            let nowhere = found.is_none() && known && target != 0 && label.certain();
            batch.nowhere += u64::from(nowhere && in_books(walker, object, target));
            batch.targets.extend(found);
        });
        batch.counts.push((batch.targets.len() - before) as u32);
        *size = shallow(walker, object);
        batch.inside.extend(inner_bytes(walker, object));
    }
    batch.targets.shrink_to_fit();
    batch
}

/// Whether both ends of a reference lie where an allocator's books say what is in use. Elsewhere an object may be what is
/// left of one that was freed, or not be found: that is no contradiction.
fn in_books(walker: &Walker<'_>, object: u32, target: u64) -> bool {
    let own = walker.census.address.get(object as usize).copied().unwrap_or(0);
    let foreign = walker.census.heaps.regions.iter().filter(|r| r.kind == RegionKind::Foreign);
    foreign.into_iter().all(|r| [own, target].iter().all(|at| !(r.start..r.end).contains(at)))
}

fn shallow(walker: &Walker<'_>, object: u32) -> u64 {
    let at = walker.census.address.get(object as usize).copied().unwrap_or(0);
    walker.census.desc(object).map_or(0, |d| sizes::shallow(walker.image, walker.anchor.layout, at, d))
}

/// The object that is the buffer of a stream in memory, or of a bytearray.
fn inner_bytes(walker: &Walker<'_>, object: u32) -> Option<u32> {
    let desc = walker.census.desc(object)?;
    let at = *walker.census.address.get(object as usize)?;
    let buffer = match (desc.kind, walker.anchor.layout.bytearray_object) {
        (Kind::ByteArray, Some(offset)) if walker.image.word_at(at, 24)? > 0 => {
            walker.image.word_at(at, u64::from(offset))?
        }
        _ if desc.outside == Some(Outside::BytesIo) => Outside::BytesIo.buffer(walker.image, at)?.0,
        _ => return None,
    };
    walker.object(buffer)
}

/// Where the references of each object begin, and all of them in a row.
fn joined(batches: Vec<Batch>, objects: usize) -> (Vec<u32>, Vec<u32>) {
    let total = batches.iter().map(|b| b.targets.len()).sum();
    let (mut starts, mut targets) = (huge::zeroed(objects + 1), huge::zeroed(total));
    let (mut rest, mut left) = (starts.as_mut_slice(), targets.as_mut_slice());
    let mut work = Vec::with_capacity(batches.len());
    let mut before = 0u32;
    for batch in batches {
        let ((mine, others), (own, after)) =
            (rest.split_at_mut(batch.counts.len()), left.split_at_mut(batch.targets.len()));
        (rest, left) = (others, after);
        let edges = batch.targets.len() as u32;
        work.push((batch, before, mine, own));
        before = before.saturating_add(edges);
    }
    if let Some(last) = rest.last_mut() {
        *last = before;
    }
    // Each batch goes as soon as it is copied.
    work.into_par_iter().for_each(|(batch, mut before, starts, targets)| {
        targets.copy_from_slice(&batch.targets);
        for (start, count) in starts.iter_mut().zip(&batch.counts) {
            *start = before;
            before = before.saturating_add(*count);
        }
    });
    (starts, targets)
}

/// Adds references that were found later; they are in order of the object that holds them.
pub(crate) fn add_edges(graph: &mut HeapGraph, more: &[(u32, u32)]) {
    if more.is_empty() || graph.edge_to.len() + more.len() > u32::MAX as usize {
        return;
    }
    let mut to: Vec<u32> = huge::with_room(graph.edge_to.len() + more.len());
    let mut copied = 0;
    for (owner, object) in more {
        // Each goes behind those that its holder had.
        let end = graph.edge_start.get(*owner as usize + 1).map_or(copied, |e| *e as usize);
        to.extend(graph.edge_to.get(copied..end).unwrap_or(&[]));
        copied = copied.max(end);
        to.push(*object);
    }
    to.extend(graph.edge_to.get(copied..).unwrap_or(&[]));
    graph.edge_to = to;
    let (mut next, mut added) = (0, 0);
    for (i, start) in graph.edge_start.iter_mut().enumerate() {
        while more.get(next).is_some_and(|(owner, _)| (*owner as usize) < i) {
            (next, added) = (next + 1, added + 1);
        }
        *start += added;
    }
}

/// References that lead to each object.
pub(crate) fn in_degrees(graph: &HeapGraph) -> Vec<u32> {
    let mut degrees: Vec<u32> = huge::zeroed(graph.len());
    for to in &graph.edge_to {
        if let Some(degree) = degrees.get_mut(*to as usize) {
            *degree = degree.saturating_add(1);
        }
    }
    degrees
}
