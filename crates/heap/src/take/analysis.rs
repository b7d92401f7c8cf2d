//! The whole way from an image to objects, references and roots, with a check of itself.

use crate::census::Census;
use crate::census::anchor::{Anchor, HeapError};
use crate::census::block_owners;
use crate::graph::build;
use crate::graph::edges::{BlockOwners, Walker, conservative};
use crate::graph::model::HeapGraph;
use crate::graph::native::Native;
use crate::graph::roots;
use crate::image::Image;
use crate::image::room::check_spool;
use crate::names::namer::ImageNamer;
use crate::take::stage_times::{StageTime, Stopwatch};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far the result explains itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Objects.
    pub objects: u64,
    /// References.
    pub edges: u64,
    /// References that are only words of unknown structs that look like references.
    pub conservative_edges: u64,
    /// Objects with a count of references (those that live forever have none).
    pub counted: u64,
    /// Of these, the ones whose count equals the references that other objects hold.
    pub exact: u64,
    /// Those whose other references were found in native memory.
    pub native: u64,
    /// Objects that a root reaches.
    pub reachable: u64,
    /// References that lead to no object: what they led to was freed while the memory was read.
    pub nowhere: u64,
    /// Pools whose own count disagrees with their blocks.
    pub bad_pools: u64,
    /// Heaps of the C library whose chain of chunks broke.
    pub broken_heaps: u64,
}

impl SelfCheck {
    /// Share of objects whose reference count is fully explained.
    #[must_use]
    pub fn refcounts_explained(&self) -> Option<f64> {
        (self.counted > 0).then(|| (self.exact + self.native) as f64 / self.counted as f64)
    }

    /// Share of objects that a root reaches.
    #[must_use]
    pub fn reachable_share(&self) -> Option<f64> {
        (self.objects > 0).then(|| self.reachable as f64 / self.objects as f64)
    }
}

/// Everything found in an image.
#[derive(Debug)]
pub struct Analysis {
    /// The interpreter.
    pub anchor: Anchor,
    /// Types, objects, allocators.
    pub census: Census,
    /// Objects, references, roots.
    pub graph: HeapGraph,
    /// How far it explains itself.
    pub check: SelfCheck,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
    owners: BlockOwners,
    pub(crate) native: Native,
}

impl Analysis {
    /// Analyses an image.
    ///
    /// # Errors
    /// [`HeapError::Unsupported`] where no object is found.
    pub fn of(image: &Image, anchor: Anchor) -> Result<Self, HeapError> {
        image.shift_fields(anchor.layout.shift());
        let mut watch = Stopwatch::default();
        let census = Census::take(image, &anchor, &mut watch);
        if census.is_empty() {
            return Err(HeapError::Unsupported("no object was found in the image".into()));
        }
        // A debug allocator puts its own words before each object, so that next to none is found.
        let (blocks, bytes) = (census.pools.used_blocks, census.object_block_bytes);
        if blocks > 1000 && bytes < census.pools.used_bytes / 10 {
            return Err(HeapError::Unsupported(
                "most small blocks hold no objects: PYTHONMALLOC=debug or a debug build is in use; run the \
                 program without it"
                    .into(),
            ));
        }
        check_spool()?;
        let owners = block_owners::assign(image, &census);
        watch.lap("owners");
        let (mut graph, nowhere) = build::build(image, &anchor, &census, &owners);
        watch.lap("references");
        check_spool()?;
        let walker = Walker { image, anchor: &anchor, census: &census, owners: &owners };
        let found = roots::find(&walker, &mut graph);
        let check = SelfCheck { nowhere, ..check(&census, &graph, &found) };
        graph.roots = found.roots;
        let native = found.memory;
        watch.lap("roots");
        check_spool()?;
        Ok(Self { anchor, census, graph, check, owners, native, stages: watch.stages().to_vec() })
    }

    /// Names references; the image must be the one that was analysed.
    #[must_use]
    pub fn namer<'a>(&'a self, image: &'a Image) -> ImageNamer<'a> {
        ImageNamer { walker: self.walker(image) }
    }

    pub(crate) fn walker<'a>(&'a self, image: &'a Image) -> Walker<'a> {
        Walker { image, anchor: &self.anchor, census: &self.census, owners: &self.owners }
    }
}

fn check(census: &Census, graph: &HeapGraph, found: &roots::Found) -> SelfCheck {
    let unknown: Vec<bool> = census.types.descs.iter().map(conservative).collect();
    let guessed = |object: usize, kind: &u32| {
        let unknown = unknown.get(*kind as usize).copied().unwrap_or(false);
        if unknown { graph.edges(object as u32).len() as u64 } else { 0 }
    };
    SelfCheck {
        objects: graph.len() as u64,
        edges: graph.edge_to.len() as u64,
        conservative_edges: census.type_of.par_iter().enumerate().map(|(i, kind)| guessed(i, kind)).sum(),
        counted: found.counted,
        exact: found.exact,
        native: found.native,
        reachable: found.reachable,
        nowhere: 0,
        bad_pools: census.pools.bad_pools,
        broken_heaps: census.heaps.regions.iter().filter(|r| r.broken).count() as u64,
    }
}
