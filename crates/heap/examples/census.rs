//! `census PID [fork|freeze|live]`: counts objects by type.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::expect_used)]
use m5_heap::{Anchor, CaptureOptions, Census, Method, capture};
use m5_target::Process;
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
    let anchor = Anchor::of(&process).expect("python");
    let taken = capture(&process, &CaptureOptions { method, ..CaptureOptions::default() }).unwrap();
    println!("{:?}", taken.report);
    let t = Instant::now();
    let census = Census::take(&taken.image, &anchor);
    println!(
        "{} objects, {} types, {:?}, {:?}",
        census.len(),
        census.types.descs.len(),
        t.elapsed(),
        census.pools
    );
    let mut counts = vec![0u64; census.types.descs.len()];
    for t in &census.type_of {
        counts[*t as usize] += 1;
    }
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(counts[*i]));
    for i in order.iter().take(20) {
        println!("{:>9} {}", counts[*i], census.types.descs[*i].name);
    }
    for r in census.heaps.regions.iter().take(8) {
        println!(
            "{:?} {:#x}..{:#x} broken {} chunks {} top {:?}",
            r.kind,
            r.start,
            r.end,
            r.broken,
            r.chunks.len(),
            r.top
        );
    }
}
