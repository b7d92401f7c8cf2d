//! `analyse PID [fork|freeze|live] [held]`: census, references, roots and their self-check, with times.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing
)]
use m5_heap::{
    Accounting, Analysis, Anchor, CaptureOptions, Dominators, HeapGraph, Method, PathTree, Redaction,
    Retained, RootKind, StageTime, Stopwatch, StoredNames, capture,
};
use m5_process::Process;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let process = Process::open(args[1].parse().unwrap()).unwrap();
    let method = match args.get(2).map(String::as_str) {
        Some("fork") => Method::Fork,
        Some("freeze") => Method::Freeze,
        Some("live") => Method::Live,
        _ => Method::Auto,
    };
    if args.iter().any(|word| word == "held") {
        m5_heap::pack_images_from(u64::MAX);
    }
    let anchor = Anchor::of(&process).expect("python");
    let taken =
        capture(&process, &CaptureOptions { method, max_pause: std::time::Duration::from_secs(30) }).unwrap();
    println!("{:?}", taken.report);
    let t = Instant::now();
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    analysis.stages.iter().for_each(lap);
    let c = &analysis.check;
    println!("{:?} in {:?}", c, t.elapsed());
    println!("refcounts explained {:?} reachable {:?}", c.refcounts_explained(), c.reachable_share());
    let mut kinds: BTreeMap<RootKind, usize> = BTreeMap::new();
    for r in &analysis.graph.roots {
        *kinds.entry(r.kind).or_default() += 1;
        if matches!(r.kind, RootKind::Frame | RootKind::Native | RootKind::Unexplained) && kinds[&r.kind] < 12
        {
            let t = analysis.graph.type_id[r.object as usize];
            println!("  {:?} {} -> {}", r.kind, r.name, analysis.graph.types[t as usize].name);
        }
    }
    println!("{kinds:?}");
    let mut by_type: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (t, s) in analysis.graph.type_id.iter().zip(&analysis.graph.size) {
        let e = by_type.entry(&analysis.graph.types[*t as usize].name).or_default();
        e.0 += 1;
        e.1 += s;
    }
    let mut rows: Vec<_> = by_type.into_iter().collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r.1.1));
    for (name, (n, bytes)) in rows.iter().take(15) {
        println!("{n:>9} {bytes:>12} {name}");
    }
    let mut watch = Stopwatch::default();
    let a = Accounting::of(&taken.image, &analysis, &taken.pages);
    watch.lap("accounting");
    let paths = PathTree::of(&analysis.graph);
    watch.lap("paths");
    let names =
        StoredNames::collect(&analysis.graph, &paths, &analysis.namer(&taken.image), &Redaction::new(false));
    watch.lap("names");
    // As `m5 snapshot` does: what was captured goes before the graph is judged.
    let graph = alone(analysis);
    drop((paths, taken.image));
    let tree = Dominators::of(&graph);
    watch.lap("dominators");
    let retained = Retained::of(&graph, &tree);
    watch.lap("retained");
    watch.stages().iter().for_each(lap);
    println!("{} names, {} types retain", names.name.len(), retained.by_type.len());
    println!("explained {:?} of {}", a.explained, a.tree.bytes);
    for part in &a.tree.children {
        println!(
            "{:>12} {:5.2} % {}",
            part.bytes,
            part.bytes as f64 * 100.0 / a.tree.bytes as f64,
            part.name
        );
        for child in part.children.iter().take(5) {
            println!("      {:>12} {}", child.bytes, child.name);
        }
    }
    println!(
        "sparse arenas {} pinned {} by {:?}",
        a.sparse_arenas,
        a.pinned_bytes,
        a.pinning.iter().take(3).collect::<Vec<_>>()
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    println!("peak {} MiB", peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024);
}

/// The rest goes.
fn alone(analysis: Analysis) -> HeapGraph {
    analysis.graph
}

fn lap(lap: &StageTime) {
    println!("  {:12} {:7.3} s, {:7.3} s of processors", lap.stage, lap.seconds, lap.cpu_seconds);
}
