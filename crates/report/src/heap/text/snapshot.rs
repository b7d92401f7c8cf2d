//! `m5 snapshot` for people.

use crate::heap::doc::{LeakFinding, SnapshotDoc};
use crate::heap::phrases::{bytes, holder, part, signed_bytes, thousands};
use crate::heap::text::diff::{told_lines, unseen_lines};
use crate::heap::text::fds::fds;
use crate::heap::text::tree::tree_text;
use crate::heap::verdict::MemoryKind;
use crate::text::{Align, Style, Table};
use crate::texts::Heap;
use crate::{Lang, shared::units};
use m5_heap::{Holding, MemoryTree, OwnerState, QueuedFor, SnapshotInfo, Summary};

/// Parts of memory smaller than this share are left to the JSON.
const SMALL_PART: f64 = 0.002;
/// Lines of the holdings.
const HOLDINGS: usize = 20;
/// Holders that grew, of a series.
const GREW: usize = 5;

/// The report of one snapshot.
#[must_use]
pub fn snapshot_text(doc: &SnapshotDoc, style: Style) -> String {
    let mut out = String::new();
    if let Some(info) = &doc.info {
        // The account's own sum where there is one: the kernel's was read a moment earlier.
        let rss = doc.memory.as_ref().map(|m| m.bytes).or(info.rss_bytes);
        head(&mut out, info, rss, doc.heap.as_ref(), style);
    }
    if let Some(memory) = &doc.memory {
        section(&mut out, Heap::MemoryHead, style);
        out.push_str(&memory_table(memory, style.lang));
        out.push_str(&beside(doc, style.lang));
        out.push_str(&remedy(doc, style));
    }
    if let Some(tree) = &doc.tree {
        section(&mut out, Heap::TreeHead, style);
        out.push_str(&tree_text(tree, style));
    }
    if let Some(heap) = &doc.heap {
        section(&mut out, Heap::TypesHead, style);
        out.push_str(&types_table(heap, style));
        let holders = holders(heap, style);
        if !holders.is_empty() {
            section(&mut out, Heap::HoldersHead, style);
            out.push_str(&holders);
        }
        section(&mut out, Heap::HoldingsHead, style);
        out.push_str(&holdings_table(heap));
        out.push_str(&loose(heap, style));
    }
    // Without an account of RSS the kernel's own by mapping stands in for it.
    if let Some(process) = doc.process.as_ref().filter(|_| doc.memory.is_none()) {
        out.push_str(&crate::text::mapped(process, style));
    }
    if !doc.fds.is_empty() {
        section(&mut out, Heap::FdsHead, style);
        out.push_str(&fds(&doc.fds, style));
    }
    out
}

fn section(out: &mut String, head: Heap, style: Style) {
    out.push_str(&format!("\n{}\n", style.bold(style.lang.say(head))));
}

fn head(out: &mut String, info: &SnapshotInfo, rss: Option<u64>, heap: Option<&Summary>, style: Style) {
    let lang = style.lang;
    let pid = info.identity.pid;
    let title = match info.age_seconds {
        Some(age) => lang.fill(Heap::TitleUp, &[&pid, &info.command, &info.python, &units::span(age)]),
        None => lang.fill(Heap::Title, &[&pid, &info.command, &info.python]),
    };
    out.push_str(&format!("{}\n", style.bold(&title)));
    let taken = match info.pause_seconds {
        Some(pause) => lang.fill(Heap::TakenPaused, &[&info.method, &units::time(pause)]),
        None if info.method == "core" => lang.say(Heap::TakenCore).to_owned(),
        None => lang.fill(Heap::TakenRunning, &[&info.method]),
    };
    out.push_str(&format!("{taken}\n"));
    if let Some(heap) = heap {
        let values = [
            thousands(heap.objects),
            thousands(heap.type_count),
            bytes(heap.bytes),
            thousands(heap.references),
        ];
        let rss = rss.map(|b| format!("; {}", lang.fill(Heap::Resident, &[&bytes(b)])));
        let counts = lang.fill(Heap::Counts, &[&values[0], &values[1], &values[2], &values[3]]);
        out.push_str(&format!("{counts}{}\n", rss.unwrap_or_default()));
    }
    let coverage = coverage(info, style);
    if !coverage.is_empty() {
        out.push_str(&format!("{}\n", lang.fill(Heap::Coverage, &[&coverage])));
    }
    for queued in &info.queued {
        let note = queued_note(queued, lang);
        out.push_str(&format!("{}\n", style.yellow(&lang.fill(Heap::Note, &[&note]))));
    }
    for note in &info.notes {
        out.push_str(&format!("{}\n", style.yellow(&lang.fill(Heap::Note, &[note]))));
    }
}

/// Objects that wait for a thread, in a sentence.
fn queued_note(queued: &QueuedFor, lang: Lang) -> String {
    let does = queued.state.map(|state| match state {
        OwnerState::Runs => lang.say(Heap::OwnerRuns),
        OwnerState::Sleeps => lang.say(Heap::OwnerSleeps),
        OwnerState::WaitsInKernel => lang.say(Heap::OwnerWaits),
        OwnerState::Stopped => lang.say(Heap::OwnerStopped),
    });
    let (objects, size) = (thousands(queued.objects), bytes(queued.bytes));
    lang.fill(Heap::QueuedFor, &[&objects, &size, &queued.thread, &does.unwrap_or_default()])
}

fn coverage(info: &SnapshotInfo, style: Style) -> String {
    let c = &info.coverage;
    let shares = [
        (Heap::CoverageRefcounts, c.refcounts_explained),
        (Heap::CoverageReachable, c.reachable),
        (Heap::CoverageRss, c.rss_explained),
    ];
    let mut all: Vec<String> = shares
        .into_iter()
        .filter_map(|(text, share)| Some(style.lang.fill(text, &[&format!("{:.2} %", share? * 100.0)])))
        .collect();
    if let Some(n @ 1..) = c.inconsistencies {
        all.push(style.lang.fill(Heap::CoverageInconsistent, &[&thousands(n)]));
    }
    all.join(if style.lang == crate::Lang::Zh { "，" } else { ", " })
}

/// What most of RSS is, and what to do about it.
fn remedy(doc: &SnapshotDoc, style: Style) -> String {
    let lang = style.lang;
    let mut out = String::new();
    if let Some(verdict) = &doc.verdict {
        let values = [bytes(verdict.bytes), units::percent(verdict.share)];
        let info = doc.info.as_ref();
        let fill = |text: Heap, more: &[&dyn std::fmt::Display]| {
            let [size, share] = &values;
            lang.fill(text, &[&[size as &dyn std::fmt::Display, share], more].concat())
        };
        let said = match (verdict.kind, info.and_then(|i| i.mostly_elsewhere(verdict.bytes))) {
            (MemoryKind::Objects, _) => fill(Heap::VerdictObjects, &[]),
            (MemoryKind::PymallocFragmentation, _) => fill(Heap::VerdictPymalloc, &[]),
            (MemoryKind::NativeFragmentation, Some(elsewhere)) => match elsewhere.named() {
                Some((names, settings)) => fill(Heap::VerdictElsewhereFree, &[&names, &settings]),
                None => fill(Heap::VerdictUnnamedFree, &[]),
            },
            (MemoryKind::NativeFragmentation, None) => {
                let pid = info.map_or_else(|| "PID".to_owned(), |i| i.identity.pid.to_string());
                fill(Heap::VerdictNativeFree, &[&pid])
            }
            (MemoryKind::Native, _) => fill(Heap::VerdictNative, &[]),
            (MemoryKind::Code, _) => fill(Heap::VerdictCode, &[]),
        };
        out.push_str(&format!("  → {}\n", style.bold(&said)));
    }
    let pinned = doc.info.as_ref().and_then(|i| i.fragmentation.as_ref()).filter(|f| f.sparse_arenas > 0);
    if let Some(f) = pinned {
        let by: Vec<String> =
            f.pinning.iter().take(5).map(|p| format!("{} ×{}", p.type_name, p.objects)).collect();
        let values = [bytes(f.pinned_bytes), thousands(f.sparse_arenas), by.join(", ")];
        out.push_str(&format!("  {}\n", lang.fill(Heap::Pinned, &[&values[0], &values[1], &values[2]])));
    }
    out
}

/// Page tables from this size on are worth a line.
const MUCH_PAGE_TABLE: u64 = 1 << 20;

/// What RSS leaves out.
fn beside(doc: &SnapshotDoc, lang: Lang) -> String {
    let Some(beside) = doc.info.as_ref().and_then(|i| i.beside_rss) else { return String::new() };
    let lines = [
        (Heap::Swapped, beside.swap_bytes.filter(|b| *b > 0)),
        (Heap::PageTables, beside.page_table_bytes.filter(|b| *b >= MUCH_PAGE_TABLE)),
    ];
    let line =
        |(text, value): (Heap, Option<u64>)| Some(format!("  {}\n", lang.fill(text, &[&bytes(value?)])));
    lines.into_iter().filter_map(line).collect()
}

fn memory_table(memory: &MemoryTree, lang: Lang) -> String {
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right], 2);
    memory_rows(memory, memory.bytes.max(1) as f64, 0, lang, &mut table);
    table.render()
}

fn memory_rows(tree: &MemoryTree, whole: f64, depth: usize, lang: Lang, table: &mut Table) {
    let name = format!("{}{}", "  ".repeat(depth), part(&tree.name, lang));
    table.row([name, bytes(tree.bytes), units::percent(tree.bytes as f64 / whole)]);
    let mut children: Vec<&MemoryTree> = tree.children.iter().collect();
    children.sort_by_key(|c| std::cmp::Reverse(c.bytes));
    for child in children.into_iter().filter(|c| c.bytes as f64 / whole >= SMALL_PART).take(8) {
        memory_rows(child, whole, depth + 1, lang, table);
    }
}

fn types_table(heap: &Summary, style: Style) -> String {
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    let mut table = Table::new(&align, 2);
    let heads = [Heap::Type, Heap::Count, Heap::Bytes, Heap::Share, Heap::Retained];
    table.row(heads.map(|h| style.dim(style.lang.say(h))));
    for row in &heap.types {
        table.row([
            row.type_name.clone(),
            thousands(row.count),
            bytes(row.bytes),
            units::percent(row.share),
            bytes(row.retained_bytes),
        ]);
    }
    table.render()
}

/// The first groups of holders of the first types, a line each and its path.
#[must_use]
pub fn holders(heap: &Summary, style: Style) -> String {
    let lang = style.lang;
    let mut out = String::new();
    for row in &heap.types {
        let Some(held) = row.held_by.as_ref().filter(|h| h.sampled > 0) else { continue };
        for group in held.groups.iter().take(2).filter(|g| g.share >= 0.1) {
            let share = units::percent(group.share);
            let who = style.green(&holder(&group.holder, lang));
            let (asked, all) = (thousands(held.sampled), thousands(held.instances));
            let line = if held.sampled < held.instances {
                lang.fill(Heap::HoldersSample, &[&share, &asked, &all, &row.type_name, &who])
            } else {
                lang.fill(Heap::HoldersLine, &[&share, &all, &row.type_name, &who])
            };
            out.push_str(&format!("  {line}\n"));
            if !group.holder.path.is_empty() && group.holder.path != group.holder.name {
                let path = lang.fill(Heap::Path, &[&group.holder.path]);
                out.push_str(&format!("    {}\n", style.dim(&path)));
            }
        }
    }
    out
}

fn holdings_table(heap: &Summary) -> String {
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Left], 2);
    let mut lines = 0;
    for holding in &heap.holdings {
        holding_rows(holding, heap.bytes.max(1) as f64, 0, &mut lines, &mut table);
    }
    table.render()
}

fn holding_rows(holding: &Holding, whole: f64, depth: usize, lines: &mut usize, table: &mut Table) {
    let share = holding.retained_bytes as f64 / whole;
    if *lines >= HOLDINGS || (depth > 0 && share < 0.02) || depth > 4 {
        return;
    }
    *lines += 1;
    let count =
        if holding.objects > 1 { format!(" ×{}", thousands(holding.objects)) } else { String::new() };
    let kind =
        if holding.name == holding.type_name { String::new() } else { format!(" ({})", holding.type_name) };
    let name = format!("{}{}{kind}{count}", "  ".repeat(depth), holding.name);
    table.row([bytes(holding.retained_bytes), units::percent(share), name]);
    for part in &holding.parts {
        holding_rows(part, whole, depth + 1, lines, table);
    }
}

fn loose(heap: &Summary, style: Style) -> String {
    let kinds = [
        (Heap::NoReferrer, heap.no_referrer),
        (Heap::Native, heap.native),
        (Heap::Uncollectable, heap.uncollectable),
        (Heap::Garbage, heap.garbage),
    ];
    let mut out = String::new();
    for (text, loose) in kinds.into_iter().filter(|(_, l)| l.objects > 0) {
        if out.is_empty() {
            section(&mut out, Heap::LooseHead, style);
        }
        let values = [style.lang.say(text).to_owned(), thousands(loose.objects), bytes(loose.bytes)];
        let line = style.lang.fill(Heap::LooseLine, &[&values[0], &values[1], &values[2]]);
        out.push_str(&format!("  {line}\n"));
    }
    out
}

/// The report of a series of samples.
#[must_use]
pub fn continuous_text(doc: &SnapshotDoc, style: Style) -> String {
    let lang = style.lang;
    let mut out = snapshot_text(doc, style);
    if !out.is_empty() {
        out.push('\n');
    }
    if let Some(growth) = doc.summary.memory_stats.total_growth_bytes {
        out.push_str(&format!("{}\n", lang.fill(Heap::Resident, &[&signed_bytes(growth)])));
    }
    let lines = doc.growth.as_ref().map(|diff| told_lines(diff, style)).unwrap_or_default();
    lines.iter().take(GREW).for_each(|line| out.push_str(line));
    if !lines.is_empty()
        && let Some(word) = doc.allocations.as_ref().and_then(|a| unseen_lines(a, style))
    {
        out.push_str(&format!("{}\n", style.dim(&word)));
    }
    for leak in &doc.summary.leak_detection {
        let line = lang.fill(Heap::Leak, &[&leak.kind, &leak.severity, &step(leak)]);
        out.push_str(&format!("{}\n", style.red(&line)));
    }
    if doc.summary.leak_detection.is_empty() {
        out.push_str(&format!("{}\n", style.green(lang.say(Heap::NoLeak))));
    }
    out
}

fn step(leak: &LeakFinding) -> String {
    match leak.growth_rate_mb_per_snapshot {
        Some(_) => signed_bytes(leak.growth_per_snapshot as i64),
        None => format!("+{}", units::count(leak.growth_per_snapshot)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::testing::sample;

    #[test]
    fn in_english() {
        insta::assert_snapshot!(snapshot_text(&sample(), Style::default()));
    }

    #[test]
    fn in_chinese() {
        let style = Style { lang: Lang::Zh, color: false };
        insta::assert_snapshot!(snapshot_text(&sample(), style));
    }

    #[test]
    fn as_json() {
        insta::assert_snapshot!(crate::json(&sample()).unwrap());
    }
}
