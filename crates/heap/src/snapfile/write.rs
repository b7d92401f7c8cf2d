//! Writing: all of it or none of it, and for the owner's eyes only.

use super::column::{fold, put};
use super::{Head, MAGIC, SnapfileError, VERSION, tag};
use crate::take::idle_threads::on_idle_threads;
use crate::{HeapGraph, Snapshot, StoredNames};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Level 1 keeps up with the disk; higher ones save a few per cent.
const LEVEL: i32 = 1;

/// Writes a snapshot to a file: first under a temporary name beside it, mode 0600, then renamed; what is no
/// regular file (a pipe, a device) is written directly.
///
/// # Errors
/// [`SnapfileError::Io`] as the system says.
pub fn save_snapshot(snapshot: &Snapshot, path: &Path) -> Result<(), SnapfileError> {
    let io = |source| SnapfileError::Io { path: path.display().to_string(), source };
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let mut out = BufWriter::new(File::options().write(true).open(path).map_err(io)?);
        return write_snapshot(snapshot, &mut out).and_then(|()| out.flush()).map_err(io);
    }
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    write_snapshot(snapshot, &mut file).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Writes a snapshot anywhere.
///
/// # Errors
/// Those of `out`.
pub fn write_snapshot(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let graph = &snapshot.graph;
    let head = Head {
        info: snapshot.info.clone(),
        types: graph.types.clone(),
        roots: graph.roots.clone(),
        names: snapshot.names.table.clone(),
        memory: snapshot.memory.clone(),
        fds: snapshot.fds.clone(),
    };
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&section(tag::HEAD, &serde_json::to_vec(&head)?)?)?;
    out.write_all(&section(tag::NATIVE, &serde_json::to_vec(&(&snapshot.native, &snapshot.names.limits))?)?)?;
    // Each column is packed by itself, as many at a time as there are processors.
    let pack = |(tag, raw): &Column| section(*tag, &raw(snapshot));
    for packed in on_idle_threads(|| COLUMNS.par_iter().map(pack).collect::<Vec<_>>()) {
        out.write_all(&packed?)?;
    }
    Ok(())
}

/// A column's tag and its bytes.
type Column = ([u8; 4], fn(&Snapshot) -> Vec<u8>);

const COLUMNS: [Column; 7] = [
    (tag::ADDRESS, |s| differences(s.graph.address.iter().copied())),
    (tag::TYPE, |s| plain(s.graph.type_id.iter().map(|t| u64::from(*t)))),
    (tag::SIZE, |s| plain(s.graph.size.iter().copied())),
    (tag::DEGREE, |s| plain((0..s.graph.len() as u32).map(|o| s.graph.edges(o).len() as u64))),
    (tag::EDGE, |s| edges(&s.graph)),
    (tag::NAMES, |s| names(&s.names)),
    (tag::ITEMS, |s| items(&s.names)),
];

/// Tag, lengths, packed bytes.
fn section(tag: [u8; 4], raw: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = tag.to_vec();
    out.extend([0; 8]);
    out.extend((raw.len() as u64).to_le_bytes());
    let head = out.len();
    let mut encoder = zstd::stream::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(raw)?;
    let mut out = encoder.finish()?;
    let packed = (out.len() - head) as u64;
    if let Some(slot) = out.get_mut(tag.len()..tag.len() + 8) {
        slot.copy_from_slice(&packed.to_le_bytes());
    }
    Ok(out)
}

fn plain(values: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    values.for_each(|v| put(&mut out, v));
    out
}

fn differences(values: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut before = 0;
    plain(values.map(|v| v.wrapping_sub(std::mem::replace(&mut before, v))))
}

/// Each target as its distance from the source: objects that belong together lie together.
fn edges(graph: &HeapGraph) -> Vec<u8> {
    let mut out = Vec::with_capacity(graph.edge_to.len() * 3);
    for from in 0..graph.len() as u32 {
        for to in graph.edges(from) {
            put(&mut out, fold(i64::from(*to) - i64::from(from)));
        }
    }
    out
}

fn names(names: &StoredNames) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = 0;
    for ((to, from), name) in names.to.iter().zip(&names.from).zip(&names.name) {
        put(&mut out, u64::from(*to - std::mem::replace(&mut before, *to)));
        put(&mut out, fold(i64::from(*from) - i64::from(*to)));
        put(&mut out, u64::from(*name));
    }
    out
}

fn items(names: &StoredNames) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = 0;
    for (container, items) in names.container.iter().zip(&names.items) {
        put(&mut out, u64::from(*container - std::mem::replace(&mut before, *container)));
        put(&mut out, *items);
    }
    out
}
