//! Which layer of a process grows: objects that the collector tracks, objects that it does not, native memory,
//! fragments between live objects, descriptors, sockets. Each names another culprit and another next step.

use crate::verdict::{Assessment, Verdict};
use serde::{Deserialize, Serialize};

/// The verdicts of one process's series. What was not measured is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Layers<'a> {
    /// Objects that the collector tracks.
    pub gc_objects: Option<&'a Assessment>,
    /// Blocks of Python's own allocator.
    pub blocks: Option<&'a Assessment>,
    /// Bytes of the arenas that hold those blocks.
    pub arenas: Option<&'a Assessment>,
    /// Private anonymous bytes.
    pub anon: Option<&'a Assessment>,
    /// Resident bytes.
    pub rss: Option<&'a Assessment>,
    /// Open descriptors.
    pub fds: Option<&'a Assessment>,
    /// Sockets among them.
    pub sockets: Option<&'a Assessment>,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Objects that the collector tracks: containers and instances.
    GcHeap,
    /// Objects that it does not track (bytes, strings, numbers), or references that are never given back.
    Untracked,
    /// Arenas are kept for few live blocks each.
    Fragmentation,
    /// Memory that Python's allocator does not hand out: extensions, threads' arenas, buffers.
    Native,
    /// Anonymous memory, with nothing known of the objects in it.
    Memory,
    /// Pages of files or shared memory.
    FilePages,
    /// Sockets.
    Sockets,
    /// Other descriptors.
    Fds,
}

/// What to do next; the wording is the report's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Two heap snapshots and their difference name the type and its holder.
    DiffSnapshots,
    /// A difference of snapshots may show untracked objects by holder; else suspect a reference leak in an
    /// extension.
    DiffUntracked,
    /// Fewer arenas or another allocator, then look at extensions.
    TryAllocator,
    /// Memory lies between live objects: allocate long-lived objects early, restart workers, or trim.
    Defragment,
    /// Measure the objects too before naming a culprit.
    MeasureObjects,
    /// Look at mapped files and shared memory.
    LookAtMappings,
    /// Group sockets by peer and state; close what is in CLOSE_WAIT.
    LookAtSockets,
    /// List descriptors by kind.
    LookAtFds,
}

/// A layer that grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growing {
    /// Which.
    pub layer: Layer,
    /// What to do next.
    pub advice: Advice,
    /// By how much per second, in the unit of the series that shows it: bytes, objects, blocks, descriptors.
    pub per_second: Option<f64>,
}

/// Names the layers that grow: one of memory at most (the highest that explains the others), and one of
/// descriptors.
#[must_use]
pub fn growing_layers(layers: &Layers<'_>) -> Vec<Growing> {
    memory(layers).into_iter().chain(descriptors(layers)).collect()
}

fn grows(series: Option<&Assessment>) -> bool {
    series.is_some_and(|a| a.verdict == Verdict::Growing)
}

/// Measured and found not to grow. A series that is undecided is no witness.
fn still(series: Option<&Assessment>) -> bool {
    series.is_some_and(|a| !matches!(a.verdict, Verdict::Growing | Verdict::Insufficient))
}

fn memory(l: &Layers<'_>) -> Option<Growing> {
    let (layer, advice, series) = if grows(l.gc_objects) {
        (Layer::GcHeap, Advice::DiffSnapshots, l.gc_objects)
    } else if grows(l.blocks) {
        (Layer::Untracked, Advice::DiffUntracked, l.blocks)
    } else if grows(l.arenas) && still(l.blocks) {
        (Layer::Fragmentation, Advice::Defragment, l.arenas)
    } else if grows(l.anon) || (grows(l.rss) && l.anon.is_none()) {
        let series = l.anon.or(l.rss);
        if still(l.blocks) || (still(l.gc_objects) && still(l.arenas)) {
            (Layer::Native, Advice::TryAllocator, series)
        } else {
            (Layer::Memory, Advice::MeasureObjects, series)
        }
    } else if grows(l.rss) && still(l.anon) {
        (Layer::FilePages, Advice::LookAtMappings, l.rss)
    } else if grows(l.rss) {
        (Layer::Memory, Advice::MeasureObjects, l.rss)
    } else {
        return None;
    };
    Some(Growing { layer, advice, per_second: series.and_then(|a| a.slope) })
}

fn descriptors(l: &Layers<'_>) -> Option<Growing> {
    let (layer, advice, series) = if grows(l.sockets) {
        (Layer::Sockets, Advice::LookAtSockets, l.sockets)
    } else if grows(l.fds) {
        (Layer::Fds, Advice::LookAtFds, l.fds)
    } else {
        return None;
    };
    Some(Growing { layer, advice, per_second: series.and_then(|a| a.slope) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Assessment = with(Verdict::Growing);
    const FLAT: Assessment = with(Verdict::Flat);
    const UNSURE: Assessment = with(Verdict::Insufficient);

    const fn with(verdict: Verdict) -> Assessment {
        Assessment {
            verdict,
            level: None,
            slope: Some(1.0),
            slope_low: None,
            slope_high: None,
            forecast_24h: None,
            observed_seconds: 0.0,
            wait_seconds: None,
            growth_probability: None,
            reason: None,
            shift: None,
            limit: None,
        }
    }

    fn layers(l: &Layers<'_>) -> Vec<Layer> {
        growing_layers(l).into_iter().map(|g| g.layer).collect()
    }

    #[test]
    fn the_highest_layer_that_grows_is_named() {
        let up = Some(&UP);
        let flat = Some(&FLAT);
        let all = Layers { gc_objects: up, blocks: up, anon: up, rss: up, ..Layers::default() };
        assert_eq!(layers(&all), [Layer::GcHeap]);
        assert_eq!(layers(&Layers { gc_objects: flat, ..all }), [Layer::Untracked]);
        assert_eq!(layers(&Layers { gc_objects: flat, blocks: flat, ..all }), [Layer::Native]);
        let fragments = Layers { gc_objects: flat, blocks: flat, arenas: up, ..all };
        assert_eq!(layers(&fragments), [Layer::Fragmentation]);
        assert_eq!(layers(&Layers { rss: up, anon: flat, ..Layers::default() }), [Layer::FilePages]);
    }

    #[test]
    fn nothing_is_named_without_a_witness() {
        let up = Some(&UP);
        assert_eq!(layers(&Layers { anon: up, rss: up, ..Layers::default() }), [Layer::Memory]);
        let unsure = Layers { anon: up, gc_objects: Some(&UNSURE), ..Layers::default() };
        assert_eq!(layers(&unsure), [Layer::Memory]);
        assert!(layers(&Layers::default()).is_empty());
        let sockets = Layers { fds: up, sockets: up, ..Layers::default() };
        assert_eq!(layers(&sockets), [Layer::Sockets]);
    }
}
