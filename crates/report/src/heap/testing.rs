//! A small heap for the tests of every form.

use super::doc::{GuideSummary, SNAPSHOT_SCHEMA, Sample, SnapshotDoc};
use m5_heap::{
    BesideRss, Coverage, EdgeName, FdHolder, Fragmentation, HeapGraph, MemoryTree, OwnerState, Pinning,
    QueuedFor, Root, RootKind, Snapshot, SnapshotInfo, StoredNames, SummaryOptions, TypeInfo, summarize,
};

/// `engine.FEED.history` with ticks, an object that nobody holds and a cycle.
pub(super) fn sample_snapshot() -> Snapshot {
    grown(200, 1_700_000_000.0)
}

/// The same with more ticks, later.
pub(super) fn grown(ticks: u32, taken_at: f64) -> Snapshot {
    let types = ["module", "dict", "engine.Feed", "list", "engine.Tick", "app.Lost", "app.Cycle"];
    let mut kinds = vec![0, 1, 2, 3, 5, 6];
    let mut size = vec![72, 1024, 48, 56 + 8 * u64::from(ticks), 64, 48];
    kinds.extend(std::iter::repeat_n(4, ticks as usize));
    size.extend(std::iter::repeat_n(56, ticks as usize));
    let mut edge_to = vec![1, 2, 3];
    edge_to.extend(6..6 + ticks);
    edge_to.push(5);
    let after_list = 3 + ticks;
    let mut edge_start = vec![0, 1, 2, 3, after_list, after_list, after_list + 1];
    edge_start.extend(std::iter::repeat_n(after_list + 1, ticks as usize));
    let graph = HeapGraph {
        types: (0..).zip(types).map(|(i, n)| TypeInfo { name: n.into(), address: 0x100 + i }).collect(),
        address: (0..kinds.len() as u64).map(|i| 0x7f00_0000 + i * 64).collect(),
        type_id: kinds.into(),
        size,
        edge_start,
        edge_to,
        roots: vec![
            Root { object: 0, kind: RootKind::Module, name: "module engine".into() },
            Root { object: 4, kind: RootKind::Unexplained, name: String::new() },
        ],
    };
    let names = StoredNames {
        table: vec![
            EdgeName::Attribute("__dict__".into()),
            EdgeName::Key("FEED".into()),
            EdgeName::Attribute("history".into()),
        ],
        to: vec![1, 2, 3],
        from: vec![0, 1, 2],
        name: vec![0, 1, 2],
        container: vec![3],
        items: vec![u64::from(ticks)],
        limits: Vec::new(),
    };
    Snapshot {
        info: info(taken_at),
        graph,
        names,
        memory: Some(memory()),
        fds: fds(),
        native: m5_heap::NativeMemory::default(),
    }
}

fn info(taken_at: f64) -> SnapshotInfo {
    SnapshotInfo {
        identity: m5_process::Identity { pid: 4711, start_ticks: 99 },
        command: "python3 engine.py".into(),
        python: "3.12.1".into(),
        taken_at,
        age_seconds: Some(3720.0),
        method: "fork".into(),
        pause_seconds: Some(0.0031),
        total_seconds: Some(0.5),
        rss_bytes: Some(64 << 20),
        coverage: Coverage {
            refcounts_explained: Some(0.985),
            reachable: Some(0.9997),
            rss_explained: Some(0.998),
            inconsistencies: Some(0),
        },
        full_collections: Some(12),
        beside_rss: Some(BesideRss { page_table_bytes: Some(3 << 20), swap_bytes: Some(0) }),
        fragmentation: Some(Fragmentation {
            sparse_arenas: 3,
            pinned_bytes: 2 << 20,
            pinning: vec![Pinning { type_name: "dict".into(), objects: 12, arenas: 3 }],
        }),
        free_elsewhere: None,
        queued: vec![QueuedFor {
            thread: 4712,
            state: Some(OwnerState::Sleeps),
            objects: 1_200,
            bytes: 57_600,
        }],
        notes: vec!["freeze was not needed".into()],
    }
}

fn memory() -> MemoryTree {
    let objects = vec![MemoryTree::leaf("engine.Tick", 20 << 20), MemoryTree::leaf("dict", 4 << 20)];
    MemoryTree::sum(
        "rss",
        vec![
            MemoryTree::sum("python_objects", objects),
            MemoryTree::sum("pymalloc", vec![MemoryTree::leaf("pymalloc_free_blocks", 16 << 20)]),
            MemoryTree::sum("native_heap", vec![MemoryTree::leaf("native_free", 12 << 20)]),
            MemoryTree::leaf("libraries", 11 << 20),
            MemoryTree::leaf("unexplained", 1 << 20),
        ],
    )
}

fn fds() -> Vec<FdHolder> {
    let base = FdHolder {
        fd: 7,
        kind: "socket".into(),
        state: Some("CLOSE_WAIT".into()),
        peer: Some("10.0.0.5:443".into()),
        owner: None,
        holder: None,
    };
    vec![FdHolder { fd: 3, kind: "pipe".into(), state: None, peer: None, ..base.clone() }, base]
}

/// A whole document.
pub(super) fn sample() -> SnapshotDoc {
    let snapshot = sample_snapshot();
    let options = SummaryOptions { top: 10, ..SummaryOptions::default() };
    let at = Sample { at_seconds: 0.0, rss_bytes: 64 << 20, open_fds: Some(9) };
    SnapshotDoc {
        schema: SNAPSHOT_SCHEMA.into(),
        summary: GuideSummary::of(&[at]),
        samples: Vec::new(),
        heap: Some(summarize(&snapshot, &options)),
        info: Some(snapshot.info),
        verdict: snapshot.memory.as_ref().and_then(super::MemoryVerdict::of),
        memory: snapshot.memory,
        fds: snapshot.fds,
        process: None,
        tree: None,
        growth: None,
        allocations: None,
    }
}
