//! Chooses the layout of a live process and makes the process confirm it.
//!
//! A table is never trusted for its version or its size alone: builds of one size were seen with two layouts.

mod collector;
mod confidence;

pub(crate) use collector::{Doubt, collects, doubt_before_write, gc_of};
pub use confidence::{Confidence, Origin};

use crate::layout::{Layout, Published};
use crate::{Found, Result, Version};
use collector::doubt_of_gc;
use m5_process::Memory;

/// More interpreters than any process has: the end of a walk through a list that may be changing.
pub(crate) const MAX_INTERPRETERS: usize = 4096;
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
mod tests;
