//! Writing: all of it or none of it, and for the owner's eyes only.

use super::column::{fold, put};
use super::{Head, MAGIC, SnapfileError, VERSION, tag};
use crate::take::idle_threads::on_idle_threads;
use crate::{HeapGraph, Snapshot, StoredNames};
use rayon::prelude::*;
use std::io::{self, Write};
use std::path::Path;

/// Level 1 keeps up with the disk; higher ones save a few per cent.
const LEVEL: i32 = 1;

/// Writes a snapshot to a file, as [`m5_process::write_whole`] does.
///
/// # Errors
/// [`SnapfileError::Io`] as the system says.
pub fn save_snapshot(snapshot: &Snapshot, path: &Path) -> Result<(), SnapfileError> {
    m5_process::write_whole(path, |out| write_snapshot(snapshot, out))
        .map_err(|source| SnapfileError::Io { path: path.display().to_string(), source })
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
    let json = |tag, value: &[u8]| section(tag, |out| out.write_all(value));
    out.write_all(&json(tag::HEAD, &serde_json::to_vec(&head)?)?)?;
    let native = serde_json::to_vec(&(&snapshot.native, &snapshot.names.limits))?;
    out.write_all(&json(tag::NATIVE, &native)?)?;
    // Each column is packed by itself, as many at a time as there are processors.
    let pack = |(tag, column): &Column| section(*tag, |out| column(snapshot, out));
    for packed in on_idle_threads(|| COLUMNS.par_iter().map(pack).collect::<Vec<_>>()) {
        out.write_all(&packed?)?;
    }
    Ok(())
}

/// A column's tag, and what writes its bytes.
type Column = ([u8; 4], fn(&Snapshot, &mut Packer) -> io::Result<()>);

const COLUMNS: [Column; 7] = [
    (tag::ADDRESS, |s, out| differences(s.graph.address.iter().copied(), out)),
    (tag::TYPE, |s, out| plain(s.graph.type_id.iter().map(|t| u64::from(*t)), out)),
    (tag::SIZE, |s, out| plain(s.graph.size.iter().copied(), out)),
    (tag::DEGREE, |s, out| plain((0..s.graph.len() as u32).map(|o| s.graph.edges(o).len() as u64), out)),
    (tag::EDGE, |s, out| edges(&s.graph, out)),
    (tag::NAMES, |s, out| names(&s.names, out)),
    (tag::ITEMS, |s, out| items(&s.names, out)),
];

/// Packs what is written to it piece by piece, so that no column lies unpacked beside itself.
struct Packer {
    encoder: zstd::stream::Encoder<'static, Vec<u8>>,
    piece: Vec<u8>,
    length: u64,
}

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

impl Packer {
    fn put(&mut self, value: u64) -> io::Result<()> {
        put(&mut self.piece, value);
        if self.piece.len() >= PIECE { self.flush() } else { Ok(()) }
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        self.flush().map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.length += self.piece.len() as u64;
        self.encoder.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

/// Tag, lengths, packed bytes.
fn section(tag: [u8; 4], write: impl FnOnce(&mut Packer) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut out = tag.to_vec();
    out.extend([0; 16]);
    let head = out.len();
    let mut encoder = zstd::stream::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut packer = Packer { encoder, piece: Vec::with_capacity(PIECE), length: 0 };
    write(&mut packer)?;
    packer.flush()?;
    let length = packer.length;
    let mut out = packer.encoder.finish()?;
    let lengths = [(out.len() - head) as u64, length].map(u64::to_le_bytes);
    if let Some(slot) = out.get_mut(tag.len()..head) {
        slot.copy_from_slice(lengths.as_flattened());
    }
    Ok(out)
}

fn plain(mut values: impl Iterator<Item = u64>, out: &mut Packer) -> io::Result<()> {
    values.try_for_each(|v| out.put(v))
}

fn differences(values: impl Iterator<Item = u64>, out: &mut Packer) -> io::Result<()> {
    let mut before = 0;
    plain(values.map(|v| v.wrapping_sub(std::mem::replace(&mut before, v))), out)
}

/// Each target as its distance from the source: objects that belong together lie together.
fn edges(graph: &HeapGraph, out: &mut Packer) -> io::Result<()> {
    for from in 0..graph.len() as u32 {
        for to in graph.edges(from) {
            out.put(fold(i64::from(*to) - i64::from(from)))?;
        }
    }
    Ok(())
}

fn names(names: &StoredNames, out: &mut Packer) -> io::Result<()> {
    let mut before = 0;
    for ((to, from), name) in names.to.iter().zip(&names.from).zip(&names.name) {
        out.put(u64::from(*to - std::mem::replace(&mut before, *to)))?;
        out.put(fold(i64::from(*from) - i64::from(*to)))?;
        out.put(u64::from(*name))?;
    }
    Ok(())
}

fn items(names: &StoredNames, out: &mut Packer) -> io::Result<()> {
    let mut before = 0;
    for (container, items) in names.container.iter().zip(&names.items) {
        out.put(u64::from(*container - std::mem::replace(&mut before, *container)))?;
        out.put(*items)?;
    }
    Ok(())
}
