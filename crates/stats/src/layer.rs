//! Which layer of a process grows: objects that the collector tracks, objects that it does not, native memory,
//! fragments between live objects, descriptors, sockets. Each names another culprit and another next step.

use crate::verdict::decide::SURE;
use crate::verdict::{Assessment, Verdict};
use serde::{Deserialize, Serialize};

/// The verdicts of one process's series. What was not measured is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Layers<'a> {
    /// Objects that the collector tracks.
    pub gc_objects: Option<&'a Assessment>,
    /// Blocks of Python's own allocator, the large ones included where they are counted.
    pub blocks: Option<&'a Assessment>,
    /// Those of more than 512 bytes.
    pub large_blocks: Option<&'a Assessment>,
    /// Bytes of the arenas that hold those blocks.
    pub arenas: Option<&'a Assessment>,
    /// Anonymous bytes.
    pub anon: Option<&'a Assessment>,
    /// The same right after full collections: garbage that waits for the next one is not in it. Where it is
    /// decided, it speaks for `anon`.
    pub after_full: Option<&'a Assessment>,
    /// Resident bytes.
    pub rss: Option<&'a Assessment>,
    /// Open descriptors.
    pub fds: Option<&'a Assessment>,
    /// Sockets among them.
    pub sockets: Option<&'a Assessment>,
    /// Established connections, for where the kinds of descriptors are not known.
    pub connections: Option<&'a Assessment>,
    /// Threads.
    pub threads: Option<&'a Assessment>,
}

/// The series that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Witness {
    GcObjects,
    Blocks,
    LargeBlocks,
    Arenas,
    Anon,
    AfterFull,
    Rss,
    Fds,
    Sockets,
    Connections,
    Threads,
}

impl Witness {
    /// Whether its unit is bytes; else it is a count.
    #[must_use]
    pub fn is_bytes(self) -> bool {
        matches!(self, Self::Arenas | Self::Anon | Self::AfterFull | Self::Rss)
    }
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Objects that the collector tracks: containers and instances.
    GcHeap,
    /// Python's objects; whether the collector tracks them is not decided yet.
    Objects,
    /// Objects that it does not track (bytes, strings, numbers), or references that are never given back.
    Untracked,
    /// Arenas are kept for few live blocks each.
    Fragmentation,
    /// Memory that Python's allocator does not hand out: extensions, threads' arenas, buffers.
    Native,
    /// The objects that the collector tracks do not grow: objects that it does not track, or native memory.
    UntrackedOrNative,
    /// Anonymous memory, with nothing known of the objects in it.
    Memory,
    /// Pages of files or shared memory.
    FilePages,
    /// Sockets.
    Sockets,
    /// Other descriptors.
    Fds,
    /// Threads, each with its stack.
    Threads,
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
    /// Two heap snapshots and their difference; where no object grows there either, another allocator.
    DiffThenAllocator,
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
    /// Name the threads: a pool or a timer per request.
    LookAtThreads,
}

/// A layer that grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growing {
    /// Which.
    pub layer: Layer,
    /// What to do next.
    pub advice: Advice,
    /// The series that shows it.
    pub series: Witness,
    /// By how much per second, in the unit of that series: bytes or a count.
    pub per_second: Option<f64>,
    /// Share of the growth of memory that it explains, where several layers grow; absent where it is the only one or
    /// where that is not known.
    #[serde(default)]
    pub share: Option<f64>,
}

/// Names the layers that grow: of memory the highest, and where that does not explain the growth in bytes what else
/// does, the larger share first; one of descriptors, and threads.
#[must_use]
pub fn growing_layers(layers: &Layers<'_>) -> Vec<Growing> {
    let named = memory(layers).map(|first| shared(layers, first)).unwrap_or_default();
    named.into_iter().chain(descriptors(layers)).chain(threads(layers)).collect()
}

/// The largest small block, bytes.
const SMALL_BLOCK: f64 = 512.0;
/// A large block of this size would be unusual, bytes.
const LARGE_BLOCK: f64 = 262_144.0;

fn grows(series: Option<&Assessment>) -> bool {
    series.is_some_and(|a| a.verdict == Verdict::Growing)
}

fn decided(series: Option<&Assessment>) -> bool {
    series.is_some_and(|a| a.verdict != Verdict::Insufficient)
}

/// Measured and found not to grow. A series that is undecided is no witness.
fn still(series: Option<&Assessment>) -> bool {
    decided(series) && !grows(series)
}

/// Undecided alone, but more likely growing than not: that is a witness where memory is known to grow.
fn probable(series: Option<&Assessment>) -> bool {
    let probability = series.filter(|a| !decided(Some(a))).and_then(|a| a.growth_probability);
    probability.is_some_and(|p| p >= SURE)
}

fn growing(layer: Layer, advice: Advice, series: Witness, by: Option<&Assessment>) -> Growing {
    Growing { layer, advice, series, per_second: by.and_then(|a| a.slope), share: None }
}

fn memory(l: &Layers<'_>) -> Option<Growing> {
    let (anon, named) =
        if decided(l.after_full) { (l.after_full, Witness::AfterFull) } else { (l.anon, Witness::Anon) };
    let known = grows(anon) || grows(l.rss);
    let witness = |series| grows(series) || known && probable(series);
    Some(if witness(l.gc_objects) {
        growing(Layer::GcHeap, Advice::DiffSnapshots, Witness::GcObjects, l.gc_objects)
    } else if witness(l.blocks) || witness(l.large_blocks) {
        let (witness, by) = if witness(l.blocks) {
            (Witness::Blocks, l.blocks)
        } else {
            (Witness::LargeBlocks, l.large_blocks)
        };
        let (layer, advice) = if still(l.gc_objects) {
            (Layer::Untracked, Advice::DiffUntracked)
        } else {
            (Layer::Objects, Advice::DiffSnapshots)
        };
        growing(layer, advice, witness, by)
    } else if witness(l.arenas) && still(l.blocks) {
        growing(Layer::Fragmentation, Advice::Defragment, Witness::Arenas, l.arenas)
    } else if grows(anon) {
        let (layer, advice) = not_in_objects(l);
        growing(layer, advice, named, anon)
    } else if grows(l.rss) && still(anon) && still(l.anon) {
        growing(Layer::FilePages, Advice::LookAtMappings, Witness::Rss, l.rss)
    } else if grows(l.rss) && !still(anon) {
        let (layer, advice) =
            if anon.is_none() { not_in_objects(l) } else { (Layer::Memory, Advice::MeasureObjects) };
        growing(layer, advice, Witness::Rss, l.rss)
    } else {
        return None;
    })
}

/// Layers of objects that explain less than this of the growth of memory stand beside another.
const WHOLE: f64 = 0.7;

/// A layer of objects, and native memory where objects cannot explain the growth in bytes: where what all small blocks
/// may have gained is known and the large ones stand still.
fn shared(l: &Layers<'_>, first: Growing) -> Vec<Growing> {
    let anon = if decided(l.after_full) { l.after_full } else { l.anon };
    let memory = anon.filter(|a| a.verdict == Verdict::Growing).and_then(|a| a.slope).filter(|s| *s > 0.0);
    let objects = matches!(first.layer, Layer::GcHeap | Layer::Objects | Layer::Untracked);
    let (true, Some(memory), true) = (objects, memory, still(l.large_blocks)) else { return vec![first] };
    let of_arenas = l.arenas.filter(|a| decided(Some(a))).and_then(|a| a.slope_high.or(a.slope));
    let of_blocks = l.blocks.filter(|a| decided(Some(a))).and_then(|a| a.slope_high.or(a.slope));
    let bounds = [of_arenas, of_blocks.map(|n| n * SMALL_BLOCK)];
    let Some(most) = bounds.into_iter().flatten().reduce(f64::min) else { return vec![first] };
    let share = (most / memory).clamp(0.0, 1.0);
    if share >= WHOLE {
        return vec![first];
    }
    let series = if decided(l.after_full) { Witness::AfterFull } else { Witness::Anon };
    let native = Growing {
        share: Some(1.0 - share),
        per_second: Some(memory * (1.0 - share)),
        ..growing(Layer::Native, Advice::TryAllocator, series, anon)
    };
    let mut both = vec![Growing { share: Some(share), ..first }, native];
    both.sort_by(|a, b| b.share.partial_cmp(&a.share).unwrap_or(std::cmp::Ordering::Equal));
    both
}

/// Memory grows and no count of objects is seen to: what that says depends on what was counted.
fn not_in_objects(l: &Layers<'_>) -> (Layer, Advice) {
    let memory = [l.after_full, l.anon, l.rss].into_iter().flatten().find(|a| a.verdict == Verdict::Growing);
    let bytes = memory.and_then(|a| a.slope).unwrap_or(0.0);
    // What the blocks may have gained within their noise does not explain the growth.
    let cannot = |series: Option<&Assessment>, each: f64| {
        still(series) && series.and_then(|a| a.slope_high).is_none_or(|most| bytes > each * most)
    };
    // Arenas of which it is not known whether they grow may be fragments.
    let arenas = l.arenas.is_none() || still(l.arenas);
    if arenas && cannot(l.blocks, SMALL_BLOCK) && cannot(l.large_blocks, LARGE_BLOCK) {
        (Layer::Native, Advice::TryAllocator)
    } else if still(l.gc_objects) || still(l.blocks) {
        (Layer::UntrackedOrNative, Advice::DiffThenAllocator)
    } else {
        (Layer::Memory, Advice::MeasureObjects)
    }
}

fn descriptors(l: &Layers<'_>) -> Option<Growing> {
    Some(if grows(l.sockets) {
        growing(Layer::Sockets, Advice::LookAtSockets, Witness::Sockets, l.sockets)
    } else if grows(l.connections) && l.sockets.is_none() {
        growing(Layer::Sockets, Advice::LookAtSockets, Witness::Connections, l.connections)
    } else if grows(l.fds) {
        growing(Layer::Fds, Advice::LookAtFds, Witness::Fds, l.fds)
    } else {
        return None;
    })
}

fn threads(l: &Layers<'_>) -> Option<Growing> {
    grows(l.threads).then(|| growing(Layer::Threads, Advice::LookAtThreads, Witness::Threads, l.threads))
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
            rises: None,
            reason: None,
            shift: None,
            limit: None,
            alarm: false,
            held_seconds: None,
            taken_back: 0,
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
        assert_eq!(layers(&Layers { gc_objects: None, ..all }), [Layer::Objects]);
        let large = Layers { gc_objects: flat, blocks: flat, large_blocks: up, ..all };
        assert_eq!(layers(&large), [Layer::Untracked]);
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
        let tracked_still = Layers { anon: up, gc_objects: Some(&FLAT), ..Layers::default() };
        assert_eq!(layers(&tracked_still), [Layer::UntrackedOrNative]);
        let small_still = Layers { blocks: Some(&FLAT), ..tracked_still };
        assert_eq!(layers(&small_still), [Layer::UntrackedOrNative]);
        let sockets = Layers { fds: up, sockets: up, ..Layers::default() };
        assert_eq!(layers(&sockets), [Layer::Sockets]);
    }

    #[test]
    fn a_layer_that_does_not_explain_the_bytes_stands_beside_the_one_that_does() {
        let bytes = |slope: f64| Assessment { slope: Some(slope), slope_high: Some(slope), ..UP };
        let (anon, few, many) = (bytes(300_000.0), bytes(100.0), bytes(500.0));
        let of = |blocks, arenas: Option<&Assessment>, large| {
            let l = Layers {
                gc_objects: Some(&few),
                blocks: Some(blocks),
                large_blocks: Some(large),
                arenas,
                anon: Some(&anon),
                ..Layers::default()
            };
            growing_layers(&l).iter().map(|g| (g.layer, g.share)).collect::<Vec<_>>()
        };
        let both = of(&few, None, &FLAT);
        assert_eq!((both[0].0, both[1].0), (Layer::Native, Layer::GcHeap));
        assert!((both[1].1.unwrap() - 100.0 * 512.0 / 300_000.0).abs() < 1e-9);
        assert!((both[0].1.unwrap() + both[1].1.unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(of(&many, None, &FLAT), [(Layer::GcHeap, None)], "they may be large enough");
        let arenas = bytes(15_000.0);
        assert_eq!(of(&many, Some(&arenas), &FLAT)[0].0, Layer::Native, "arenas say what all of them take");
        assert_eq!(of(&few, None, &UP), [(Layer::GcHeap, None)], "large blocks may be objects");
        assert_eq!(of(&few, None, &UNSURE), [(Layer::GcHeap, None)]);
    }

    #[test]
    fn native_is_what_neither_small_nor_large_blocks_can_explain() {
        let bytes = |slope| Assessment { slope: Some(slope), ..UP };
        let blocks = |most| Assessment { slope_high: Some(most), ..FLAT };
        let of = |anon: f64, small: f64, large: f64| {
            let (anon, small, large) = (bytes(anon), blocks(small), blocks(large));
            let l = Layers {
                anon: Some(&anon),
                blocks: Some(&small),
                large_blocks: Some(&large),
                ..Layers::default()
            };
            layers(&l)
        };
        assert_eq!(of(1e6, 10.0, 1.0), [Layer::Native]);
        assert_eq!(of(1e6, 1e4, 1.0), [Layer::UntrackedOrNative]);
        assert_eq!(of(1e6, 10.0, 20.0), [Layer::UntrackedOrNative]);
        assert_eq!(of(1e6, -1.0, -1.0), [Layer::Native]);
        let (anon, still) = (bytes(1e6), blocks(-1.0));
        let known = Layers {
            anon: Some(&anon),
            blocks: Some(&still),
            large_blocks: Some(&still),
            ..Layers::default()
        };
        let arenas = |arenas| layers(&Layers { arenas: Some(arenas), ..known });
        assert_eq!(arenas(&FLAT), [Layer::Native]);
        assert_eq!(arenas(&UNSURE), [Layer::UntrackedOrNative], "it may be fragments");
    }

    #[test]
    fn garbage_that_waits_for_a_full_collection_is_no_growth() {
        let (up, flat, unsure) = (Some(&UP), Some(&FLAT), Some(&UNSURE));
        let waiting = Layers { rss: up, anon: up, after_full: flat, ..Layers::default() };
        assert!(layers(&waiting).is_empty());
        let floor = growing_layers(&Layers { after_full: up, ..waiting });
        assert_eq!(floor[0].series, Witness::AfterFull);
        let undecided = growing_layers(&Layers { after_full: unsure, ..waiting });
        assert_eq!(undecided[0].series, Witness::Anon);
    }

    #[test]
    fn descriptors_and_threads_stand_beside_memory() {
        let up = Some(&UP);
        let all = Layers { anon: up, fds: up, connections: up, threads: up, ..Layers::default() };
        assert_eq!(layers(&all), [Layer::Memory, Layer::Sockets, Layer::Threads]);
        let files = Layers { fds: up, sockets: Some(&FLAT), connections: up, ..Layers::default() };
        assert_eq!(layers(&files), [Layer::Fds]);
    }
}
