//! Which lines made what a holder gained: objects whose allocation was sampled between the two snapshots.

use super::Culprit;
use super::matching::{Matching, NONE};
use crate::{Cause, Describer, HeapGraph, Held, PathTree, display_type};
use m5_cpython::PyFrame;
use m5_stats::wilson;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Samples below which nothing is said, of a holder and of a line.
const LEAST: u64 = 5;
/// The largest block that the interpreter's pools give.
const POOLED: i64 = 512;
/// A line is named where at least this share of the survivors is surely its own.
const SURE: f64 = 0.25;
/// Lines that are told of one holder.
const LINES: usize = 3;
/// Steps of a path that are walked.
const STEPS: usize = 256;

/// An object that was sampled as it was made, between two snapshots, and that lived at every look since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Born {
    /// Its address.
    pub object: u64,
    /// Its type, with or without a module.
    pub type_name: String,
    /// Who made it, innermost first.
    pub stack: Vec<PyFrame>,
}

/// What was sampled of the allocations between two snapshots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Births {
    /// Objects that live.
    pub born: Vec<Born>,
    /// The share of the time in which allocations were seen at all: of what was made, no more was sampled.
    pub open_share: f64,
    /// Allocations were sampled.
    pub sampled: bool,
    /// Blocks above 512 bytes, which the interpreter's pools do not give, were sampled too; `None` where none was asked for.
    pub large: Option<bool>,
    /// By type (without a module), how many of the sampled objects became another line's past the allocator.
    pub handed_on: FxHashMap<String, u64>,
}

/// Why no line is named of what a holder gained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Unnamed {
    /// Too few of the sampled objects live below the holder.
    Few {
        /// So many do.
        survivors: u64,
        /// So many are needed.
        needed: u64,
    },
    /// So many lines made it that none surely made much of it.
    ManyLines {
        /// Sampled objects that live.
        survivors: u64,
    },
    /// More sampled objects live than can be: others got the blocks of most.
    Reused {
        /// Those that seem to live.
        survivors: u64,
    },
    /// So many sampled objects of the type became another line's: the interpreter keeps dead ones for who asks next, past its
    /// allocator, so that who asked for the memory is not who made what lives there.
    HandedOn {
        /// So many did.
        samples: u64,
    },
    /// They lie in blocks above 512 bytes, of which none was sampled: such as are asked for as zeros never are.
    LargeBlocks,
}

/// Which lines made what a holder gained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Surviving samples of the culprit's type below its holder.
    pub survivors: u64,
    /// Lines that made them, those that made most first.
    pub lines: Vec<MadeAt>,
}

/// A line that made objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeAt {
    /// The service's own line: the innermost that is of no library, else the innermost.
    pub frame: PyFrame,
    /// The library's line in which that allocated, most often.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub inside: Option<PyFrame>,
    /// Surviving samples that it made.
    pub samples: u64,
    /// Their share of all survivors.
    pub share: f64,
    /// 95 % interval of that.
    pub interval: [f64; 2],
}

/// Which lines made what is in it, where those that made itself are not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeWithin {
    /// The type of most of that.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The lines that made it.
    #[serde(flatten)]
    pub made: Made,
}

/// Samples below a culprit's holder: of its type, and of others with their types.
#[derive(Default)]
struct Below<'a> {
    own: Vec<&'a [PyFrame]>,
    others: FxHashMap<&'a str, Vec<&'a [PyFrame]>>,
}

/// Names the lines of each culprit whose samples bear it.
pub(super) fn name_lines(
    culprits: &mut [Culprit],
    births: &Births,
    graph: &HeapGraph,
    tree: &PathTree,
    describer: &Describer<'_>,
    matching: &Matching,
) {
    let mut below: Vec<Below<'_>> = culprits.iter().map(|_| Below::default()).collect();
    let mut known = FxHashMap::default();
    for born in births.born.iter().filter(|b| !b.stack.is_empty()) {
        let Ok(object) = graph.address.binary_search(&born.object) else { continue };
        let (name, new) = (describer.type_name(object as u32), matching.before_of.get(object) == Some(&NONE));
        if !new || last_part(name) != last_part(&born.type_name) {
            continue;
        }
        if let Some(at) = holder_of(object as u32, culprits, tree, describer, &mut known)
            && let (Some(told), Some(culprit)) = (below.get_mut(at), culprits.get(at))
        {
            let of =
                if culprit.type_name == name { &mut told.own } else { told.others.entry(name).or_default() };
            of.push(born.stack.as_slice());
        }
    }
    let new = new_by_type(graph, matching);
    for (culprit, Below { own: samples, others }) in culprits.iter_mut().zip(below) {
        let there = new.get(culprit.type_name.as_str()).copied().unwrap_or(0) as f64;
        let too_many = samples.len() as f64 > most(there * births.open_share);
        culprit.made = made(&samples).filter(|_| !too_many);
        if culprit.made.is_none() && births.sampled && culprit.count > 0 {
            culprit.unnamed = Some(unnamed(culprit, samples.len() as u64, too_many, births));
            culprit.made_within = within(others);
        }
    }
}

/// Why nothing is said of so many surviving samples.
fn unnamed(culprit: &Culprit, survivors: u64, too_many: bool, births: &Births) -> Unnamed {
    let each = (culprit.bytes - culprit.native_bytes) / culprit.objects.max(1);
    let handed_on = births.handed_on.get(last_part(&culprit.type_name)).copied().unwrap_or(0);
    match survivors {
        0..LEAST if handed_on >= LEAST => Unnamed::HandedOn { samples: handed_on },
        0..LEAST if each > POOLED && births.large != Some(true) => Unnamed::LargeBlocks,
        0..LEAST => Unnamed::Few { survivors, needed: LEAST },
        _ if too_many => Unnamed::Reused { survivors },
        _ => Unnamed::ManyLines { survivors },
    }
}

/// The lines of the type that most samples are of.
fn within(others: FxHashMap<&str, Vec<&[PyFrame]>>) -> Option<MadeWithin> {
    let (type_name, samples) =
        others.into_iter().max_by_key(|(name, s)| (s.len(), std::cmp::Reverse(*name)))?;
    Some(MadeWithin { type_name: type_name.to_owned(), made: made(&samples)? })
}

/// Samples that may be among those that live, where so many are to be expected. More are mistaken: most of those who made
/// them are others, whose blocks came into these hands.
fn most(expected: f64) -> f64 {
    const TIMES: f64 = 1.5;
    const CHANCE: f64 = 3.0;
    expected * TIMES + CHANCE * expected.sqrt() + CHANCE
}

/// Objects that only the later snapshot shows, by the name of their type.
fn new_by_type<'a>(graph: &'a HeapGraph, matching: &Matching) -> FxHashMap<&'a str, u64> {
    let mut by_number = vec![0u64; graph.types.len()];
    for (kind, before) in graph.type_id.iter().zip(&matching.before_of) {
        if let Some(count) = by_number.get_mut(*kind as usize).filter(|_| *before == NONE) {
            *count += 1;
        }
    }
    let mut new = FxHashMap::default();
    for (kind, count) in graph.types.iter().zip(by_number) {
        *new.entry(display_type(&kind.name)).or_default() += count;
    }
    new
}

/// The culprit that is nearest above an object; what is found is `known` of all on the way.
fn holder_of(
    object: u32,
    culprits: &[Culprit],
    tree: &PathTree,
    describer: &Describer<'_>,
    known: &mut FxHashMap<Held, Option<usize>>,
) -> Option<usize> {
    let mut way = Vec::new();
    let mut at = tree.held(object);
    let found = loop {
        if let Some(found) = known.get(&at) {
            break *found;
        }
        way.push(at);
        let (cause, name) = describer.group_name(at);
        let kind = describer.type_name(object);
        let same = |c: &&Culprit| c.holder.cause == cause && c.holder.name == name;
        let matching = || culprits.iter().enumerate().filter(|(_, c)| same(c));
        let named = match cause {
            Cause::Held | Cause::Uncollectable => matching().next(),
            // Nobody with a name: apart by type.
            _ => matching().find(|(_, c)| c.type_name == kind).or_else(|| matching().next()),
        };
        match at {
            _ if named.is_some() || way.len() >= STEPS => break named.map(|(i, _)| i),
            Held::By(holder) => at = tree.held(holder),
            _ => break None,
        }
    };
    known.extend(way.into_iter().map(|at| (at, found)));
    found
}

/// The lines that surely made much of what these stacks (innermost first) were seen to make, each so many times.
#[must_use]
pub fn lines_of(stacks: &[(&[PyFrame], u64)]) -> Option<Made> {
    let mut each = Vec::new();
    for (stack, times) in stacks {
        each.extend(std::iter::repeat_n(*stack, *times as usize));
    }
    made(&each)
}

/// The lines that surely made much of what survived.
fn made(samples: &[&[PyFrame]]) -> Option<Made> {
    let survivors = samples.len() as u64;
    let mut by_line: FxHashMap<&PyFrame, FxHashMap<&PyFrame, u64>> = FxHashMap::default();
    for stack in samples {
        if let Some(innermost) = stack.first() {
            let own = stack.iter().find(|f| !f.is_of_library()).unwrap_or(innermost);
            *by_line.entry(own).or_default().entry(innermost).or_default() += 1;
        }
    }
    let mut lines: Vec<MadeAt> = by_line
        .into_iter()
        .map(|(frame, inside)| {
            let samples = inside.values().sum();
            let most = inside.into_iter().max_by_key(|(frame, n)| (*n, std::cmp::Reverse(*frame)));
            let inside = most.map(|(frame, _)| frame).filter(|inside| *inside != frame).cloned();
            let share = samples as f64 / survivors as f64;
            MadeAt { frame: frame.clone(), inside, samples, share, interval: wilson(share, survivors as f64) }
        })
        .filter(|line| line.samples >= LEAST && line.interval[0] >= SURE)
        .collect();
    lines.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.frame.cmp(&b.frame)));
    lines.truncate(LINES);
    (!lines.is_empty()).then_some(Made { survivors, lines })
}

/// A type's name without its module.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
