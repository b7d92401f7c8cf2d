//! The seam between those who find objects and those who explain them.

use crate::graph::column::Column;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A Python type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeInfo {
    /// Module-qualified name (`engine.Feed`); builtins without a module (`dict`).
    pub name: String,
    /// Address of the type object.
    pub address: u64,
}

/// Why an object is alive whoever else refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootKind {
    /// An entry of `sys.modules`.
    Module,
    /// A frame on a thread's stack.
    Frame,
    /// Builtins, the sys dictionary, interned and other interpreter state.
    Interpreter,
    /// A static object of a library or the executable.
    Static,
    /// Referred to from native memory (globals, C stacks, malloc blocks) only.
    Native,
    /// By nobody, in a cycle that the collector can never free; the name is that of the type that keeps it so.
    Uncollectable,
    /// Its reference count says that somebody holds it; nobody was found.
    Unexplained,
}

/// An object that is alive by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Index of the object.
    pub object: u32,
    /// Why it is a root.
    pub kind: RootKind,
    /// What people call it (`module aiohttp.web_app`, `thread 4711, frame run at app.py:12`).
    pub name: String,
}

impl Root {
    /// Whether the root is what a function of the standard library registers objects with, and is called as that.
    #[must_use]
    pub fn registered(&self) -> bool {
        const BY: [&str; 5] =
            ["atexit.register", "codecs.register", "os.register_at_fork", "sys.addaudithook", "sys.intern"];
        self.kind == RootKind::Interpreter && BY.contains(&self.name.as_str())
    }

    /// Its name without what changes while it stays the same root: the line that a frame is at.
    #[must_use]
    pub fn lasting_name(&self) -> Cow<'_, str> {
        let line = (self.kind == RootKind::Frame).then(|| self.name.rsplit_once(':')).flatten();
        let Some((before, line)) = line else { return Cow::Borrowed(&self.name) };
        Cow::Owned(format!("{before}{}", line.trim_start_matches(|c: char| c.is_ascii_digit())))
    }
}

/// Objects and references of one process at one moment; column by column, indexed by object number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeapGraph {
    /// Types by number.
    pub types: Vec<TypeInfo>,
    /// Address of each object, ascending.
    pub address: Column<u64>,
    /// Type of each object.
    pub type_id: Column<u32>,
    /// Shallow size of each object in bytes, as `sys.getsizeof` says it (header of the collector included).
    pub size: Vec<u64>,
    /// First edge of each object in `edge_to`; one entry more than objects.
    pub edge_start: Vec<u32>,
    /// Targets of the edges, grouped by source.
    pub edge_to: Vec<u32>,
    /// Objects that are alive by themselves.
    pub roots: Vec<Root>,
}

/// What the sizes of a graph add up to at most.
pub(crate) const MOST_BYTES: u64 = 1 << 62;

/// The sum of sizes; `None` where it is more than [`MOST_BYTES`].
pub(crate) fn total(sizes: &[u64]) -> Option<u64> {
    let sum = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size))?;
    (sum <= MOST_BYTES).then_some(sum)
}

impl HeapGraph {
    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.address.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.address.is_empty()
    }

    /// The object at exactly this address.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<u32> {
        self.address.binary_search(&address).ok().map(|i| i as u32)
    }

    /// What an object refers to.
    #[must_use]
    pub fn edges(&self, object: u32) -> &[u32] {
        let bound = |i: usize| self.edge_start.get(i).map(|e| *e as usize);
        let from = bound(object as usize).unwrap_or(0);
        let to = bound(object as usize + 1).unwrap_or(from);
        self.edge_to.get(from..to).unwrap_or(&[])
    }
}
