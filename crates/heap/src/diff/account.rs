//! Where the change of RSS between two snapshots went, part by part, so that the bytes add up; and which native blocks
//! became more.

use crate::accounting::blocks::class;
use crate::{BlockGroup, BlockSource, MemoryTree, Snapshot};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// A part of memory before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartGrowth {
    /// Its name in the account of RSS, a file's after `libraries/`.
    pub part: String,
    /// Net growth in bytes.
    pub bytes: i64,
}

/// Native blocks of about one size, with one owner, that became more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockGrowth {
    /// Where they lie.
    pub source: BlockSource,
    /// Who leads to them; absent where nobody is known to.
    pub owner: Option<String>,
    /// Whether the owners are objects of that type: then these bytes are among those of the culprits.
    pub objects: bool,
    /// The smallest of them in bytes.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// Net growth in blocks.
    pub count: i64,
    /// Net growth in bytes.
    pub bytes: i64,
}

/// The change of RSS in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// Net growth of RSS, with what is swapped out.
    pub rss_bytes: i64,
    /// Parts that changed, the largest growth first; they add up to `rss_bytes`.
    pub parts: Vec<PartGrowth>,
    /// Native blocks that became more, the most bytes first.
    pub blocks: Vec<BlockGrowth>,
}

/// Parts that are told by their own parts: each means something else.
const DIVIDED: [&str; 4] = ["pymalloc", "native_heap", "libraries", "stacks"];
/// Growth of fewer bytes than this is told of no group of blocks.
const LEAST: i64 = 16 << 10;

pub(super) fn of(before: &Snapshot, after: &Snapshot) -> Option<Account> {
    let (old, new) = (before.memory.as_ref()?, after.memory.as_ref()?);
    let mut parts: FxHashMap<String, i64> = FxHashMap::default();
    for (tree, sign) in [(old, -1), (new, 1)] {
        for (part, bytes) in leaves(tree) {
            *parts.entry(part).or_default() += sign * bytes as i64;
        }
    }
    let mut parts: Vec<PartGrowth> =
        parts.into_iter().filter(|(_, b)| *b != 0).map(|(part, bytes)| PartGrowth { part, bytes }).collect();
    parts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.part.cmp(&b.part)));
    Some(Account {
        rss_bytes: new.bytes as i64 - old.bytes as i64,
        parts,
        blocks: blocks(&before.native.groups, &after.native.groups),
    })
}

fn leaves(tree: &MemoryTree) -> Vec<(String, u64)> {
    let mut out = Vec::new();
    for part in &tree.children {
        if !DIVIDED.contains(&part.name.as_str()) {
            out.push((part.name.clone(), part.bytes));
            continue;
        }
        let name = |child: &str| match part.name.as_str() {
            "libraries" => format!("libraries/{child}"),
            _ => child.to_owned(),
        };
        out.extend(part.children.iter().map(|c| (name(&c.name), c.bytes)));
        out.push((part.name.clone(), part.rest()));
    }
    out.push(("unexplained".to_owned(), tree.rest()));
    out
}

fn blocks(before: &[BlockGroup], after: &[BlockGroup]) -> Vec<BlockGrowth> {
    let key = |g: &BlockGroup| (g.source, g.owner.clone(), class(g.most));
    let mut old: FxHashMap<_, (u64, u64)> = FxHashMap::default();
    for group in before {
        let sum = old.entry(key(group)).or_default();
        *sum = (sum.0 + group.count, sum.1 + group.bytes);
    }
    let grown = |group: &BlockGroup| {
        let (count, bytes) = old.get(&key(group)).copied().unwrap_or_default();
        BlockGrowth {
            source: group.source,
            owner: group.owner.clone(),
            objects: group.objects,
            least: group.least,
            most: group.most,
            count: group.count as i64 - count as i64,
            bytes: group.bytes as i64 - bytes as i64,
        }
    };
    let mut out: Vec<BlockGrowth> = after.iter().map(grown).filter(|g| g.bytes >= LEAST).collect();
    out.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| (&a.owner, a.least).cmp(&(&b.owner, b.least))));
    out
}
