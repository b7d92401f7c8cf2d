//! What is alive by itself: modules, frames, the interpreter's own references, static objects, and, only for
//! what none of these reaches, references from native memory.

use crate::census::kind::Kind;
use crate::census::{by_thread, count};
use crate::graph::build;
use crate::graph::dict::Dict;
use crate::graph::edges::{Label, Visit, Walker};
use crate::graph::fading;
use crate::graph::frames::Frame;
use crate::graph::keepers;
use crate::graph::model::{HeapGraph, Root, RootKind};
use crate::graph::native::{Native, NativeWords};
use crate::graph::reachability::{Counts, Reached, excess};
use crate::graph::uncollectable;
use crate::image::Image;
use m5_cpython::layout::objects::ObjectLayout;
use m5_process::LOWEST_ADDRESS;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// What holds objects that another thread dropped, before the number of the thread that owns them.
pub(crate) const QUEUE_OF: &str = "the queue of thread";
/// What keeps interned strings for ever is called as the function that puts them there.
pub(crate) const INTERNED: &str = "sys.intern";
/// Bytes of a thread state that are looked through.
const THREAD_STATE: u64 = 304;

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) roots: Vec<Root>,
    /// Objects that a root reaches.
    pub(crate) reachable: u64,
    /// Objects with a count of references.
    pub(crate) counted: u64,
    /// Of these, the ones whose count equals the references that other objects hold.
    pub(crate) exact: u64,
    /// Those whose other references were found in native memory.
    pub(crate) native: u64,
    /// Native memory and its owners.
    pub(crate) memory: Native,
}

/// Finds the roots and what they reach.
pub(crate) fn find(walker: &Walker<'_>, graph: &mut HeapGraph) -> Found {
    let mut finder = Finder { walker, roots: Vec::new(), held: FxHashMap::default() };
    for interpreter in &walker.anchor.interpreters {
        finder.interpreter(*interpreter);
    }
    finder.queued();
    if let Some(table) = walker.census.interned.and_then(|o| walker.census.address.get(o as usize)) {
        finder.add(*table, RootKind::Interpreter, || INTERNED.to_owned());
    }
    finder.statics();
    let plain: &HeapGraph = graph;
    let spread = || finder.spread(plain, |_| true);
    let counted = || {
        let degrees = build::in_degrees(plain);
        let counts = Counts::of(walker, &degrees);
        (degrees, counts)
    };
    let (mut reached, (degrees, counts)) = rayon::join(spread, counted);
    let Counts { counted, exact, excess } = counts;
    let native = NativeWords::find(walker, graph, excess, &finder.held);
    build::add_edges(graph, &native.edges);
    finder.native(graph, &native, &mut reached);
    let kept = finder.interned(graph, &reached);
    build::add_edges(graph, &kept);
    reach_through(graph, &kept, &mut reached);
    let reachable = reached.count() as u64;
    finder.uncollectable(graph, &mut reached, &degrees);
    let reachable = finder.without_fading(graph, reached).unwrap_or(reachable);
    let explained = native.explained() as u64;
    Found { roots: finder.roots, reachable, counted, exact, native: explained, memory: native.native }
}

struct Finder<'a> {
    walker: &'a Walker<'a>,
    roots: Vec<Root>,
    /// References that frames and threads hold, by object.
    held: FxHashMap<u32, u32>,
}

impl Finder<'_> {
    fn add(&mut self, address: u64, kind: RootKind, name: impl FnOnce() -> String) {
        if let Some(object) = self.walker.object(address) {
            if matches!(kind, RootKind::Frame | RootKind::Interpreter) {
                *self.held.entry(object).or_default() += 1;
            }
            self.roots.push(Root { object, kind, name: name() });
        }
    }

    fn interpreter(&mut self, state: u64) {
        let (image, anchor) = (self.walker.image, self.walker.anchor);
        let layout = anchor.layout;
        let field = |offset: u32| image.word_in(state, u64::from(offset)).unwrap_or(0);
        let modules = field(layout.modules);
        for (key, value) in Dict::read(image, layout, modules).iter().flat_map(|d| d.items(image)) {
            let name = || crate::names::text::of(image, layout, key).unwrap_or_else(|| "?".to_owned());
            self.add(value, RootKind::Module, || format!("module {}", name()));
        }
        self.add(modules, RootKind::Interpreter, || "sys.modules".to_owned());
        self.add(field(layout.sysdict), RootKind::Interpreter, || "sys".to_owned());
        self.add(field(layout.builtins), RootKind::Interpreter, || "builtins".to_owned());
        for (object, name) in keepers::of(self.walker, state) {
            self.add(object, RootKind::Interpreter, || name.to_owned());
        }
        for (number, thread) in by_thread::threads(image, layout, state).into_iter().enumerate() {
            self.thread(thread, number);
        }
    }

    /// What its owner has to take back, of a free-threaded build: the owner's queue holds it.
    fn queued(&mut self) {
        let (image, layout) = (self.walker.image, self.walker.anchor.layout);
        if !layout.free_threaded {
            return;
        }
        let interpreters = self.walker.anchor.interpreters.iter();
        let threads = interpreters.flat_map(|i| by_thread::threads(image, layout, *i));
        let name = |state: u64| {
            Some((by_thread::number(image, layout, state)?, kernel_thread(image, layout, state)?))
        };
        let names: FxHashMap<u64, u64> = threads.filter_map(name).collect();
        let address = &self.walker.census.address;
        let waits = |at: &u64| Some((*at, *names.get(&count::queued_for(image, *at)?)?));
        let waiting: Vec<(u64, u64)> = address.par_iter().filter_map(waits).collect();
        for (object, thread) in waiting {
            self.add(object, RootKind::Interpreter, || format!("{QUEUE_OF} {thread}"));
        }
    }

    fn thread(&mut self, state: u64, number: usize) {
        let (image, layout) = (self.walker.image, self.walker.anchor.layout);
        let tid = kernel_thread(image, layout, state);
        let thread = tid.map_or_else(|| format!("thread #{number}"), |t| format!("thread {t}"));
        for frame in crate::graph::frames::stack(self.walker, state) {
            self.frame(&thread, &frame);
        }
        let dict = image.word_in(state, u64::from(layout.thread_dict)).unwrap_or(0);
        self.add(dict, RootKind::Interpreter, || format!("{thread}, its dictionary"));
        let words = image.slice(state, THREAD_STATE as usize).unwrap_or(&[]);
        for word in words.as_chunks::<8>().0 {
            let target = u64::from_le_bytes(*word);
            if target >= LOWEST_ADDRESS && target != dict {
                let what = if self.is_context(target) { "context" } else { "state" };
                self.add(target, RootKind::Interpreter, || format!("{thread}, its {what}"));
            }
        }
    }

    /// Whether values of context variables are there.
    fn is_context(&self, address: u64) -> bool {
        let desc = self.walker.object(address).and_then(|object| self.walker.census.desc(object));
        desc.is_some_and(|d| matches!(d.name.as_str(), "Context" | "_contextvars.Context"))
    }

    fn frame(&mut self, thread: &str, frame: &Frame) {
        struct Held<'a, 'b>(&'a mut Finder<'b>, &'a str);
        impl Visit for Held<'_, '_> {
            fn see(&mut self, target: u64, label: Label) {
                let namer = crate::names::namer::ImageNamer { walker: *self.0.walker };
                let name = match label {
                    Label::Local(code, i) => namer.local(code, i).map(|n| format!("{}, local {n}", self.1)),
                    _ => None,
                };
                let fallback = self.1;
                self.0.add(target, RootKind::Frame, || name.unwrap_or_else(|| fallback.to_owned()));
            }
        }
        let name = format!("{thread}, frame {}", frame.name(self.walker));
        let walker = *self.walker;
        frame.visit(&walker, &mut Held(self, &name));
    }

    /// Objects that no allocator knows live as long as their library.
    fn statics(&mut self) {
        let walker = self.walker;
        for (start, bytes) in walker.census.static_data(walker.image) {
            let addresses = &walker.census.address;
            let from = addresses.partition_point(|a| *a < start);
            let to = addresses.partition_point(|a| *a < start + bytes.len() as u64);
            for object in from as u32..to as u32 {
                let Some(desc) = walker.census.desc(object) else { continue };
                let own = walker.census.address.get(object as usize).copied().unwrap_or(0);
                let name = match desc.kind {
                    Kind::Type => walker.census.types.number(own).and_then(|n| walker.census.types.get(n)),
                    _ => None,
                };
                let name =
                    name.map_or_else(|| format!("static {}", desc.name), |t| format!("type {}", t.name));
                self.roots.push(Root { object, kind: RootKind::Static, name });
            }
        }
    }

    /// Cycles that no collection frees, and what they lead to.
    fn uncollectable(&mut self, graph: &HeapGraph, reached: &mut Reached, degrees: &[u32]) {
        for object in uncollectable::find(self.walker, graph, reached, degrees) {
            let name = self.walker.census.desc(object).map_or_else(String::new, |d| d.name.clone());
            self.roots.push(Root { object, kind: RootKind::Uncollectable, name });
            reached.spread(graph, object);
        }
    }

    /// Takes out what weak containers hold only until the next collection, which may make more of what they know garbage.
    /// Tells how many objects are reached then, where any was taken out.
    fn without_fading(&self, graph: &mut HeapGraph, mut alive: Reached) -> Option<u64> {
        const ROUNDS: usize = 8;
        let mut reachable = None;
        for _ in 0..ROUNDS {
            let fading = fading::references(self.walker, graph, &alive);
            if fading.is_empty() {
                break;
            }
            fading::cut(graph, &fading);
            alive = self.spread(graph, |_| true);
            let rooted = self.spread(graph, |root| root.kind != RootKind::Uncollectable);
            reachable = Some(rooted.count() as u64);
        }
        reachable
    }

    /// What the roots of some kinds reach.
    fn spread(&self, graph: &HeapGraph, of: impl Fn(&Root) -> bool) -> Reached {
        let mut reached = Reached::new(graph.len());
        for root in self.roots.iter().filter(|root| of(root)) {
            reached.spread(graph, root.object);
        }
        reached
    }

    /// Interned strings that live for ever (3.12, and builds without the GIL) and that nobody but the table has any more:
    /// table and string.
    fn interned(&self, graph: &HeapGraph, reached: &Reached) -> Vec<(u32, u32)> {
        let walker = self.walker;
        let Some(table) = walker.census.interned else { return Vec::new() };
        let at = graph.address.get(table as usize).copied().unwrap_or(0);
        let alone = |key: u64| {
            let object = walker.object(key).filter(|o| !reached.has(*o))?;
            excess(walker, object, 0).is_none().then_some((table, object))
        };
        let dict = Dict::read(walker.image, walker.anchor.layout, at);
        dict.iter().flat_map(|d| d.items(walker.image)).filter_map(|(key, _)| alone(key)).collect()
    }

    /// For what nothing reaches although its count says that somebody holds it: who in native memory points
    /// to it?
    fn native(&mut self, graph: &HeapGraph, native: &NativeWords, reached: &mut Reached) {
        reach_through(graph, &native.edges, reached);
        // What has a name goes first: it may hold the rest.
        for named in [true, false] {
            for object in native.wanted().filter(|o| native.holder(*o).is_some() == named) {
                if reached.has(object) {
                    continue;
                }
                let (kind, name) = match native.holder(object) {
                    Some(name) => (RootKind::Native, name.to_owned()),
                    None => (RootKind::Unexplained, "held by nobody that was found".to_owned()),
                };
                self.roots.push(Root { object, kind, name });
                reached.spread(graph, object);
            }
            reach_through(graph, &native.edges, reached);
        }
    }
}

/// The kernel's number of a thread.
fn kernel_thread(image: &Image, layout: &ObjectLayout, state: u64) -> Option<u64> {
    layout.native_thread.and_then(|at| image.word_in(state, u64::from(at))).filter(|t| *t != 0)
}

/// Spreads along references that were added after the first spreading.
fn reach_through(graph: &HeapGraph, edges: &[(u32, u32)], reached: &mut Reached) {
    let mut left: Vec<(u32, u32)> = edges.to_vec();
    loop {
        let before = left.len();
        left.retain(|(owner, object)| {
            let live = reached.has(*owner);
            if live {
                reached.spread(graph, *object);
            }
            !live
        });
        if left.len() == before {
            return;
        }
    }
}
