//! Reading files that anybody may have written.

use super::column::{Numbers, unfold};
use super::{Head, MAGIC, SnapfileError, VERSION, tag};
use crate::graph::model;
use crate::{HeapGraph, NativeMemory, Snapshot, StoredNames};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom, Take};
use std::path::Path;

/// Bytes that are unpacked at a time.
const PIECE: usize = 64 << 10;

/// Bytes that sections may have beyond [`DENSEST`] times the file.
const SLACK: u64 = 64 << 20;
/// Heaps pack about 1 : 20; a file that claims more than this was made to fill memory.
const DENSEST: u64 = 500;

/// Objects are numbered with 32 bits, and some numbers mean something else.
const MOST_OBJECTS: usize = u32::MAX as usize / 2;

/// Reads a snapshot from a file, piece by piece.
///
/// # Errors
/// See [`SnapfileError`].
pub fn read_snapshot(path: &Path) -> Result<Snapshot, SnapfileError> {
    let name = path.display().to_string();
    let io = |source| SnapfileError::Io { path: name.clone(), source };
    let mut file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if meta.is_file() {
        return read_from(&mut file, meta.len(), &name);
    }
    // A pipe tells everything once.
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    read_snapshot_from(&bytes, &name)
}

/// Reads a snapshot from memory; `name` is for messages.
///
/// # Errors
/// See [`SnapfileError`].
pub fn read_snapshot_from(bytes: &[u8], name: &str) -> Result<Snapshot, SnapfileError> {
    read_from(&mut Cursor::new(bytes), bytes.len() as u64, name)
}

fn read_from<R: Read + Seek>(file: &mut R, size: u64, name: &str) -> Result<Snapshot, SnapfileError> {
    let damaged = |detail: String| SnapfileError::Damaged { path: name.to_owned(), detail };
    let mut magic = [0; MAGIC.len()];
    let known = file.read_exact(&mut magic).is_ok() && magic == *MAGIC;
    if !known {
        return Err(SnapfileError::Foreign { path: name.to_owned() });
    }
    let mut version = [0; 4];
    file.read_exact(&mut version).map_err(|_| damaged("no version".into()))?;
    let version = u32::from_le_bytes(version);
    if version > VERSION {
        return Err(SnapfileError::Newer { path: name.to_owned(), version });
    }
    let found = sections(file, size).map_err(damaged)?;
    let mut sections = Sections { file, found, budget: SLACK + DENSEST.saturating_mul(size) };
    decode(&mut sections).map_err(damaged)
}

type Decoded<T> = Result<T, String>;

/// Where the packed bytes of a section are, how many, and how many they are unpacked.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    packed: u64,
    length: u64,
}

/// The sections of a file by tag, and how much they may claim.
struct Sections<'a, R> {
    file: &'a mut R,
    found: BTreeMap<[u8; 4], Place>,
    budget: u64,
}

fn sections<R: Read + Seek>(file: &mut R, size: u64) -> Decoded<BTreeMap<[u8; 4], Place>> {
    let mut found = BTreeMap::new();
    let mut at = (MAGIC.len() + 4) as u64;
    while at < size {
        let cut = || "cut short".to_owned();
        let mut head = [0; 20];
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut head)).map_err(|_| cut())?;
        let number = |from: usize| {
            let bytes = head.get(from..from + 8).and_then(|b| b.try_into().ok());
            bytes.map(u64::from_le_bytes).ok_or_else(cut)
        };
        let (tag, packed, length) = ([head[0], head[1], head[2], head[3]], number(4)?, number(12)?);
        at += head.len() as u64;
        found.insert(tag, Place { at, packed, length });
        at = at.checked_add(packed).filter(|end| *end <= size).ok_or_else(cut)?;
    }
    Ok(found)
}

/// The bytes of a section, unpacked as they are read.
struct Unpacked<'a, R: Read> {
    name: String,
    bytes: Take<BufReader<zstd::stream::Decoder<'static, BufReader<Take<&'a mut R>>>>>,
}

impl<R: Read + Seek> Sections<'_, R> {
    fn unpack(&mut self, tag: [u8; 4]) -> Decoded<Unpacked<'_, R>> {
        let name = String::from_utf8_lossy(&tag).into_owned();
        let place = *self.found.get(&tag).ok_or_else(|| format!("section {name} is missing"))?;
        let left = self.budget.checked_sub(place.length);
        self.budget = left.ok_or_else(|| format!("section {name} claims {} bytes", place.length))?;
        let fail = |e: std::io::Error| format!("section {name}: {e}");
        self.file.seek(SeekFrom::Start(place.at)).map_err(fail)?;
        let packed = BufReader::new((&mut *self.file).take(place.packed));
        let decoder = zstd::stream::Decoder::with_buffer(packed).map_err(fail)?;
        let bytes = BufReader::with_capacity(PIECE, decoder).take(place.length);
        Ok(Unpacked { name, bytes })
    }

    /// What `take` makes of the numbers of a section, which has to read them all.
    fn numbers<T>(
        &mut self,
        tag: [u8; 4],
        take: impl FnOnce(&mut Numbers<&mut Unpacked<'_, R>>) -> Decoded<T>,
    ) -> Decoded<T> {
        let mut unpacked = self.unpack(tag)?;
        let taken = take(&mut Numbers(&mut unpacked))?;
        unpacked.end()?;
        Ok(taken)
    }

    fn json<T: DeserializeOwned>(&mut self, tag: [u8; 4], what: &str) -> Decoded<T> {
        let mut unpacked = self.unpack(tag)?;
        let value = serde_json::from_reader(&mut unpacked).map_err(|e| format!("{what}: {e}"))?;
        unpacked.end()?;
        Ok(value)
    }
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl<R: Read> BufRead for Unpacked<'_, R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl<R: Read> Unpacked<'_, R> {
    /// Whether that was all, no more and no less than was said, and what the checksum is of.
    fn end(self) -> Decoded<()> {
        let (missing, mut rest) = (self.bytes.limit(), self.bytes.into_inner());
        let more = rest.read(&mut [0]).map_err(|e| format!("section {}: {e}", self.name))?;
        match (missing, more) {
            (0, 0) => Ok(()),
            _ => Err(format!("section {} has another length than it says", self.name)),
        }
    }
}

fn decode<R: Read + Seek>(sections: &mut Sections<'_, R>) -> Decoded<Snapshot> {
    let head: Head = sections.json(tag::HEAD, "head")?;
    let mut graph = HeapGraph { types: head.types, roots: head.roots, ..HeapGraph::default() };
    graph.address = sections.numbers(tag::ADDRESS, |all| addresses(all, MOST_OBJECTS))?.into();
    let n = graph.address.len();
    let types = graph.types.len() as u64;
    let kinds: Vec<u32> = sections.numbers(tag::TYPE, |all| numbers(all, types, n))?;
    graph.type_id = same_length("types", kinds, n)?.into();
    let sizes = sections.numbers(tag::SIZE, |all| numbers(all, u64::MAX, n))?;
    graph.size = same_length("sizes", sizes, n)?;
    model::total(&graph.size).ok_or("the sizes add up to more than any memory")?;
    let degrees: Vec<u32> = sections.numbers(tag::DEGREE, |all| numbers(all, u64::MAX, n))?;
    let degrees = same_length("degrees", degrees, n)?;
    sections.numbers(tag::EDGE, |all| edges(&mut graph, &degrees, all))?;
    if graph.roots.iter().any(|r| r.object as usize >= n) {
        return Err("a root is no object".to_owned());
    }
    let mut names = StoredNames { table: head.names, ..StoredNames::default() };
    sections.numbers(tag::NAMES, |all| read_names(&mut names, all, n))?;
    sections.numbers(tag::ITEMS, |all| read_items(&mut names, all, n))?;
    let (native, limits): (NativeMemory, Vec<(u32, u64)>) = match sections.found.contains_key(&tag::NATIVE) {
        true => sections.json(tag::NATIVE, "native memory")?,
        false => Default::default(),
    };
    if native.objects.iter().any(|(object, _)| *object as usize >= n) {
        return Err("native memory belongs to no object".to_owned());
    }
    names.limits = limits;
    Ok(Snapshot { info: head.info, graph, names, memory: head.memory, fds: head.fds, native })
}

/// Numbers below a bound, about so many.
fn numbers<T: TryFrom<u64>>(all: &mut Numbers<impl BufRead>, below: u64, about: usize) -> Decoded<Vec<T>> {
    let mut out = Vec::with_capacity(about);
    for number in all {
        let number = number.filter(|v| *v < below || below == u64::MAX).and_then(|v| T::try_from(v).ok());
        out.push(number.ok_or("a number is out of range")?);
    }
    Ok(out)
}

fn same_length<T>(what: &str, column: Vec<T>, n: usize) -> Decoded<Vec<T>> {
    if column.len() == n { Ok(column) } else { Err(format!("{} {what} for {n} objects", column.len())) }
}

fn addresses(all: &mut Numbers<impl BufRead>, most: usize) -> Decoded<Vec<u64>> {
    let mut at = 0_u64;
    let mut out = Vec::new();
    for step in all {
        let step = step.filter(|s| *s > 0 || out.is_empty());
        at = step.and_then(|s| at.checked_add(s)).ok_or("addresses do not ascend")?;
        out.push(at);
    }
    if out.len() >= most {
        return Err("too many objects".to_owned());
    }
    out.shrink_to_fit();
    Ok(out)
}

fn edges(graph: &mut HeapGraph, degrees: &[u32], distances: &mut Numbers<impl BufRead>) -> Decoded<()> {
    let n = degrees.len() as i64;
    graph.edge_start.reserve_exact(degrees.len() + 1);
    graph.edge_start.push(0);
    for (from, degree) in degrees.iter().enumerate() {
        for _ in 0..*degree {
            let distance = distances.next().flatten().ok_or("references are missing")?;
            let to = unfold(distance).checked_add(from as i64).filter(|to| (0..n).contains(to));
            graph.edge_to.push(to.ok_or("a reference leads nowhere")? as u32);
        }
        let end = u32::try_from(graph.edge_to.len()).map_err(|_| "too many references")?;
        graph.edge_start.push(end);
    }
    graph.edge_to.shrink_to_fit();
    if distances.next().is_some() { Err("references are left over".to_owned()) } else { Ok(()) }
}

fn read_names(names: &mut StoredNames, numbers: &mut Numbers<impl BufRead>, n: usize) -> Decoded<()> {
    let bad = || "a name belongs to no reference".to_owned();
    let mut to = 0_u64;
    while let Some(step) = numbers.next() {
        let step = step.filter(|s| *s > 0 || names.to.is_empty());
        to = step.and_then(|s| to.checked_add(s)).filter(|t| *t < n as u64).ok_or_else(bad)?;
        let distance = unfold(numbers.next().flatten().ok_or_else(bad)?);
        let from = distance.checked_add(to as i64).filter(|f| (0..n as i64).contains(f)).ok_or_else(bad)?;
        let name = numbers.next().flatten().filter(|i| *i < names.table.len() as u64).ok_or_else(bad)?;
        names.to.push(to as u32);
        names.from.push(from as u32);
        names.name.push(name as u32);
    }
    Ok(())
}

fn read_items(names: &mut StoredNames, numbers: &mut Numbers<impl BufRead>, n: usize) -> Decoded<()> {
    let bad = || "a length belongs to no container".to_owned();
    let mut at = 0_u64;
    while let Some(step) = numbers.next() {
        let step = step.filter(|s| *s > 0 || names.container.is_empty());
        at = step.and_then(|s| at.checked_add(s)).filter(|c| *c < n as u64).ok_or_else(bad)?;
        names.container.push(at as u32);
        names.items.push(numbers.next().flatten().ok_or_else(bad)?);
    }
    Ok(())
}
