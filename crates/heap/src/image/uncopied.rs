//! Memory that a copy of a process does not get: what the process asked the kernel to keep from copies (`MADV_DONTFORK`:
//! buffers of network and graphics cards) or to empty in them (`MADV_WIPEONFORK`: keys). It is read of the process itself
//! while that runs on, so that its bytes have a name; all else stays of one moment.

use crate::image::Segment;
use crate::image::stream::{self, Second};
use crate::image::wanted::{Extent, Plan, Wanted, may_hold};
use m5_process::{Mapping, OwnPages, Process, TraceResult, open_live, own_pages, parse_flags, parse_maps};
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::os::unix::fs::FileExt;

/// Less in memory is not looked for: the kernel's answer takes as long as it walks all of the memory.
const LEAST: u64 = 1 << 20;
/// How the kernel calls the two wishes.
const WISHES: [&str; 2] = ["dc", "wf"];

/// Adds what the copy by whose plan `segments` were read lacks; the bytes that it comes to.
pub(super) fn add(
    process: &Process,
    extent: Extent,
    segments: &mut Vec<Segment>,
    plan: &mut Plan,
    check: &impl Fn() -> TraceResult<()>,
) -> TraceResult<u64> {
    let lacking = lacking(process, plan);
    let bytes = |pages: &OwnPages| pages.runs.iter().map(|r| r.end - r.start).sum::<u64>();
    if lacking.iter().map(|(_, pages)| bytes(pages)).sum::<u64>() < LEAST {
        return Ok(0);
    }
    let wished = wished(process.pid());
    let lacking = lacking.into_iter().filter(|(map, _)| wished.contains(&map.start));
    let (mut wanted, mut added) = (Vec::new(), 0);
    for (map, pages) in lacking {
        let index = insert(plan, segments, &map);
        added += bytes(&pages);
        wanted.extend(Wanted::of(&map, index, &pages.runs, extent));
        plan.own.append(pages);
    }
    // An insertion moves those behind it.
    for part in &mut wanted {
        part.mapping = plan.maps.partition_point(|m| m.end <= part.range.start) as u32;
    }
    let memory = open_live(process.pid())?;
    let read = |addr: u64, buf: &mut [u8]| memory.read_exact_at(buf, addr).is_ok();
    segments.extend(stream::read(Second::Hurries, &read, &wanted, check)?);
    segments.sort_by_key(|s| s.start);
    plan.wanted.extend(wanted);
    Ok(added)
}

/// Mappings of the process with pages of its own, of which the copy has none.
fn lacking(process: &Process, plan: &Plan) -> Vec<(Mapping, OwnPages)> {
    let text = read_to_string(format!("/proc/{}/maps", process.pid())).unwrap_or_default();
    let empty = |map: &Mapping| {
        let after = plan.own.runs.partition_point(|r| r.end <= map.start);
        plan.own.runs.get(after).is_none_or(|r| r.start >= map.end)
    };
    let candidates = parse_maps(&text).unwrap_or_default().into_iter();
    let candidates = candidates.filter(|m| may_hold(m) && m.writable && m.inode == 0 && empty(m));
    let pages = |map: Mapping| Some((map.clone(), own_pages(process.pid(), map.start..map.end).ok()?));
    candidates.filter_map(pages).filter(|(_, pages)| !pages.runs.is_empty()).collect()
}

/// Beginnings of the mappings about which the process told the kernel such a wish.
fn wished(pid: i32) -> BTreeSet<u64> {
    let text = read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let told = |flags: &str| flags.split_whitespace().any(|word| WISHES.contains(&word));
    parse_flags(&text).into_iter().filter(|m| told(&m.flags)).map(|m| m.range.start).collect()
}

/// Puts a mapping where it belongs, unless the copy has it too; its number.
fn insert(plan: &mut Plan, segments: &mut [Segment], map: &Mapping) -> u32 {
    let at = plan.maps.partition_point(|m| m.end <= map.start);
    if plan.maps.get(at).is_none_or(|m| m.start >= map.end) {
        plan.maps.insert(at, map.clone());
        let later = |number: &mut u32| *number += u32::from(*number as usize >= at);
        segments.iter_mut().for_each(|s| later(&mut s.mapping));
        plan.wanted.iter_mut().for_each(|w| later(&mut w.mapping));
    }
    at as u32
}
