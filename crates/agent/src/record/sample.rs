//! From readings to a sample.

use m5_cpython::{GcState, PoolUse, Population};
use m5_process::{FdKind, Reading};
use m5_report::doc::Sample;

/// What the kernel says.
pub(crate) fn process_sample(reading: &Reading, t_seconds: f64, ticks: f64) -> Sample {
    let (stat, status) = (&reading.stat, &reading.status);
    let kind =
        |kind: FdKind| reading.fds.as_ref().map(|fds| fds.by_kind.get(&kind).copied().unwrap_or_default());
    Sample {
        t_seconds,
        rss_bytes: status.rss_bytes,
        peak_rss_bytes: status.peak_rss_bytes,
        anon_bytes: status.anon_bytes,
        file_bytes: status.file_bytes,
        shmem_bytes: status.shmem_bytes,
        swap_bytes: status.swap_bytes,
        virtual_bytes: status.virtual_bytes,
        threads: Some(stat.threads),
        cpu_seconds: Some((stat.user_ticks + stat.system_ticks) as f64 / ticks),
        minor_faults: Some(stat.minor_faults),
        major_faults: Some(stat.major_faults),
        voluntary_switches: status.voluntary_switches,
        involuntary_switches: status.involuntary_switches,
        fds: reading.fds.as_ref().map(|fds| fds.total),
        fds_file: kind(FdKind::File),
        fds_socket: kind(FdKind::Socket),
        fds_pipe: kind(FdKind::Pipe),
        fds_eventpoll: kind(FdKind::Eventpoll),
        fds_anon: kind(FdKind::Anon),
        fds_memfd: kind(FdKind::Memfd),
        ..Sample::default()
    }
}

/// Adds what the collector says.
pub(crate) fn collector_sample(sample: &mut Sample, state: &GcState) {
    let [g0, g1, g2] = &state.generations;
    (sample.gc0_collections, sample.gc0_collected) = (Some(g0.collections), Some(g0.collected));
    (sample.gc1_collections, sample.gc1_collected) = (Some(g1.collections), Some(g1.collected));
    (sample.gc2_collections, sample.gc2_collected) = (Some(g2.collections), Some(g2.collected));
    sample.gc_uncollectable = Some(state.generations.iter().map(|g| g.uncollectable).sum());
}

/// Adds how many objects it keeps.
pub(crate) fn population_sample(sample: &mut Sample, population: &Population) {
    sample.gc_long_lived_objects = population.long_lived;
    sample.gc_live_objects = population.live;
}

/// Objects that the collector tracks, where no collection ran since `begin`: all that were made or freed since are in the
/// count of the first generation. Those that had survived one collection before are left out, always the same ones.
pub(super) fn uncollected(begin: &GcState, now: &GcState, population: &Population) -> Option<u64> {
    let ran = |state: &GcState| state.generations.iter().map(|g| g.collections).sum::<u64>();
    let old = population.long_lived.unwrap_or(0) + population.pending.unwrap_or(0);
    (ran(begin) == ran(now)).then(|| old + u64::try_from(now.generations[0].count).unwrap_or(0))
}

/// Adds what its allocator holds.
pub(super) fn allocator_sample(sample: &mut Sample, used: &PoolUse) {
    sample.python_arena_bytes = Some(used.arena_bytes);
    sample.python_small_blocks = Some(used.blocks);
    sample.python_small_block_bytes = Some(used.block_bytes);
    sample.python_large_blocks = used.large_blocks;
}
