//! What is written where: nodes and edges in the file's order.

use super::groups::Group;
use super::rest::Rests;
use m5_heap::{Keeping, Snapshot};

/// Numbers that a node has.
pub(super) const NODE_FIELDS: u64 = 7;

/// The file's order of nodes: the root of all, kinds of roots, objects, rests of objects that are too large.
pub(super) struct Plan<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) keeping: Keeping<'a>,
    pub(super) groups: Vec<Group>,
    pub(super) rests: Rests,
}

impl Plan<'_> {
    pub(super) fn node_count(&self) -> u64 {
        self.first_rest() + self.rests.count()
    }

    pub(super) fn edge_count(&self) -> u64 {
        let held: usize = self.groups.iter().map(Group::len).sum();
        (self.groups.len() + held + self.snapshot.graph.edge_to.len()) as u64 + self.rests.count()
    }

    /// Number of the first object's node.
    pub(super) fn first_object(&self) -> u64 {
        1 + self.groups.len() as u64
    }

    pub(super) fn first_rest(&self) -> u64 {
        self.first_object() + self.snapshot.graph.len() as u64
    }
}
