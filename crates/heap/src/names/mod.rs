//! What a reference is called: the seam between the image, which knows keys and fields, and the graph.

mod limits;
pub(crate) mod namer;
pub(crate) mod redact;
pub(crate) mod stored;
pub(crate) mod text;

use serde::{Deserialize, Serialize};

/// The name of one reference, as the referring object knows it. Keys are raw here; redaction is done where
/// names leave the process that read them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeName {
    /// An attribute: `history` of an instance, a slot, a module or a class. The reference from an instance,
    /// module or class to its own dictionary is the attribute `__dict__`.
    Attribute(String),
    /// The value behind a dictionary key, or the key itself, by the text of the key: strings as they are,
    /// numbers in digits, other keys by their type (`<tuple>`).
    Key(String),
    /// A position in a list, tuple, array or deque.
    Index(u64),
    /// A local variable of a frame, generator or coroutine.
    Local(String),
    /// A field of the interpreter's own struct, by the name Python gives it or that of the C field:
    /// `__closure__`, `__globals__`, `f_back`, `cache`.
    Field(String),
    /// A member of a set, or any other reference without a name of its own.
    Member,
}

/// Names references on demand: only those on the few paths that are shown are ever asked for.
pub trait EdgeNamer {
    /// The name of the reference from one object to another; `None` where it is not known.
    fn name(&self, from: u32, to: u32) -> Option<EdgeName>;

    /// Number of items of a container (`len()`), where the image says it.
    fn items(&self, object: u32) -> Option<u64> {
        let _ = object;
        None
    }

    /// The most items that a container takes (`maxsize` of a cache, `maxlen` of a deque), where it has a limit.
    fn limit(&self, object: u32) -> Option<u64> {
        let _ = object;
        None
    }

    /// What an object or its class says that it takes at the most: a number in an attribute called `maxsize`, `capacity`
    /// or the like.
    fn bound(&self, owner: u32) -> Option<u64> {
        let _ = owner;
        None
    }

    /// What a dictionary of names says that its container of that name takes at the most: `_MAXCACHE` beside `_cache`.
    fn bound_beside(&self, namespace: u32, container: &str) -> Option<u64> {
        let _ = (namespace, container);
        None
    }
}

/// Knows no name: paths then read by type alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl EdgeNamer for NoNames {
    fn name(&self, _from: u32, _to: u32) -> Option<EdgeName> {
        None
    }
}
