//! References that go with what waits for the collector. A weak dictionary or set holds its entries until the weak
//! reference in them dies. Where that leads to garbage, the next collection takes the entry out: until then it holds its
//! key or value, and for good it holds nothing.

use crate::census::kind::Kind;
use crate::graph::dict::Dict;
use crate::graph::edges::Walker;
use crate::graph::model::HeapGraph;
use crate::graph::reachability::Reached;
use crate::names::text;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// Fields of a weak reference.
const REFERENT: u64 = 16;
const CALLBACK: u64 = 24;

/// Holder and held of each such reference, in order of the holder.
pub(crate) fn references(walker: &Walker<'_>, graph: &HeapGraph, alive: &Reached) -> Vec<(u32, u32)> {
    let fades = |object: &u32| alive.has(*object) && fades(walker, alive, *object);
    let weak: FxHashSet<u32> = (0..graph.len() as u32).into_par_iter().filter(fades).collect();
    if weak.is_empty() {
        return Vec::new();
    }
    let knows = |object: &u32| alive.has(*object) && graph.edges(*object).iter().any(|to| weak.contains(to));
    let holders: Vec<u32> = (0..graph.len() as u32).into_par_iter().filter(knows).collect();
    let mut out: Vec<(u32, u32)> =
        holders.iter().flat_map(|holder| entries(walker, graph, *holder, &weak)).collect();
    out.sort_unstable();
    out
}

/// Whether an object is a weak reference to garbage whose end the standard library's weak containers wait for.
fn fades(walker: &Walker<'_>, alive: &Reached, object: u32) -> bool {
    if walker.census.desc(object).is_none_or(|d| d.kind != Kind::Weakref) {
        return false;
    }
    let at = walker.census.address.get(object as usize).copied().unwrap_or(0);
    let referent = walker.image.word_at(at, REFERENT).and_then(|to| walker.object(to));
    referent.is_some_and(|to| !alive.has(to)) && of_a_container(walker, at).unwrap_or(false)
}

/// Whether the function that a weak reference calls is the one by which a weak container forgets.
fn of_a_container(walker: &Walker<'_>, weak: u64) -> Option<bool> {
    const MODULES: [&str; 2] = ["weakref", "_weakrefset"];
    let layout = walker.anchor.layout;
    let callback = walker.image.word_at(weak, CALLBACK)?;
    walker.census.desc(walker.object(callback)?).filter(|d| d.kind == Kind::Function)?;
    let (offset, _) = layout.function.iter().find(|(_, name)| *name == "__module__")?;
    let module = walker.image.word_at(callback, u64::from(*offset))?;
    Some(text::of(walker.image, layout, module).is_some_and(|name| MODULES.contains(&name.as_str())))
}

/// What a container holds in entries with such a weak reference.
fn entries(walker: &Walker<'_>, graph: &HeapGraph, holder: u32, weak: &FxHashSet<u32>) -> Vec<(u32, u32)> {
    let at = walker.census.address.get(holder as usize).copied().unwrap_or(0);
    match walker.census.desc(holder).map(|d| d.kind) {
        Some(Kind::Set) => {
            let known = graph.edges(holder).iter().filter(|to| weak.contains(to));
            known.map(|to| (holder, *to)).collect()
        }
        Some(Kind::Dict | Kind::OrderedDict) => {
            let dict = Dict::read(walker.image, walker.anchor.layout, at);
            let items = dict.iter().flat_map(|d| d.items(walker.image));
            let items = items.map(|(key, value)| [walker.object(key), walker.object(value)]);
            let faded = items.filter(|item| item.iter().flatten().any(|o| weak.contains(o)));
            faded.flatten().flatten().map(|object| (holder, object)).collect()
        }
        _ => Vec::new(),
    }
}

/// Takes references out of a graph, each as often as it is named.
pub(crate) fn cut(graph: &mut HeapGraph, references: &[(u32, u32)]) {
    let mut left: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    references.iter().for_each(|reference| *left.entry(*reference).or_default() += 1);
    let (mut read, mut written) = (0, 0);
    for object in 0..graph.len() {
        let end = graph.edge_start.get(object + 1).map_or(read, |end| *end as usize);
        while read < end {
            let to = graph.edge_to[read];
            let named = left.get_mut(&(object as u32, to)).filter(|times| **times > 0);
            match named {
                Some(times) => *times -= 1,
                None => {
                    graph.edge_to[written] = to;
                    written += 1;
                }
            }
            read += 1;
        }
        graph.edge_start[object + 1] = written as u32;
    }
    graph.edge_to.truncate(written);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::graph;

    #[test]
    fn what_is_named_is_taken_out_and_nothing_else() {
        let mut g = graph(4, &[(0, 1), (0, 2), (0, 1), (1, 3), (3, 0)], &[]);
        cut(&mut g, &[(0, 1), (3, 0)]);
        let edges: Vec<&[u32]> = (0..4).map(|object| g.edges(object)).collect();
        assert_eq!(edges, [&[2, 1][..], &[3], &[], &[]]);
    }
}
