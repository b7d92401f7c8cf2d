use super::*;
use crate::testing::{arbitrary_graph, sample_info};
use crate::{EdgeName, MemoryTree, Snapshot, StoredNames};
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

fn snapshot(graph: crate::HeapGraph) -> Snapshot {
    let names = StoredNames {
        table: vec![EdgeName::Attribute("history".into()), EdgeName::Index(3)],
        to: vec![0],
        from: vec![graph.len() as u32 - 1],
        name: vec![1],
        container: vec![0],
        items: vec![120_400],
        limits: vec![(0, 500_000)],
    };
    let memory = Some(MemoryTree::sum("rss", vec![MemoryTree::leaf("objects", 7)]));
    Snapshot {
        info: sample_info(),
        graph,
        names,
        memory,
        fds: Vec::new(),
        native: crate::NativeMemory::default(),
    }
}

fn bytes(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    write_snapshot(snapshot, &mut out).unwrap();
    out
}

#[test]
fn a_file_is_private_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.m5snap");
    let snapshot = snapshot(crate::testing::graph(3, &[(0, 1), (2, 0)], &[]));
    save_snapshot(&snapshot, &path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(read_snapshot(&path).unwrap(), snapshot);
}

#[test]
fn a_pipe_stays_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let snapshot = snapshot(crate::testing::graph(3, &[(0, 1), (2, 0)], &[]));
    let read = std::thread::spawn({
        let path = path.clone();
        move || std::fs::read(path).unwrap()
    });
    save_snapshot(&snapshot, &path).unwrap();
    assert!(!std::fs::metadata(&path).unwrap().is_file());
    assert_eq!(read_snapshot_from(&read.join().unwrap(), "pipe").unwrap(), snapshot);
}

#[test]
fn foreign_newer_and_missing_files_say_so() {
    let foreign = read_snapshot_from(b"PK\x03\x04", "x.zip").unwrap_err();
    assert!(matches!(foreign, SnapfileError::Foreign { .. }), "{foreign}");
    let mut newer = bytes(&snapshot(crate::testing::graph(1, &[], &[])));
    newer[8] = 9;
    let newer = read_snapshot_from(&newer, "x").unwrap_err();
    assert!(matches!(newer, SnapfileError::Newer { version: 9, .. }), "{newer}");
    let missing = read_snapshot(std::path::Path::new("/nowhere/x.m5snap")).unwrap_err();
    assert!(matches!(missing, SnapfileError::Io { .. }), "{missing}");
}

#[test]
fn a_section_that_unpacks_to_gigabytes_is_refused() {
    let raw = vec![0_u8; 200 << 20];
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    let packed = zstd::bulk::compress(&raw, 1).unwrap();
    file.extend(tag::HEAD);
    file.extend((packed.len() as u64).to_le_bytes());
    file.extend((raw.len() as u64).to_le_bytes());
    file.extend(packed);
    let refused = read_snapshot_from(&file, "bomb").unwrap_err();
    assert!(refused.to_string().contains("claims"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn what_is_written_comes_back(g in arbitrary_graph(40, 120)) {
        let snapshot = snapshot(g);
        prop_assert_eq!(read_snapshot_from(&bytes(&snapshot), "x").unwrap(), snapshot);
    }

    #[test]
    fn a_cut_file_is_an_error(g in arbitrary_graph(10, 20), share in 0.0..1.0) {
        let whole = bytes(&snapshot(g));
        let cut = (whole.len() as f64 * share) as usize;
        prop_assert!(read_snapshot_from(&whole[..cut], "x").is_err());
    }

    #[test]
    fn damage_never_panics(g in arbitrary_graph(10, 20), hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut file = bytes(&snapshot(g));
        for (at, byte) in hits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let _ = read_snapshot_from(&file, "x");
    }

    #[test]
    fn hostile_columns_never_panic(columns in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 7)) {
        let whole = snapshot(crate::testing::graph(2, &[(0, 1)], &[]));
        let head = Head {
            info: whole.info, types: whole.graph.types, roots: vec![], names: vec![], memory: None, fds: vec![],
        };
        let mut file = MAGIC.to_vec();
        file.extend(VERSION.to_le_bytes());
        let tags = [tag::ADDRESS, tag::TYPE, tag::SIZE, tag::DEGREE, tag::EDGE, tag::NAMES, tag::ITEMS];
        let head = serde_json::to_vec(&head).unwrap();
        for (tag, raw) in std::iter::once((tag::HEAD, head)).chain(tags.into_iter().zip(columns)) {
            let packed = zstd::bulk::compress(&raw, 1).unwrap();
            file.extend(tag);
            file.extend((packed.len() as u64).to_le_bytes());
            file.extend((raw.len() as u64).to_le_bytes());
            file.extend(packed);
        }
        let _ = read_snapshot_from(&file, "x");
    }
}
