//! A snapshot file, which may come from anywhere: as it is, and with sound packing around foreign columns. What
//! can be read can be summed up, compared and exported.
#![no_main]

use libfuzzer_sys::fuzz_target;
use m5_heap::{Snapshot, SummaryOptions, diff, read_snapshot_from, summarize, write_snapshot};
use m5_report::heap::{folded, heapsnapshot, pprof};

const COLUMNS: [&[u8; 4]; 7] = [b"ADDR", b"TYPE", b"SIZE", b"DEGR", b"EDGE", b"NAMS", b"ITMS"];
/// Two types, a root, a name.
const HEAD: &str = r#"{"info":{"identity":{"pid":1,"start_ticks":1},"command":"python","python":"3.12.1",
"taken_at":1.0,"age_seconds":null,"method":"fork","pause_seconds":null,"total_seconds":null,"rss_bytes":null,
"coverage":{"refcounts_explained":null,"reachable":null,"rss_explained":null,"inconsistencies":null},"notes":[]},
"types":[{"name":"dict","address":1},{"name":"app.T","address":2}],"roots":[{"object":0,"kind":"module","name":"module app"}],
"names":[{"attribute":"x"}],"memory":null,"fds":[]}"#;

fuzz_target!(|data: &[u8]| {
    if let Ok(snapshot) = read_snapshot_from(data, "raw") {
        use_it(&snapshot);
    }
    if let Ok(snapshot) = read_snapshot_from(&packed(data), "packed") {
        use_it(&snapshot);
    }
});

/// A file whose columns are the input, cut where a byte of it says.
fn packed(data: &[u8]) -> Vec<u8> {
    let mut file = b"\x89M5SNAP\n\x01\0\0\0".to_vec();
    let mut section = |tag: &[u8], raw: &[u8]| {
        let packed = zstd::bulk::compress(raw, 1).unwrap_or_default();
        file.extend(tag);
        file.extend((packed.len() as u64).to_le_bytes());
        file.extend((raw.len() as u64).to_le_bytes());
        file.extend(packed);
    };
    section(b"HEAD", HEAD.as_bytes());
    let mut rest = data;
    for tag in COLUMNS {
        let (length, after) = rest.split_first().unwrap_or((&0, &[]));
        let (column, after) = after.split_at(usize::from(*length).min(after.len()));
        section(tag, column);
        rest = after;
    }
    file
}

fn use_it(snapshot: &Snapshot) {
    let summary = summarize(snapshot, &SummaryOptions::default());
    let _ = (folded(&summary), pprof(&summary, &snapshot.info));
    let mut out = Vec::new();
    let _ = heapsnapshot(snapshot, &mut out);
    let _ = diff(snapshot, snapshot);
    out.clear();
    if write_snapshot(snapshot, &mut out).is_ok() {
        let again = read_snapshot_from(&out, "again");
        assert_eq!(again.ok().as_ref(), Some(snapshot));
    }
}
