//! Objects of more than 4 GiB: the panel keeps 32 bits of each size, so what is beyond goes into further nodes of
//! the same class, which the object alone holds.

use m5_heap::HeapGraph;

/// The most bytes that a node may have.
pub(crate) const LARGEST: u64 = u32::MAX as u64;
/// More pieces than the memory of any machine has; a torn image may claim anything.
const MOST: usize = 1 << 14;

/// Bytes of an object beyond its own node.
pub(crate) struct Piece {
    pub(crate) object: u32,
    /// Its number among the pieces of the object.
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

/// All of them, ascending by object.
pub(crate) struct Rests {
    pieces: Vec<Piece>,
}

impl Rests {
    pub(crate) fn of(graph: &HeapGraph) -> Self {
        let large = graph.size.iter().enumerate().filter(|(_, size)| **size > LARGEST);
        let pieces = large.flat_map(|(object, size)| {
            let beyond = size - LARGEST;
            (0..beyond.div_ceil(LARGEST)).map(move |number| Piece {
                object: object as u32,
                number,
                bytes: (beyond - number * LARGEST).min(LARGEST),
            })
        });
        Self { pieces: pieces.take(MOST).collect() }
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(crate) fn count(&self) -> u64 {
        self.pieces.len() as u64
    }

    /// Number of pieces of one object.
    pub(crate) fn of_object(&self, object: u32) -> u64 {
        self.range(object).len() as u64
    }

    /// Which pieces are those of an object.
    pub(crate) fn range(&self, object: u32) -> std::ops::Range<usize> {
        let start = self.pieces.partition_point(|p| p.object < object);
        let end = self.pieces.partition_point(|p| p.object <= object);
        start..end
    }
}
