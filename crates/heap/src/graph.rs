//! From a census to the graph: columns of objects, references and roots.

use crate::anchor::Anchor;
use crate::census::{Census, sizes};
use crate::edges::{Claims, Walker};
use crate::image::Image;
use crate::model::{HeapGraph, TypeInfo};
use rayon::prelude::*;

/// References out of a run of objects.
struct Batch {
    counts: Vec<u32>,
    targets: Vec<u32>,
}

/// Objects in a batch: enough to keep all processors busy, few enough to stay in a cache.
const BATCH: usize = 1 << 14;

/// The graph without roots.
pub(crate) fn build(image: &Image, anchor: &Anchor, census: &Census, claims: &Claims) -> HeapGraph {
    let walker = Walker { image, anchor, census, claims };
    let count = census.len();
    let starts: Vec<usize> = (0..count).step_by(BATCH).collect();
    let batches: Vec<Batch> = starts
        .par_iter()
        .map(|start| {
            let objects = *start as u32..(*start + BATCH).min(count) as u32;
            let mut batch =
                Batch { counts: Vec::with_capacity(BATCH), targets: Vec::with_capacity(BATCH * 2) };
            for object in objects {
                let before = batch.targets.len();
                let mut see = |target: u64, _| batch.targets.extend(walker.object(target));
                walker.visit(object, &mut see);
                batch.counts.push((batch.targets.len() - before) as u32);
            }
            batch
        })
        .collect();
    let total: usize = batches.iter().map(|b| b.targets.len()).sum();
    let mut graph = HeapGraph {
        types: census
            .types
            .descs
            .iter()
            .map(|d| TypeInfo { name: d.name.clone(), address: d.address })
            .collect(),
        address: census.address.clone(),
        type_id: census.type_of.clone(),
        size: shallow_sizes(image, anchor, census),
        edge_start: Vec::with_capacity(count + 1),
        edge_to: Vec::with_capacity(total),
        roots: Vec::new(),
    };
    let mut edges = 0u32;
    for batch in batches {
        for count in batch.counts {
            graph.edge_start.push(edges);
            edges = edges.saturating_add(count);
        }
        graph.edge_to.extend(batch.targets);
    }
    graph.edge_start.push(edges);
    graph
}

fn shallow_sizes(image: &Image, anchor: &Anchor, census: &Census) -> Vec<u64> {
    let pairs = census.address.par_iter().zip(&census.type_of);
    pairs
        .map(|(at, number)| {
            census.types.get(*number).map_or(0, |desc| sizes::shallow(image, anchor.layout, *at, desc))
        })
        .collect()
}

/// References that lead to each object.
pub(crate) fn in_degrees(graph: &HeapGraph) -> Vec<u32> {
    let mut degrees = vec![0u32; graph.len()];
    for to in &graph.edge_to {
        if let Some(degree) = degrees.get_mut(*to as usize) {
            *degree = degree.saturating_add(1);
        }
    }
    degrees
}
