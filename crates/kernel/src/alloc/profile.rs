//! What a sampling of allocations came to: lines and stacks.

use super::follow::{LOOKS_S, Survival};
use m5_cpython::PyFrame;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a process allocated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllocProfile {
    /// How long it was watched, seconds.
    pub seconds: f64,
    /// Time that the windows were open, seconds.
    pub open_s: f64,
    /// Windows.
    pub windows: u64,
    /// Windows that the kernel ended before their time, as a thread allocated too much in them.
    #[serde(default)]
    pub windows_cut: u64,
    /// Allocations seen.
    pub samples: u64,
    /// Bytes that they asked for; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// Allocations in a window that found no room to be written down.
    pub lost: u64,
    /// Samples whose stack had no Python frame that could be read.
    pub without_stack: u64,
    /// Samples whose stack is deeper than what was kept.
    pub cut_stacks: u64,
    /// Threads that were watched, of how many that run Python.
    pub threads: [u64; 2],
    /// Allocations a second, with what watching itself took taken off; `None` where that is known too badly: the upper end of its
    /// interval is more than three times the lower one.
    pub per_second: Option<f64>,
    /// The interval at 95 % of that, also where it is wide; `None` where nothing was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second_interval: Option<[f64; 2]>,
    /// How many those are at least, where they are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second_at_least: Option<f64>,
    /// What a sample costs the target here, seconds.
    pub cost_s: f64,
    /// The share of the target's time that watching took, by that cost: of the time that it ran, or of the share of all time that
    /// its running counts as at least.
    pub overhead: f64,
    /// What watching took of it by that cost, seconds.
    #[serde(default)]
    pub watching_s: f64,
    /// How long it ran meanwhile, on all processors, seconds; `None` where the source does not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_s: Option<f64>,
    /// Ages at which survivors were counted, seconds.
    pub looks_s: Vec<f64>,
    /// The build copied its allocator into some callers, which are not seen.
    pub partial: bool,
    /// Only what objects are made of is seen: the build asks for the items of lists and the keys of dicts elsewhere (without the
    /// GIL).
    #[serde(default)]
    pub objects_only: bool,
    /// Whether blocks are known at all, so that survivors could be followed.
    pub follows: bool,
    /// Of calls for more than 512 bytes (without the GIL 1,024), whose block is known when they return: how many were seen, and in how many of the blocks an object was
    /// followed; zero of the latter where that was not possible, or survivors were not asked for.
    #[serde(default)]
    pub large: [u64; 2],
    /// What saw the samples.
    #[serde(default)]
    pub source: AllocSource,
    /// Of the source [`AllocSource::Collections`]: the collections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<CollectionsSeen>,
    /// Lines, the most bytes first, or the most samples where bytes are not known.
    pub sites: Vec<AllocSite>,
    /// Stacks, the most samples first.
    pub stacks: Vec<AllocStack>,
}

/// What sees allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllocSource {
    /// A program in the kernel, at the allocator.
    #[default]
    Kernel,
    /// Stacks at the starts of young collections.
    Collections,
}

/// Collections whose stacks are the samples: each stands for as many new tracked objects, less those that died, as the
/// threshold of the youngest generation says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CollectionsSeen {
    /// Collections of young generations while the process was watched.
    pub happened: u64,
    /// Of these, while windows were open.
    pub in_windows: u64,
    /// The share of those that happened whose stack is a sample; `None` where none happened.
    #[serde(default)]
    pub coverage: Option<f64>,
    /// The youngest generation's threshold, as last read.
    pub threshold: u64,
    /// New tracked objects a second, less those that died.
    pub net_objects_per_second: f64,
    /// What stood in the way of the kernel's programs.
    pub instead_of_kernel: String,
    /// Whether more rights would help against that.
    #[serde(default)]
    pub rights_would_help: bool,
    /// Why these fields are `null`.
    pub absent: BTreeMap<String, String>,
}

/// A line that allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocSite {
    /// Function, file and line.
    pub frame: PyFrame,
    /// Samples.
    pub samples: u64,
    /// Bytes that they asked for; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// Share of all allocations: by what windows hold within a time of the program's own that is the same for all.
    pub share: f64,
    /// 95 % interval of that: the windows are the units, since what is seen in one of them is alike.
    pub share_interval: [f64; 2],
    /// Share of all bytes, likewise.
    pub bytes_share: Option<f64>,
    /// Allocations a second; `None` where [`AllocProfile::per_second`] is.
    #[serde(default)]
    pub per_second: Option<Rate>,
    /// Bytes a second that they ask for, likewise.
    #[serde(default)]
    pub bytes_per_second: Option<Rate>,
    /// Types of what was followed, the most frequent first.
    pub types: Vec<(String, u64)>,
    /// How much survives of the objects that are surely this line's.
    pub survival: Option<Survival>,
    /// The same for types with free lists, past which the allocator is not asked: what lives may have been handed on to
    /// another line, so that less of this line's lives than is told.
    pub survival_at_most: Option<Survival>,
    /// Followed blocks that are no objects (items of a list, keys of a dict), or texts, which are moved when they are whole:
    /// nothing is told of them.
    pub unfollowed: Option<u64>,
}

/// So much a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The estimate.
    pub value: f64,
    /// 95 % interval of that: of windows that differ, and of what watching took in them.
    pub interval: [f64; 2],
}

/// A stack that allocates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllocStack {
    /// Innermost first.
    pub frames: Vec<PyFrame>,
    /// Its part, by the share that lines are told by, of all samples.
    pub samples: u64,
    /// Likewise of all bytes that they asked for; `None` where the source does not tell.
    pub bytes: Option<u64>,
    /// New tracked objects that its samples stand for, less those that died; of [`AllocSource::Collections`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_objects: Option<u64>,
}

impl AllocStack {
    /// Bytes, or objects where bytes are not known.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.bytes.or(self.net_objects).unwrap_or(self.samples)
    }
}

/// An object that was sampled as it was made, and that lived at every look since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its address, without what lies before it.
    pub object: u64,
    /// Its type, without a module.
    pub type_name: String,
    /// Who made it, innermost first.
    pub stack: Vec<PyFrame>,
}

/// What became of sampled objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survivors {
    /// Those that live.
    pub alive: Vec<Survivor>,
    /// By type (without a module), how many ended as another line's: the interpreter kept them, and handed them on past its allocator.
    pub handed_on: FxHashMap<String, u64>,
}

impl Survival {
    /// How many lived at the latest age that at least `least` of them reached: that age in seconds, how many lived,
    /// and of how many.
    #[must_use]
    pub fn latest(&self, least: u64) -> Option<(f64, u64, u64)> {
        let last = (0..LOOKS_S.len()).rev().find(|i| self.looked[*i] >= least.max(1))?;
        Some((LOOKS_S[last], self.alive[last], self.looked[last]))
    }
}
