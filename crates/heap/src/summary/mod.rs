//! A snapshot in the words of a report: types, their holders, the largest holdings, and what nobody holds.

mod holdings;
mod table;

pub use holdings::Holding;
pub use table::TypeRow;

use crate::take::idle_threads::on_idle_threads;
use crate::{ByType, Describer, Dominators, Held, PathTree, Redaction, Retained, Snapshot};
use serde::{Deserialize, Serialize};

/// What a summary is to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryOptions {
    /// Types in the table.
    pub top: usize,
    /// Types whose holders are told.
    pub held: usize,
    /// Instances of a type that are asked for their holder.
    pub sample: usize,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { top: 50, held: 20, sample: 2_000 }
    }
}

/// A snapshot summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of references.
    pub references: u64,
    /// Number of types with instances.
    pub type_count: u64,
    /// Objects that nothing alive refers to: cycles that wait for the collector.
    pub garbage: Loose,
    /// Objects whose reference count names a holder that was not found, and what only they hold.
    pub no_referrer: Loose,
    /// Objects that only native memory refers to, and what only they hold.
    pub native: Loose,
    /// Objects in cycles that no collection can free, and what only they hold.
    #[serde(default)]
    pub uncollectable: Loose,
    /// Types, the most bytes first.
    pub types: Vec<TypeRow>,
    /// The dominator tree from above: who would free how much by going.
    pub holdings: Vec<Holding>,
}

/// A number of objects without a holder that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Loose {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Heaps of fewer objects are looked at from two sides at once.
const AT_ONCE: usize = 2 << 20;

/// Sums up a snapshot.
#[must_use]
pub fn summarize(snapshot: &Snapshot, options: &SummaryOptions) -> Summary {
    on_idle_threads(|| sum_up(snapshot, options))
}

fn sum_up(snapshot: &Snapshot, options: &SummaryOptions) -> Summary {
    let graph = &snapshot.graph;
    let judged = || {
        let dominators = Dominators::of(graph);
        let retained = Retained::of(graph, &dominators);
        (dominators, retained)
    };
    // Of a large heap one after the other: what either needs beside its result is as much as the graph.
    let ((dominators, retained), tree) = match graph.len() {
        0..AT_ONCE => rayon::join(judged, || PathTree::of(graph)),
        _ => (judged(), PathTree::of(graph)),
    };
    // Names in a snapshot are redacted already.
    let redaction = Redaction::new(true);
    let describer = Describer::new(graph, &tree, &snapshot.names, &redaction);
    let by_type = ByType::of(graph);
    let mut types = table::rows(graph, &retained);
    let type_count = types.len() as u64;
    types.truncate(options.top);
    for row in types.iter_mut().take(options.held) {
        row.find_holders(&by_type, &tree, &describer, options.sample);
    }
    let [garbage, no_referrer, native, uncollectable] = loose(snapshot, &tree);
    Summary {
        objects: graph.len() as u64,
        bytes: graph.size.iter().sum(),
        references: graph.edge_to.len() as u64,
        type_count,
        garbage,
        no_referrer,
        native,
        uncollectable,
        types,
        holdings: holdings::holdings(graph, &dominators, &retained, &describer),
    }
}

/// Garbage, objects without a referrer, and those of native memory.
fn loose(snapshot: &Snapshot, tree: &PathTree) -> [Loose; 4] {
    let graph = &snapshot.graph;
    let mut sums = [Loose::default(); 4];
    // The pass that reached each object; holders come first in the tree's order.
    let mut slot = vec![Some(0_u8); graph.len()];
    for object in tree.order() {
        slot[*object as usize] = match tree.held(*object) {
            Held::By(holder) => slot[holder as usize],
            Held::Nothing => Some(0),
            Held::Root(root) => match graph.roots.get(root as usize).map(|r| crate::cause(r.kind)) {
                Some(crate::Cause::NoReferrer) => Some(1),
                Some(crate::Cause::Native) => Some(2),
                Some(crate::Cause::Uncollectable) => Some(3),
                _ => None,
            },
        };
    }
    for (slot, size) in slot.iter().zip(&graph.size) {
        if let Some(sum) = slot.and_then(|s| sums.get_mut(s as usize)) {
            sum.objects += 1;
            sum.bytes += size;
        }
    }
    sums
}

#[cfg(test)]
mod tests;
