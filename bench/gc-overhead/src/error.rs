//! How near the pauses are to what `gc.callbacks` measured in the same run.

use crate::median;
use crate::target::Worker;
use crate::way::Way;

/// Prints the difference: both saw the same collections, so the n-th is the n-th.
pub(crate) fn compare(worker: &mut Worker, work: u64) {
    worker.callbacks("note");
    let run = Way::Unlimited.run(worker, work);
    let truth = worker.log();
    worker.callbacks("0");
    if truth.len() != run.pauses.len() {
        return println!("{} collections, {} seen: not compared", truth.len(), run.pauses.len());
    }
    let pairs = run.pauses.iter().zip(&truth);
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
