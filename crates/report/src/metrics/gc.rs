//! The metrics of `m5 gc`: the guide's names, and the ecosystem's beside them.

use super::{Family, Histogram, Kind, Labels};

/// Upper bounds of the histogram of pauses, seconds; 50 ms and 100 ms are the objective and its alert.
pub const PAUSE_BOUNDS: &[f64] =
    &[0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// What one process has done so far, ready to be exposed.
#[derive(Debug, Clone)]
pub struct GcMetrics {
    pid: i32,
    pauses: [Histogram; 3],
    /// Collections by generation since the process started.
    pub collections: [u64; 3],
    /// Objects freed by generation since the process started.
    pub collected: [u64; 3],
    /// Resident memory.
    pub rss_bytes: Option<u64>,
}

impl GcMetrics {
    /// Nothing yet.
    #[must_use]
    pub fn new(pid: i32) -> Self {
        let pauses = [0; 3].map(|_| Histogram::new(PAUSE_BOUNDS));
        Self { pid, pauses, collections: [0; 3], collected: [0; 3], rss_bytes: None }
    }

    /// Counts a pause; one of unknown generation has no place in a histogram by generation.
    pub fn observe(&mut self, generation: Option<u8>, seconds: f64) {
        if let Some(pauses) = generation.and_then(|g| self.pauses.get_mut(usize::from(g))) {
            pauses.observe(seconds);
        }
    }

    /// The families, in a fixed order.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let of = Labels::new().with("pid", self.pid.to_string());
        let by = |g: usize| of.with("generation", g.to_string());
        let mut pauses = Family::new(
            "gc_pause_duration_seconds",
            Kind::Histogram,
            "Pauses of the garbage collector that were observed.",
        );
        let mut counts = ["gc_collections_by_generation_total", "python_gc_collections_total"]
            .map(|name| Family::new(name, Kind::Counter, "Collections since the process started."));
        let mut freed = Family::new(
            "python_gc_objects_collected_total",
            Kind::Counter,
            "Objects that the collector freed since the process started.",
        );
        for g in 0..3 {
            pauses.push_histogram(&by(g), self.pauses[g].clone());
            counts.iter_mut().for_each(|f| f.push(&by(g), Some(self.collections[g] as f64)));
            freed.push(&by(g), Some(self.collected[g] as f64));
        }
        let mut rss = ["process_memory_rss_bytes", "process_resident_memory_bytes"]
            .map(|name| Family::new(name, Kind::Gauge, "Resident memory."));
        rss.iter_mut().for_each(|f| f.push(&of, self.rss_bytes.map(|b| b as f64)));
        std::iter::once(pauses).chain(counts).chain([freed]).chain(rss).collect()
    }
}
