//! What of a process's memory is read.

use crate::image::fill::joined;
use crate::image::lean::Ground;
use m5_process::{Mapping, OwnPages, TraceResult, own_pages};
use std::ops::Range;

/// How much of the memory becomes part of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// All but the insides of large blocks that refer to nothing.
    Lean,
}

/// What is wanted of one mapping.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) mapping: u32,
    pub(crate) range: Range<u64>,
    pub(crate) ground: Ground,
    /// Stretches that become segments, with the runs of pages in each; what lies between those is zero.
    pub(crate) stretches: Vec<(Range<u64>, Vec<Range<u64>>)>,
}

impl Wanted {
    /// These runs of pages of a mapping; none where there are none.
    pub(crate) fn of(map: &Mapping, mapping: u32, runs: &[Range<u64>], extent: Extent) -> Option<Self> {
        let mut rest = runs.iter().peekable();
        let within = |stretch: Range<u64>| {
            let inside = std::iter::from_fn(|| rest.next_if(|r| r.end <= stretch.end).cloned());
            let inside = inside.collect();
            (stretch, inside)
        };
        let stretches: Vec<_> = joined(runs).into_iter().map(within).collect();
        let ground = if extent == Extent::Whole { Ground::Other } else { ground(map) };
        (!stretches.is_empty()).then_some(Self { mapping, range: map.start..map.end, ground, stretches })
    }
}

/// A process's mappings, what is wanted of them, and its own pages.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) maps: Vec<Mapping>,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) own: OwnPages,
}

impl Plan {
    /// Looks at the mappings of a process.
    pub(crate) fn of(pid: i32, extent: Extent, check: impl Fn() -> TraceResult<()>) -> TraceResult<Self> {
        let mut plan = Self { maps: maps_of(pid)?, ..Self::default() };
        for (i, map) in plan.maps.iter().enumerate() {
            if i % 64 == 0 {
                check()?;
            }
            let runs = wanted(pid, map, &mut plan.own)?;
            plan.wanted.extend(Wanted::of(map, i as u32, &runs, extent));
        }
        Ok(plan)
    }

    /// What becomes segments.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = &Range<u64>> {
        self.wanted.iter().flat_map(|w| &w.stretches).map(|(stretch, _)| stretch)
    }

    /// Bytes that are read.
    pub(crate) fn bytes(&self) -> u64 {
        self.stretches().map(|s| s.end - s.start).sum()
    }
}

/// A mapping of a file this large is read only where it was written to.
pub(crate) const WHOLE_FILE: u64 = 64 << 20;

fn maps_of(pid: i32) -> TraceResult<Vec<Mapping>> {
    let text = std::fs::read(format!("/proc/{pid}/maps"));
    let text = text.map_err(|e| m5_process::Error::from_io(pid, "maps", e))?;
    Ok(m5_process::joined_maps(m5_process::parse_maps(&String::from_utf8_lossy(&text))?))
}

/// What a mapping is to the C library's allocator.
fn ground(map: &Mapping) -> Ground {
    let anonymous = map.path.is_empty() || map.path.starts_with("[anon");
    match map.path.as_str() {
        _ if map.inode != 0 || !map.writable => Ground::Other,
        "[heap]" => Ground::Main,
        _ if anonymous => Ground::Anonymous,
        _ => Ground::Other,
    }
}

/// Whether a mapping may hold objects: the kernel's own, shared and unreadable ones do not.
pub(crate) fn may_hold(map: &Mapping) -> bool {
    let kernel = ["[vvar]", "[vdso]", "[vsyscall]", "[vvar_vclock]"];
    map.readable && !map.shared && !kernel.contains(&map.path.as_str()) && !map.path.starts_with("/dev/")
}

/// What of a mapping cannot be had from a file later; adds the pages that are the process's own.
fn wanted(pid: i32, map: &Mapping, own: &mut OwnPages) -> TraceResult<Vec<Range<u64>>> {
    if !may_hold(map) {
        return Ok(Vec::new());
    }
    let pages = own_pages(pid, map.start..map.end)?;
    own.append(pages.clone());
    // Data that was never written is still in the file, but part of the picture; so is what lies between pages
    // that the linker wrote to.
    let whole = match (map.writable, pages.runs.as_slice()) {
        (true, _) => map.start..map.end,
        (false, [first, .., last]) => first.start..last.end,
        _ => return Ok(pages.runs),
    };
    Ok(if map.inode != 0 && whole.end - whole.start <= WHOLE_FILE { vec![whole] } else { pages.runs })
}
