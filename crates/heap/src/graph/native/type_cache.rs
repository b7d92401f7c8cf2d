//! The interpreter's cache of attributes that were looked up: 4,096 entries of a version, a name, which it holds, and a value,
//! which it does not (`struct type_cache_entry`, in static data of 3.8 and 3.9, in the interpreter's state since). Where it
//! lies differs with each build, so it is known by its entries.

use crate::census::kind::Kind;
use crate::graph::dict::word;
use crate::graph::edges::Walker;

/// What it is called as a holder.
pub(crate) const TYPE_CACHE: &str = "the type cache of 4,096 names";
/// Bytes of an entry.
const ENTRY: usize = 24;
/// Entries on either side that are looked at.
const AROUND: usize = 24;
/// So many of them are in use: fewer may be chance.
const USED: usize = 4;

/// Whether the word at `at` of the interpreter's own memory is a name in the cache.
pub(super) fn holds(walker: &Walker<'_>, bytes: &[u8], at: usize) -> bool {
    let entry = |at: usize| entry(walker, bytes, at);
    if at < 8 || entry(at) != Some(true) {
        return false;
    }
    let before = (1..=AROUND).map_while(|i| at.checked_sub(i * ENTRY).filter(|at| *at >= 8));
    let after = (1..=AROUND).map(|i| at + i * ENTRY).take_while(|at| at + 16 <= bytes.len());
    // The cache ends somewhere: one side is enough.
    [before.map(entry).collect::<Vec<_>>(), after.map(entry).collect()].iter().any(|side| {
        side.len() == AROUND
            && side.iter().all(Option::is_some)
            && side.iter().filter(|e| **e == Some(true)).count() >= USED
    })
}

/// Whether the entry whose name is at `at` is in use; `None` where none can be.
fn entry(walker: &Walker<'_>, bytes: &[u8], at: usize) -> Option<bool> {
    let (version, name) = (word(bytes, at - 8), word(bytes, at));
    // Builds without the GIL have a number that changes with each write behind the version.
    let version = if walker.anchor.layout.free_threaded { version & u64::from(u32::MAX) } else { version };
    if version > u64::from(u32::MAX) {
        return None;
    }
    let object = (name != 0).then(|| walker.object(name));
    let kind = object.flatten().and_then(|o| walker.census.desc(o)).map(|d| (d.kind, d.name.as_str()));
    match (object, kind) {
        (None, _) => Some(false),
        (Some(_), Some((Kind::Str, _))) => Some(version != 0),
        (Some(_), Some((_, "NoneType"))) => Some(false),
        _ => None,
    }
}
