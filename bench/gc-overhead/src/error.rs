//! How near the pauses are to what `gc.callbacks` measured in the same run.

use crate::median;
use crate::target::Worker;
use crate::way::Way;
use m5_gc::Pause;

/// Prints the difference: both saw the same collections, so the n-th is the n-th.
pub(crate) fn compare(worker: &mut Worker, work: u64) {
    worker.callbacks("note");
    let run = Way::Unlimited.run(worker, work);
    let truth = worker.log();
    worker.callbacks("0");
    // One more is seen where a collection falls between the watch's opening or closing and the callbacks'.
    let logged = truth.first().zip(truth.last()).map_or(0..0, |(first, last)| first[0]..last[1]);
    let within = |p: &&Pause| p.start_ns < logged.end && p.start_ns + p.duration_ns > logged.start;
    let pauses: Vec<&Pause> = run.pauses.iter().filter(within).collect();
    if truth.len() != pauses.len() {
        return println!("{} collections, {} seen: not compared", truth.len(), pauses.len());
    }
    let pairs = pauses.iter().zip(&truth);
    let mut errors: Vec<f64> = pairs
        .filter(|(_, [_, _, generation])| *generation == 0)
        .map(|(pause, [start, stop, _])| (pause.duration_ns as f64 - (stop - start) as f64) / 1e3)
        .collect();
    let middle = median(&mut errors);
    let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    let size = median(&mut sizes);
    let worst = m5_stats::quantile(&sizes, 0.99).expect("there are some");
    println!(
        "{:>10} collections: error median {middle:+.1} µs; its size: median {size:.1} µs, p99 {worst:.1} µs",
        errors.len()
    );
}
