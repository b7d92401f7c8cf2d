//! From gains to culprits: named, joined by name, the worst first.

use super::Culprit;
use super::anchors::{Anchor, Gain, Gains, Sizes, gains};
use super::cancel;
use super::growth::TypeGrowth;
use super::handed;
use super::made::{Births, name_lines};
use super::matching::{Matching, NONE};
use super::moved::Whole;
use super::own_tables::OwnTables;
use super::survivors;
use crate::{
    ByType, Cause, Class, Describer, EdgeNamer, HeapGraph, Held, Holder, PathTree, Redaction, RootKind,
    Snapshot, display_type, group_holders,
};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Anchors that are described; the rest moved less than any of these.
const DESCRIBED: usize = 20_000;
/// Culprits that are kept.
const KEPT: usize = 200;
/// Growth that nobody with a name holds is told from so many bytes on.
const LOOSE: i64 = 16 << 10;
/// Instances asked for their holder where objects cannot be matched.
const SAMPLE: usize = 2_000;

/// Culprits within one process.
pub(super) fn matched(before: &Snapshot, after: &Snapshot, births: &Births) -> Vec<Culprit> {
    let (old_tree, tree) = (PathTree::of(&before.graph), PathTree::of(&after.graph));
    let matching = Matching::of(&before.graph, &after.graph);
    let [old_sizes, sizes] = [before, after].map(|s| Sizes::of(&s.native));
    let [old_own, own] = [(before, &old_tree), (after, &tree)].map(|(s, tree)| OwnTables::of(s, tree));
    let (old, new) = ((&before.graph, &old_tree, &old_sizes), (&after.graph, &tree, &sizes));
    let mut all = gains((old, &old_own), (new, &own), &matching);
    handed::over(&mut all, (&before.graph, &old_tree), new, &matching);
    join_stray(&mut all, &after.graph);
    join_modules(&mut all, &after.graph);
    survivors::call(&mut all, (before, &old_tree), (after, &tree), &matching);
    let whole = Whole::of(&all, after.graph.size.iter().sum());
    cancel::along_paths(&mut all, &tree, after.graph.len());
    cancel::within_limits(&mut all, &tree, |object| after.names.limit(object).is_some());
    // Names in a snapshot are redacted already.
    let redaction = Redaction::new(true);
    let describer = Describer::new(&after.graph, &tree, &after.names, &redaction);
    let mut ranked: Vec<(Anchor, Gain)> = all.into_iter().collect();
    ranked.sort_by_key(|(anchor, gain)| (Reverse(gain.bytes.abs()), *anchor));
    ranked.truncate(DESCRIBED);
    let culprits = join(ranked, &describer)
        .into_iter()
        .filter(|(holder, gain)| gain.bytes > 0 && grew(gain) && whole.shows(gain) && !mirrors(holder))
        .filter(|(_, gain)| !turned_over(gain))
        .map(|(holder, gain)| culprit(after, holder, &gain))
        .collect();
    let ranked = worst_first(culprits);
    // However little it is: weak references to what waits for the collector go with it.
    let garbage = ranked.iter().filter(|c| c.holder.cause == Cause::Garbage).map(|c| c.objects).sum();
    let mut told = without_mirrors(worth_telling(ranked), garbage);
    if births.sampled {
        name_lines(&mut told, births, &after.graph, &tree, &describer, &matching);
    }
    told
}

/// Whether more is there than before, and not the same in other words: what a library allocates for one object differs
/// from one time to the next.
fn grew(gain: &Gain) -> bool {
    let itself = gain.in_place * 2 > gain.bytes && gain.native * 2 <= gain.bytes;
    gain.objects > 0 || itself || gain.bytes >= LOOSE
}

/// Whether a small gain is that of a holder that gives up much more than it gains: a batch that fills, a queue, what is
/// kept for a while. A leak keeps what it has.
fn turned_over(gain: &Gain) -> bool {
    const TIMES: i64 = 4;
    gain.bytes < LOOSE && gain.gone >= gain.bytes * TIMES
}

/// Whether a holder only remembers what others hold: the classes below a class, by weak references.
fn mirrors(holder: &Holder) -> bool {
    holder.name.ends_with(".__subclasses__")
}

/// Without the weak sets and mappings that grew because what they know is kept by others, which are told, or waits for the
/// collector, so many objects of `garbage`.
fn without_mirrors(culprits: Vec<Culprit>, garbage: i64) -> Vec<Culprit> {
    let weak = |name: &str| matches!(name, "weakref.ReferenceType" | "weakref.KeyedRef" | "weakref");
    let known = |c: &Culprit| {
        let first = if weak(&c.type_name) { c.count } else { 0 };
        first + c.also.iter().filter(|(name, _)| weak(name)).map(|(_, count)| count).sum::<i64>()
    };
    let registry = |c: &Culprit| {
        let name = c.holder.name.as_str();
        let weak = ["WeakSet.data", "WeakValueDictionary.data", "WeakKeyDictionary.data"];
        weak.iter().any(|end| name.ends_with(end)) && known(c) * 10 >= c.objects * 9
    };
    let keeps = |c: &&Culprit| !registry(c) && c.holder.cause != Cause::Garbage;
    let kept: i64 = garbage + culprits.iter().filter(keeps).map(|c| c.objects).sum::<i64>();
    culprits.into_iter().filter(|c| !registry(c) || c.objects > kept).collect()
}

/// Of many lost objects of one type a few have a stray word in native memory that looks like a holder: the
/// fewer go with the more.
fn join_stray(all: &mut Gains, graph: &HeapGraph) {
    let is_native = |r: u32| graph.roots.get(r as usize).is_some_and(|r| r.kind == RootKind::Native);
    let main =
        |gain: &Gain| gain.types.iter().max_by_key(|(kind, g)| (g.heads, **kind)).map(|(kind, _)| *kind);
    let native: Vec<(Anchor, u32)> = all
        .iter()
        .filter_map(|(anchor, gain)| match anchor {
            Anchor::Loose(Cause::Native, kind) => Some((*anchor, *kind)),
            Anchor::Root(root) if is_native(*root) => Some((*anchor, main(gain)?)),
            _ => None,
        })
        .collect();
    for (native, kind) in native {
        let lost = Anchor::Loose(Cause::NoReferrer, kind);
        let size = |anchor| all.get(&anchor).map_or(0, |g: &Gain| g.objects);
        let (from, to) = if size(lost) > size(native) { (native, lost) } else { (lost, native) };
        if all.contains_key(&to)
            && let Some(gain) = all.remove(&from)
        {
            all.entry(to).or_default().merge(&gain);
        }
    }
}

/// Modules that are new are held by `sys.modules`, where there is more than one package of them.
fn join_modules(all: &mut Gains, graph: &HeapGraph) {
    let name =
        |root: u32| graph.roots.get(root as usize).filter(|r| r.kind == RootKind::Module).map(|r| &r.name);
    let package = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let new: Vec<(Anchor, String)> = all
        .keys()
        .filter_map(|anchor| match anchor {
            Anchor::Root(root) => Some((*anchor, package(name(*root)?))),
            _ => None,
        })
        .collect();
    let modules = graph.roots.iter().find(|r| r.kind == RootKind::Interpreter && r.name == "sys.modules");
    let packages = new.iter().map(|(_, package)| package.as_str()).collect::<BTreeSet<_>>().len();
    let Some(modules) = modules.filter(|_| packages > 1) else { return };
    for (anchor, _) in new {
        if let Some(gain) = all.remove(&anchor) {
            all.entry(Anchor::Object(modules.object)).or_default().merge(&gain);
        }
    }
}

/// Holders with the same name and cause are one culprit: a list on each of a thousand instances, say.
fn join(ranked: Vec<(Anchor, Gain)>, describer: &Describer<'_>) -> Vec<(Holder, Gain)> {
    let mut joined: Vec<(Holder, Gain)> = Vec::new();
    let mut place: FxHashMap<(Cause, String, Option<u32>), usize> = FxHashMap::default();
    for (anchor, gain) in ranked {
        let holder = holder(anchor, &gain, describer);
        let apart = match anchor {
            Anchor::Loose(_, kind) => Some(kind),
            _ => None,
        };
        match place.get(&(holder.cause, holder.name.clone(), apart)).and_then(|at| joined.get_mut(*at)) {
            Some((_, sum)) => sum.merge(&gain),
            None => {
                place.insert((holder.cause, holder.name.clone(), apart), joined.len());
                joined.push((holder, gain));
            }
        }
    }
    joined
}

/// Names an anchor. A namespace (module, instance, frame) that took in mainly one thing is named through it.
fn holder(anchor: Anchor, gain: &Gain, describer: &Describer<'_>) -> Holder {
    match anchor {
        Anchor::Object(object) => {
            let holder = describer.holder(object);
            let main = gain.largest_head.filter(|(_, bytes)| *bytes as f64 > 0.6 * gain.bytes as f64);
            match main {
                Some((head, _)) if gain.bytes > 0 && describer.is_namespace(object) => {
                    let through = describer.holder(head);
                    if through.name.is_empty() { holder } else { through }
                }
                _ => holder,
            }
        }
        Anchor::Root(root) => describer.held(Held::Root(root)),
        // What keeps a cycle from being freed has a name, where it is known.
        Anchor::Loose(Cause::Uncollectable, kind) if kind != NONE => {
            let name = describer.type_by_number(kind).to_owned();
            Holder { name, ..Holder::nobody(Cause::Uncollectable) }
        }
        Anchor::Loose(cause, _) => Holder::nobody(cause),
    }
}

/// Without what is too small to mean anything. A holder with a name is told from fewer bytes on than an accusation
/// without one: some objects that are just being made or passed around look lost in any snapshot.
fn worth_telling(culprits: Vec<Culprit>) -> Vec<Culprit> {
    const HELD: i64 = 1 << 10;
    /// Fewer bytes of few objects are a batch that fills, or chance.
    const FEW: (i64, i64) = (24, 4 << 10);
    const SHARE: i64 = 200;
    let all: i64 = culprits.iter().map(|c| c.bytes).sum();
    let enough = |c: &Culprit| match c.holder.cause {
        Cause::Held | Cause::Uncollectable => {
            c.bytes >= HELD && c.bytes >= all / SHARE && (c.objects >= FEW.0 || c.bytes >= FEW.1)
        }
        _ => c.bytes >= LOOSE && c.bytes >= all / SHARE,
    };
    culprits.into_iter().filter(enough).collect()
}

fn culprit(after: &Snapshot, holder: Holder, gain: &Gain) -> Culprit {
    let name = |kind: u32| {
        display_type(after.graph.types.get(kind as usize).map_or("objects of a type now gone", |t| &t.name))
    };
    // What was replaced by something larger of its kind (a text that is added to) grew in place.
    let replaced = gain.objects <= 0 && gain.types.values().all(|g| g.count <= 0);
    let larger = gain.types.iter().filter(|_| replaced).max_by_key(|(kind, g)| (g.bytes, Reverse(**kind)));
    let larger = larger.filter(|(_, g)| g.bytes > gain.in_place).map(|(kind, _)| name(*kind).to_owned());
    // A container that grew by itself tells more than the few objects that came with it.
    let in_place = if replaced { gain.bytes } else { gain.in_place };
    let itself = in_place * 2 > gain.bytes;
    let telling = telling_type(gain, &name).filter(|_| !itself);
    let mut also: Vec<(String, i64)> = gain
        .types
        .iter()
        .filter(|(kind, g)| Some(**kind) != telling && g.count > 0)
        .map(|(kind, g)| (name(*kind).to_owned(), g.count))
        .collect();
    also.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    also.truncate(5);
    Culprit {
        type_name: telling
            .map(|kind| name(kind).to_owned())
            .or(larger)
            .unwrap_or_else(|| holder.type_name.clone()),
        count: telling.and_then(|kind| gain.types.get(&kind)).map_or(0, |g| g.count),
        count_per_second: None,
        objects: gain.objects,
        bytes: gain.bytes,
        in_place_bytes: in_place,
        native_bytes: gain.native,
        bytes_per_second: None,
        holder,
        share: None,
        also,
        made: None,
        unnamed: None,
        made_within: None,
    }
}

/// The type that tells most: of those with a name of their own that grew about as much as what hangs directly
/// below the holder, the nearest, and of a mapping's keys and values those that hold more; else the one with the most bytes.
fn telling_type<'a>(gain: &Gain, name: &dyn Fn(u32) -> &'a str) -> Option<u32> {
    let direct = gain.types.values().map(|g| g.heads).max().unwrap_or(0);
    let grown = || gain.types.iter().filter(|(_, g)| g.count > 0);
    grown()
        .filter(|(kind, g)| tells(name(**kind)) && g.count * 2 >= direct)
        .min_by_key(|(kind, g)| (g.depth, Reverse(g.under), Reverse(g.bytes), **kind))
        .or_else(|| grown().max_by_key(|(kind, g)| (g.bytes, Reverse(**kind))))
        .map(|(kind, _)| *kind)
}

/// Whether a type's name says where it comes from.
fn tells(name: &str) -> bool {
    let internal = matches!(
        name,
        "functools._lru_list_elem"
            | "functools._HashedSeq"
            | "lru_cache"
            | "_contextvars.Context"
            | "weakref.ReferenceType"
            | "weakref.KeyedRef"
    );
    let class = Class::of(name);
    name.contains('.') && !internal && !matches!(class, Class::Dict | Class::Sequence)
}

/// Culprits of two processes: types by name, with the largest group of holders in the later one; of a type that is only
/// larger, the holder of its largest object.
pub(super) fn by_name(before: &Snapshot, after: &Snapshot, types: &[TypeGrowth]) -> Vec<Culprit> {
    let tree = PathTree::of(&after.graph);
    let redaction = Redaction::new(true);
    let describer = Describer::new(&after.graph, &tree, &after.names, &redaction);
    let by_type = ByType::of(&after.graph);
    let (native_before, native_after) = (native_by_type(before), native_by_type(after));
    let native = |name: &str| {
        let of = |sums: &FxHashMap<&str, i64>| sums.get(name).copied().unwrap_or(0);
        of(&native_after) - of(&native_before)
    };
    let changed = types.iter().map(|g| g.type_name.as_str()).collect::<BTreeSet<_>>();
    let only_native = native_after.keys().filter(|name| !changed.contains(**name));
    let only_native: Vec<TypeGrowth> = only_native.map(|name| TypeGrowth::same(name)).collect();
    let grown = types.iter().chain(&only_native).map(|g| (g, g.bytes() + native(&g.type_name)));
    let larger = |g: &TypeGrowth, bytes: i64| if g.count() > 0 { bytes > 0 } else { bytes >= LOOSE };
    let mut grown: Vec<(&TypeGrowth, i64)> = grown.filter(|(g, bytes)| larger(g, *bytes)).collect();
    grown.sort_by_key(|(g, bytes)| (Reverse(*bytes), g.type_name.as_str()));
    let culprits = grown.into_iter().take(KEPT).filter_map(|(growth, bytes)| {
        let numbered = after.graph.types.iter().enumerate();
        let ids = numbered.filter(|(_, t)| display_type(&t.name) == growth.type_name).map(|(i, _)| i as u32);
        let objects: Vec<u32> = ids.flat_map(|id| by_type.instances(id).iter().copied()).collect();
        let more = growth.count() > 0;
        let (holder, share) = if more {
            let group = group_holders(&objects, &tree, &describer, SAMPLE).groups.into_iter().next()?;
            (group.holder, Some(group.share))
        } else {
            let size = |o: &u32| after.graph.size.get(*o as usize).copied().unwrap_or(0);
            (describer.holder(objects.into_iter().max_by_key(size)?), None)
        };
        Some(Culprit {
            type_name: growth.type_name.clone(),
            count: growth.count().max(0),
            count_per_second: None,
            objects: growth.count(),
            bytes,
            in_place_bytes: if more { 0 } else { bytes },
            native_bytes: native(&growth.type_name).max(0),
            bytes_per_second: None,
            holder,
            share,
            also: Vec::new(),
            made: None,
            unnamed: None,
            made_within: None,
        })
    });
    worst_first(culprits.collect())
}

/// Native memory that objects of each type own.
fn native_by_type(snapshot: &Snapshot) -> FxHashMap<&str, i64> {
    let mut sums = FxHashMap::default();
    for (object, bytes) in &snapshot.native.objects {
        let kind = snapshot.graph.type_id.get(*object as usize);
        if let Some(info) = kind.and_then(|kind| snapshot.graph.types.get(*kind as usize)) {
            *sums.entry(display_type(&info.name)).or_default() += *bytes as i64;
        }
    }
    sums
}

/// By the shares of all growth in bytes and in objects, added.
fn worst_first(mut culprits: Vec<Culprit>) -> Vec<Culprit> {
    let bytes: f64 = culprits.iter().map(|c| c.bytes as f64).sum();
    let objects: f64 = culprits.iter().map(|c| c.objects as f64).sum();
    let weight = |c: &Culprit| c.bytes as f64 / bytes.max(1.0) + c.objects as f64 / objects.max(1.0);
    culprits.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.holder.name.cmp(&b.holder.name)));
    culprits.truncate(KEPT);
    culprits
}
