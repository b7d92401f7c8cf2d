//! Chooses the layout of a live process and makes the process confirm it.
//!
//! A table is never trusted for its version or its size alone: builds of one size were seen with two layouts.

use crate::decode::word;
use crate::gcstate::{GC_SIZE_MAX, Generation, decode_gc};
use crate::layout::{Collector, GENERATION_SIZE, GcAt, Layout, Published, Stats};
use crate::{Found, Result, Version};
use m5_process::Memory;
use serde::{Deserialize, Serialize};

/// More interpreters than any process has: the end of a walk through a list that may be changing.
pub(crate) const MAX_INTERPRETERS: usize = 4096;
/// Looks at an interpreter until a doubt is taken to last. A collection begins in some of them, hardly in all.
const TRIES: usize = 20;

/// How sure the layout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A build that the tables know, confirmed by the process.
    Exact,
    /// A build that the tables do not know, which publishes its own offsets; they agree with a table's shape
    /// and the process confirms it.
    Alias,
    /// A build that the tables do not know, of a minor version that they know, confirmed by the process alone:
    /// worth a warning.
    Fallback,
}

/// Where a field's offset comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The build publishes it and the table says the same.
    PublishedAndTable,
    /// The build publishes it; the table knows another build.
    Published,
    /// The table, and a check on the live process passed on it.
    TableChecked,
    /// The table alone.
    Table,
}

/// The layout that was confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) layout: Layout,
    pub(crate) confidence: Confidence,
    pub(crate) published: Option<Published>,
    pub(crate) main: u64,
    pub(crate) gc: u64,
}

/// Why none was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    FreeThreaded(Version),
    Starting,
    /// A collection runs, and what it moves cannot be checked.
    Busy,
    Unknown(String),
}

/// What speaks against a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing yet: a collection runs.
    Busy,
    /// This does.
    Wrong(String),
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => f.write_str("it is busy collecting"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

type Checked<T> = std::result::Result<T, Refusal>;

pub(crate) fn choose(memory: &impl Memory, found: &Found, tables: &[Layout]) -> Result<Checked<Choice>> {
    let head = Published::head(memory, found.runtime)?;
    let free_threaded = head.is_some_and(|(_, free_threaded)| free_threaded);
    let version = head.map(|(v, _)| v).or(found.version);
    let kind: Vec<Layout> = tables.iter().filter(|l| l.free_threaded == free_threaded).copied().collect();
    let tables = kind.as_slice();
    if let Some(version) = version.filter(|v| free_threaded && tables.iter().all(|l| l.minor != v.minor())) {
        return Ok(Err(Refusal::FreeThreaded(version)));
    }
    let published_at = |v: Version| tables.iter().filter(|l| l.minor == v.minor()).find_map(|l| l.published);
    let published = match version.and_then(published_at) {
        Some(at) if head.is_some() => Some(Published::read(memory, found.runtime, &at)?),
        _ => None,
    };
    if let Some(doubt) = published.and_then(|p| p.unsound(found.runtime_size)) {
        return Ok(Err(Refusal::Unknown(describe(found, version, &[doubt]))));
    }
    let mut doubts = Vec::new();
    let (mut starting, mut busy) = (false, false);
    for (layout, confidence) in candidates(tables, found, version, published.as_ref(), &mut doubts) {
        match confirm(memory, found.runtime, &layout, confidence)? {
            Ok((main, gc)) => return Ok(Ok(Choice { layout, confidence, published, main, gc })),
            Err(Refusal::Starting) => starting = true,
            Err(Refusal::Busy) => busy = true,
            Err(Refusal::Unknown(doubt)) => doubts.push(format!("layout {}: {doubt}", layout.name)),
            Err(other) => return Ok(Err(other)),
        }
    }
    Ok(Err(match () {
        () if busy => Refusal::Busy,
        () if starting => Refusal::Starting,
        () => Refusal::Unknown(describe(found, version, &doubts)),
    }))
}

/// Layouts to try, the surest first; what rules one out beforehand is noted.
fn candidates(
    tables: &[Layout],
    found: &Found,
    version: Option<Version>,
    published: Option<&Published>,
    doubts: &mut Vec<String>,
) -> Vec<(Layout, Confidence)> {
    let mut list = Vec::new();
    let minor_fits = |l: &&Layout| version.is_none_or(|v| v.minor() == l.minor);
    let size_fits = |l: &&Layout| l.has_runtime_of(found.runtime_size);
    for layout in tables.iter().filter(minor_fits).filter(size_fits) {
        let differs = published.and_then(|p| p.beside(layout).into_iter().find(|(_, p, t)| p != t));
        match differs {
            None => list.push((*layout, Confidence::Exact)),
            Some((field, p, t)) => {
                doubts.push(format!("layout {}: {field} is {t} in the table, {p} published", layout.name));
            }
        }
    }
    // Without a version (before 3.11) only the layouts of builds that name none can fit.
    let same = |l: &&Layout| version.map_or(l.minor < 11, |v| v.minor() == l.minor);
    for layout in tables.iter().filter(same) {
        if list.iter().any(|(l, _)| l == layout) {
            continue;
        }
        match published {
            Some(p) => {
                let applied = p.applied_to(layout);
                match p.beside(&applied).into_iter().find(|(_, p, t)| p != t) {
                    None => list.push((applied, Confidence::Alias)),
                    Some((field, ..)) => doubts.push(format!("layout {}: {field} differs", layout.name)),
                }
            }
            None if layout.published.is_none() => list.push((*layout, Confidence::Fallback)),
            None => doubts.push(format!("layout {}: the build publishes no offsets", layout.name)),
        }
    }
    list
}

fn describe(found: &Found, version: Option<Version>, doubts: &[String]) -> String {
    let version = version.map_or_else(|| "of unknown version".to_owned(), |v| v.to_string());
    let doubts = if doubts.is_empty() { "no layout for it".to_owned() } else { doubts.join("; ") };
    format!("CPython {version}, sizeof(_PyRuntime) = {} in {}; {doubts}", found.runtime_size, found.file)
}

/// Makes the live process confirm a layout. Lists move under a running collector, so a doubt must last.
fn confirm(
    memory: &impl Memory,
    runtime: u64,
    layout: &Layout,
    confidence: Confidence,
) -> Result<Checked<(u64, u64)>> {
    let mut last = Refusal::Starting;
    for _ in 0..3 {
        match once(memory, runtime, layout, confidence) {
            Ok(Ok(places)) => return Ok(Ok(places)),
            Ok(Err(refusal)) => last = refusal,
            Err(m5_process::Error::Unmapped { addr, .. }) => {
                last = Refusal::Unknown(format!("{addr:#x} is no address in the process"));
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(Err(last))
}

fn once(
    memory: &impl Memory,
    runtime: u64,
    layout: &Layout,
    confidence: Confidence,
) -> m5_process::Result<Checked<(u64, u64)>> {
    let main = memory.u64(runtime.wrapping_add(layout.interpreters_main))?;
    if main == 0 {
        return Ok(Err(Refusal::Starting));
    }
    let gc = gc_of(runtime, main, layout);
    let doubt = match in_list(memory, runtime, main, layout)? {
        Some(doubt) => Some(Doubt::Wrong(doubt)),
        None => doubt_of_gc(memory, gc, layout, confidence)?,
    };
    Ok(match doubt {
        Some(Doubt::Busy) => Err(Refusal::Busy),
        Some(Doubt::Wrong(doubt)) => Err(Refusal::Unknown(doubt)),
        None => Ok((main, gc)),
    })
}

/// Address of an interpreter's collector.
pub(crate) fn gc_of(runtime: u64, interpreter: u64, layout: &Layout) -> u64 {
    match layout.gc {
        GcAt::Runtime(offset) => runtime.wrapping_add(offset),
        GcAt::Interpreter(offset) => interpreter.wrapping_add(offset),
    }
}

/// Interpreters are listed newest first, so that main, number 0, comes last.
fn in_list(
    memory: &impl Memory,
    runtime: u64,
    main: u64,
    layout: &Layout,
) -> m5_process::Result<Option<String>> {
    let id = memory.u64(main.wrapping_add(layout.interp_id))?;
    if id != 0 {
        return Ok(Some(format!("the main interpreter has number {id}")));
    }
    let mut at = memory.u64(runtime.wrapping_add(layout.interpreters_head))?;
    for _ in 0..MAX_INTERPRETERS {
        if at == main {
            return Ok(None);
        }
        if at == 0 {
            break;
        }
        at = memory.u64(at.wrapping_add(layout.interp_next))?;
    }
    Ok(Some("the list of interpreters does not hold the main one".to_owned()))
}

/// Whether a collector of this layout is at this address. A list that is read while a collection begins does not
/// link back for that moment, so only a doubt that lasts counts.
pub(crate) fn collects(memory: &impl Memory, gc: u64, layout: &Layout) -> bool {
    (0..TRIES).any(|_| matches!(doubt_of_gc(memory, gc, layout, Confidence::Exact), Ok(None)))
}

/// What speaks against a collector of this layout at this address.
pub(crate) fn doubt_of_gc(
    memory: &impl Memory,
    gc: u64,
    layout: &Layout,
    confidence: Confidence,
) -> m5_process::Result<Option<Doubt>> {
    let bytes = bytes_of(memory, gc, layout)?;
    let get = |at: u64| word(&bytes, at as usize);
    if let Some(at) = layout.generation0.filter(|_| !layout.free_threaded) {
        let distance = get(at).wrapping_sub(gc);
        if distance != layout.generations {
            return wrong(format!("generation0 lies {distance:#x} from gc, not {:#x}", layout.generations));
        }
    }
    let state = decode_gc(&bytes, layout);
    let flag = |at: u64| get(at) as u32 <= 1;
    let sane = |g: &Generation| g.threshold >= 0 && g.count >= -1_000_000 && g.collections < 1 << 48;
    if !(flag(layout.enabled) && flag(layout.collecting) && state.generations.iter().all(sane)) {
        return wrong("implausible flags or counters");
    }
    if layout.free_threaded {
        // It keeps no lists.
        let unused = |generation: u64| layout.generations + GENERATION_SIZE * generation;
        let heads = (0..3).map(unused).chain([layout.permanent]).flat_map(|head| [head, head + 8]);
        if heads.map(get).any(|word| word != 0) {
            return wrong("the lists that a free-threaded build does not use are in use");
        }
    } else if confidence != Confidence::Exact && state.collecting {
        return Ok(Some(Doubt::Busy));
    }
    if let Stats::Ring { pointer, sizes } = layout.stats {
        memory.read(get(pointer), &mut vec![0; sizes.bytes()])?;
    }
    // 3.8 makes these lists when `gc` is first imported.
    let lists = [get(layout.garbage), get(layout.callbacks)];
    if !lists.contains(&0) {
        let [garbage, callbacks] = lists.map(|list| memory.u64(list.wrapping_add(layout.object_type())));
        if garbage? != callbacks? {
            return wrong("gc.garbage and gc.callbacks are not of one type");
        }
    }
    if !state.collecting && layout.collector == Collector::Generational {
        let oldest = layout.generations + 2 * GENERATION_SIZE;
        if !links_back(memory, gc.wrapping_add(oldest))? {
            return wrong("the list of generation 2 does not link back");
        }
    }
    match layout.free_threaded || links_back(memory, gc.wrapping_add(layout.permanent))? {
        true => Ok(None),
        false => wrong("the list of the permanent generation does not link back"),
    }
}

fn wrong(what: impl Into<String>) -> m5_process::Result<Option<Doubt>> {
    Ok(Some(Doubt::Wrong(what.into())))
}

/// What speaks against writing into this collector: stricter than for reading, since a wrong offset would
/// change something else. Whether the tables know the size of the build does not matter; the process has to say
/// itself where its collector is. Where it has no field that points at generation 0, or its size is not known,
/// all three lists must link back; a free-threaded build has none, and must leave their places empty.
pub(crate) fn doubt_before_write(
    memory: &impl Memory,
    gc: u64,
    layout: &Layout,
    confidence: Confidence,
) -> m5_process::Result<Option<Doubt>> {
    let doubt = doubt_of_gc(memory, gc, layout, Confidence::Exact)?;
    let sure = layout.generation0.is_some() && confidence == Confidence::Exact;
    if doubt.is_some() || sure || layout.free_threaded {
        return Ok(doubt);
    }
    // A young object may come or go between the two reads; of many tries one must be quiet.
    for generation in 0..3 {
        let head = gc.wrapping_add(layout.generations + GENERATION_SIZE * generation);
        if !(0..1000).any(|_| links_back(memory, head).unwrap_or(false)) {
            let busy = decode_gc(&bytes_of(memory, gc, layout)?, layout).collecting;
            return match busy {
                true => Ok(Some(Doubt::Busy)),
                false => wrong(format!("the list of generation {generation} does not link back")),
            };
        }
    }
    Ok(None)
}

fn bytes_of(memory: &impl Memory, gc: u64, layout: &Layout) -> m5_process::Result<Vec<u8>> {
    let mut bytes = vec![0; (layout.gc_size as usize).min(GC_SIZE_MAX)];
    memory.read(gc, &mut bytes)?;
    Ok(bytes)
}

/// Whether the first object of a list names the list's head as the one before it. The low bits hold flags.
fn links_back(memory: &impl Memory, head: u64) -> m5_process::Result<bool> {
    let first = memory.u64(head)? & !3;
    Ok(memory.u64(first.wrapping_add(8))? & !3 == head)
}

/// Fields that the checks above confirm on the live process.
pub(crate) const CHECKED: &[&str] = &[
    "interpreters_head",
    "interpreters_main",
    "interp_id",
    "gc",
    "enabled",
    "generations",
    "generation0",
    "permanent",
    "collecting",
    "garbage",
    "callbacks",
    "stats",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::TABLES;
    use m5_process::{BufferMemory, Process};
    use m5_testkit::{Target, pythons};
    use proptest::prelude::*;

    const IDLE: &str = "import gc, sys; gc.collect(); print('ready', flush=True); sys.stdin.read()";

    /// Takes a build out of the tables, as if it had come out after this version of m5.
    fn without(size: u64) -> Vec<Layout> {
        const NONE: &[u64] = &[];
        let forget = |l: &Layout| Layout { runtime_sizes: NONE, ..*l };
        TABLES.iter().map(|l| if l.runtime_sizes.contains(&size) { forget(l) } else { *l }).collect()
    }

    #[test]
    fn an_unknown_build_is_read_only_as_far_as_it_confirms_itself() {
        for python in pythons() {
            let mut target = Target::start(&python, IDLE);
            target.line();
            let process = Process::open(target.pid()).unwrap();
            let (memory, found) = (process.memory(), crate::find(&process).unwrap());
            let known = choose(&memory, &found, TABLES).unwrap().unwrap();
            let unknown = choose(&memory, &found, &without(found.runtime_size)).unwrap().unwrap();
            let expected = if python.minor() >= (3, 13) { Confidence::Alias } else { Confidence::Fallback };
            assert_eq!(unknown.confidence, expected, "{}", python.name);
            assert_eq!((known.main, known.gc), (unknown.main, unknown.gc), "{}", python.name);
            assert_eq!(known.layout.generations, unknown.layout.generations, "{}", python.name);
            assert_eq!(known.layout.collecting, unknown.layout.collecting, "{}", python.name);

            let others: Vec<Layout> =
                TABLES.iter().filter(|l| l.minor != python.minor().1).copied().collect();
            let foreign = Found { version: None, ..found.clone() };
            let refused = choose(&memory, &foreign, &others).unwrap();
            // 3.9 and 3.10 keep everything that is read at the same places.
            let twins = [(3, 9), (3, 10)].contains(&python.minor());
            assert_eq!(refused.is_ok(), twins, "{}: {refused:?}", python.name);
        }
    }

    /// The size of a build that the tables do not know is no reason to refuse: it says itself where things are.
    #[test]
    fn an_unknown_build_that_confirms_itself_may_be_written_to() {
        for python in pythons() {
            let mut target = Target::start(&python, IDLE);
            target.line();
            let process = Process::open(target.pid()).unwrap();
            let (memory, found) = (process.memory(), crate::find(&process).unwrap());
            let unknown = choose(&memory, &found, &without(found.runtime_size)).unwrap().unwrap();
            assert_ne!(unknown.confidence, Confidence::Exact);
            let doubt = doubt_before_write(&memory, unknown.gc, &unknown.layout, unknown.confidence).unwrap();
            assert_eq!(doubt, None, "{}", python.name);
            let wrong = Layout { generations: unknown.layout.generations ^ 4, ..unknown.layout };
            let doubt = doubt_before_write(&memory, unknown.gc, &wrong, unknown.confidence).unwrap();
            assert!(matches!(doubt, Some(Doubt::Wrong(_))), "{}: {doubt:?}", python.name);
        }
    }

    /// Collecting without a pause is called that, and a moment between two collections is enough.
    #[test]
    fn an_unknown_build_that_collects_is_busy_until_it_does_not() {
        let program = "
import gc, sys, threading
class Long:
    def __del__(self): print('collecting', flush=True); sys.stdin.readline()
l = Long(); l.me = l; del l
gc.collect(); print('quiet', flush=True); sys.stdin.readline()
";
        for python in pythons() {
            let mut target = Target::start(&python, program);
            assert_eq!(target.line(), "collecting");
            let process = Process::open(target.pid()).unwrap();
            let (memory, found) = (process.memory(), crate::find(&process).unwrap());
            let refused = choose(&memory, &found, &without(found.runtime_size)).unwrap();
            assert_eq!(refused.err(), Some(Refusal::Busy), "{}", python.name);
            target.say("on");
            assert_eq!(target.line(), "quiet");
            let chosen = choose(&memory, &found, &without(found.runtime_size)).unwrap();
            assert!(chosen.is_ok(), "{}: {chosen:?}", python.name);
        }
    }

    #[test]
    fn a_layout_whose_heads_lie_elsewhere_is_refused() {
        for python in pythons() {
            let mut target = Target::start(&python, IDLE);
            target.line();
            let process = Process::open(target.pid()).unwrap();
            let (memory, found) = (process.memory(), crate::find(&process).unwrap());
            let right = choose(&memory, &found, TABLES).unwrap().unwrap().layout;
            let GcAt::Interpreter(gc) = right.gc else { continue };
            let wrong = [
                Layout { generations: right.generations ^ 4, ..right },
                Layout { permanent: right.permanent + 8, ..right },
                Layout { garbage: right.garbage + 16, ..right },
                Layout { collecting: right.garbage, ..right },
                Layout { gc: GcAt::Interpreter(gc + 8), ..right },
            ];
            for layout in wrong.iter().filter(|l| l.generation0.is_some()) {
                let chosen = choose(&memory, &found, &[Layout { published: None, ..*layout }]).unwrap();
                assert!(chosen.is_err(), "{}: {chosen:?}", python.name);
            }
        }
    }

    #[test]
    fn free_threaded_builds_and_unknown_minors_are_told_by_what_they_publish() {
        let mut bytes = vec![0; 1000];
        bytes[..8].copy_from_slice(b"xdebugpy");
        bytes[8..12].copy_from_slice(&0x0363_02f0u32.to_le_bytes());
        bytes[16] = 1;
        let file = "/usr/bin/python3.14t".to_owned();
        let found = Found { runtime: 0, runtime_size: 1000, file, version: None };
        let refused = choose(&BufferMemory::new(0, bytes.clone()), &found, TABLES).unwrap().unwrap_err();
        assert_eq!(refused, Refusal::FreeThreaded(Version(0x0363_02f0)));
        bytes[16] = 0;
        let refused = choose(&BufferMemory::new(0, bytes), &found, TABLES).unwrap().unwrap_err();
        let Refusal::Unknown(text) = refused else { panic!("{refused:?}") };
        assert!(text.contains("3.99.2") && text.contains("1000") && text.contains("no layout"), "{text}");
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_refused_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 48..2000),
            which in 0usize..32,
            cookie in any::<bool>(),
        ) {
            let layout = TABLES[which % TABLES.len()];
            let mut bytes = bytes;
            if cookie {
                bytes[..8].copy_from_slice(b"xdebugpy");
                bytes[8..12].copy_from_slice(&(0x0300_00f0 | layout.minor << 16).to_le_bytes());
                bytes[16] = 0;
            }
            let file = "/usr/bin/python3".to_owned();
            let found = Found { runtime: 0, runtime_size: layout.runtime_sizes[0], file, version: None };
            if let Ok(chosen) = choose(&BufferMemory::new(0, bytes), &found, TABLES) {
                prop_assert!(chosen.is_err());
            }
        }
    }
}
