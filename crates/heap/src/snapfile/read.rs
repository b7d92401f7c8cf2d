//! Reading files that anybody may have written.

use super::column::{self, Numbers, unfold};
use super::{Head, MAGIC, SnapfileError, VERSION, tag};
use crate::graph::model;
use crate::{HeapGraph, NativeMemory, Snapshot, StoredNames};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Bytes that sections may have beyond [`DENSEST`] times the file.
const SLACK: u64 = 64 << 20;
/// Heaps pack about 1 : 20; a file that claims more than this was made to fill memory.
const DENSEST: u64 = 500;

/// Reads a snapshot from a file.
///
/// # Errors
/// See [`SnapfileError`].
pub fn read_snapshot(path: &Path) -> Result<Snapshot, SnapfileError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| SnapfileError::Io { path: name.clone(), source })?;
    read_snapshot_from(&bytes, &name)
}

/// Reads a snapshot from memory; `name` is for messages.
///
/// # Errors
/// See [`SnapfileError`].
pub fn read_snapshot_from(bytes: &[u8], name: &str) -> Result<Snapshot, SnapfileError> {
    let damaged = |detail: String| SnapfileError::Damaged { path: name.to_owned(), detail };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(SnapfileError::Foreign { path: name.to_owned() });
    };
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("no version".into()))?;
    let version = u32::from_le_bytes(*version);
    if version > VERSION {
        return Err(SnapfileError::Newer { path: name.to_owned(), version });
    }
    let sections = sections(rest).map_err(damaged)?;
    let mut budget = SLACK + DENSEST.saturating_mul(bytes.len() as u64);
    decode(&sections, &mut budget).map_err(damaged)
}

type Decoded<T> = Result<T, String>;
/// Packed bytes and length when unpacked, by tag.
type Sections<'a> = BTreeMap<[u8; 4], (&'a [u8], u64)>;

fn sections(mut rest: &[u8]) -> Decoded<Sections<'_>> {
    let mut found = Sections::new();
    while !rest.is_empty() {
        let cut = || "cut short".to_owned();
        let (tag, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (packed, after) = after.split_first_chunk::<8>().ok_or_else(cut)?;
        let (raw, after) = after.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*packed)).map_err(|_| cut())?;
        let (data, after) = after.split_at_checked(length).ok_or_else(cut)?;
        found.insert(*tag, (data, u64::from_le_bytes(*raw)));
        rest = after;
    }
    Ok(found)
}

fn decode(sections: &Sections<'_>, budget: &mut u64) -> Decoded<Snapshot> {
    let head: Head =
        serde_json::from_slice(&unpack(sections, tag::HEAD, budget)?).map_err(|e| format!("head: {e}"))?;
    let mut graph = HeapGraph { types: head.types, roots: head.roots, ..HeapGraph::default() };
    graph.address = addresses(&unpack(sections, tag::ADDRESS, budget)?)?.into();
    let n = graph.address.len();
    let kinds: Vec<u32> = numbers(&unpack(sections, tag::TYPE, budget)?, graph.types.len() as u64)?;
    graph.type_id = same_length("types", kinds, n)?.into();
    graph.size = same_length("sizes", numbers(&unpack(sections, tag::SIZE, budget)?, u64::MAX)?, n)?;
    model::total(&graph.size).ok_or("the sizes add up to more than any memory")?;
    let degrees: Vec<u32> = numbers(&unpack(sections, tag::DEGREE, budget)?, u64::MAX)?;
    let degrees = same_length("degrees", degrees, n)?;
    edges(&mut graph, &degrees, &unpack(sections, tag::EDGE, budget)?)?;
    if graph.roots.iter().any(|r| r.object as usize >= n) {
        return Err("a root is no object".to_owned());
    }
    let mut names = StoredNames { table: head.names, ..StoredNames::default() };
    read_names(&mut names, &unpack(sections, tag::NAMES, budget)?, n)?;
    read_items(&mut names, &unpack(sections, tag::ITEMS, budget)?, n)?;
    let (native, limits): (NativeMemory, Vec<(u32, u64)>) = match sections.contains_key(&tag::NATIVE) {
        true => serde_json::from_slice(&unpack(sections, tag::NATIVE, budget)?)
            .map_err(|e| format!("native memory: {e}"))?,
        false => Default::default(),
    };
    if native.objects.iter().any(|(object, _)| *object as usize >= n) {
        return Err("native memory belongs to no object".to_owned());
    }
    names.limits = limits;
    Ok(Snapshot { info: head.info, graph, names, memory: head.memory, fds: head.fds, native })
}

fn unpack(sections: &Sections<'_>, tag: [u8; 4], budget: &mut u64) -> Decoded<Vec<u8>> {
    let name = String::from_utf8_lossy(&tag).into_owned();
    let (packed, length) = sections.get(&tag).ok_or_else(|| format!("section {name} is missing"))?;
    *budget = budget.checked_sub(*length).ok_or_else(|| format!("section {name} claims {length} bytes"))?;
    let decoder = zstd::stream::Decoder::new(*packed).map_err(|e| format!("section {name}: {e}"))?;
    let mut raw = Vec::new();
    decoder.take(length + 1).read_to_end(&mut raw).map_err(|e| format!("section {name}: {e}"))?;
    if raw.len() as u64 != *length {
        return Err(format!("section {name} has {} of {length} bytes", raw.len()));
    }
    Ok(raw)
}

/// Numbers below a bound.
fn numbers<T: TryFrom<u64>>(bytes: &[u8], below: u64) -> Decoded<Vec<T>> {
    let mut all = Vec::with_capacity(column::count(bytes));
    for number in Numbers(bytes) {
        let number = number.filter(|v| *v < below || below == u64::MAX).and_then(|v| T::try_from(v).ok());
        all.push(number.ok_or("a number is out of range")?);
    }
    Ok(all)
}

fn same_length<T>(what: &str, column: Vec<T>, n: usize) -> Decoded<Vec<T>> {
    if column.len() == n { Ok(column) } else { Err(format!("{} {what} for {n} objects", column.len())) }
}

fn addresses(bytes: &[u8]) -> Decoded<Vec<u64>> {
    let mut at = 0_u64;
    let mut out = Vec::with_capacity(column::count(bytes));
    for step in Numbers(bytes) {
        let step = step.filter(|s| *s > 0 || out.is_empty());
        at = step.and_then(|s| at.checked_add(s)).ok_or("addresses do not ascend")?;
        out.push(at);
    }
    if out.len() >= u32::MAX as usize / 2 {
        return Err("too many objects".to_owned());
    }
    Ok(out)
}

fn edges(graph: &mut HeapGraph, degrees: &[u32], bytes: &[u8]) -> Decoded<()> {
    let n = degrees.len() as i64;
    let mut distances = Numbers(bytes);
    graph.edge_start.reserve_exact(degrees.len() + 1);
    graph.edge_to.reserve_exact(column::count(bytes));
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
    if distances.next().is_some() { Err("references are left over".to_owned()) } else { Ok(()) }
}

fn read_names(names: &mut StoredNames, bytes: &[u8], n: usize) -> Decoded<()> {
    let bad = || "a name belongs to no reference".to_owned();
    let mut numbers = Numbers(bytes);
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

fn read_items(names: &mut StoredNames, bytes: &[u8], n: usize) -> Decoded<()> {
    let bad = || "a length belongs to no container".to_owned();
    let mut numbers = Numbers(bytes);
    let mut at = 0_u64;
    while let Some(step) = numbers.next() {
        let step = step.filter(|s| *s > 0 || names.container.is_empty());
        at = step.and_then(|s| at.checked_add(s)).filter(|c| *c < n as u64).ok_or_else(bad)?;
        names.container.push(at as u32);
        names.items.push(numbers.next().flatten().ok_or_else(bad)?);
    }
    Ok(())
}
