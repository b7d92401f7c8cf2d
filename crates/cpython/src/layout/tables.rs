//! The tables themselves, oldest version first.

use super::{Collector, GcAt, Layout, Stats};

const CLASSIC: Layout = Layout {
    name: "",
    runtime_sizes: &[],
    interpreters_main: 40,
    gc: GcAt::Interpreter(0),
    enabled: 12,
    generations: 24,
    generation0: Some(96),
    collecting: 200,
    stats: Stats::Inline { offset: 128 },
    collector: Collector::Generational,
};

/// Every layout that m5 knows.
pub const TABLES: &[Layout] = &[
    Layout { name: "3.8", runtime_sizes: &[1464], gc: GcAt::Runtime(344), ..CLASSIC },
    Layout { name: "3.9", runtime_sizes: &[656], gc: GcAt::Interpreter(616), ..CLASSIC },
    Layout { name: "3.10", runtime_sizes: &[672], gc: GcAt::Interpreter(616), ..CLASSIC },
    Layout {
        name: "3.11",
        runtime_sizes: &[166_680, 166_688],
        interpreters_main: 48,
        gc: GcAt::Interpreter(648),
        ..CLASSIC
    },
    Layout {
        name: "3.12",
        runtime_sizes: &[459_944],
        interpreters_main: 48,
        gc: GcAt::Interpreter(112),
        ..CLASSIC
    },
    Layout {
        name: "3.13",
        runtime_sizes: &[283_320, 283_376],
        interpreters_main: 640,
        gc: GcAt::Interpreter(7400),
        ..CLASSIC
    },
    Layout {
        name: "3.13 (aligned heads)",
        runtime_sizes: &[283_408],
        interpreters_main: 640,
        gc: GcAt::Interpreter(7400),
        generations: 20,
        ..CLASSIC
    },
    Layout {
        name: "3.14 (incremental)",
        runtime_sizes: &[316_536, 316_592],
        interpreters_main: 816,
        gc: GcAt::Interpreter(7408),
        generation0: None,
        collecting: 192,
        stats: Stats::Inline { offset: 120 },
        collector: Collector::Incremental,
        ..CLASSIC
    },
    Layout {
        name: "3.14",
        runtime_sizes: &[316_616],
        interpreters_main: 816,
        gc: GcAt::Interpreter(7408),
        generation0: Some(256),
        collecting: 192,
        stats: Stats::Inline { offset: 120 },
        ..CLASSIC
    },
    Layout {
        name: "3.15",
        runtime_sizes: &[346_568],
        interpreters_main: 944,
        gc: GcAt::Interpreter(7400),
        enabled: 0,
        generations: 8,
        generation0: Some(168),
        collecting: 112,
        stats: Stats::Ring { pointer: 104 },
        ..CLASSIC
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_names_one_layout() {
        let mut sizes: Vec<u64> = TABLES.iter().flat_map(|l| l.runtime_sizes).copied().collect();
        let all = sizes.len();
        sizes.sort_unstable();
        sizes.dedup();
        assert_eq!(sizes.len(), all);
    }
}
