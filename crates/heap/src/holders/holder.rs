//! What a holder is, and why an object is alive.

use crate::RootKind;
use serde::{Deserialize, Serialize};

/// How an object is kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Through references from a module, a frame, the interpreter or a static object.
    Held,
    /// From native memory alone.
    Native,
    /// Its reference count is above zero and no referrer was found: a native or refcount leak.
    NoReferrer,
    /// By nothing, and the collector can never free it: a cycle through an object whose references it does not see.
    Uncollectable,
    /// By nothing: a cycle that the collector has yet to free.
    Garbage,
}

/// A holder in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// How it is alive.
    pub cause: Cause,
    /// The nearest owner with a name: `engine.Feed.history`. Keys and positions are left out of it, so that
    /// equal holders of many instances have one name. Empty for garbage.
    pub name: String,
    /// The whole path from the root, with keys as far as they may be shown. Empty for garbage.
    pub path: String,
    /// Type of the holding object.
    pub type_name: String,
    /// Its `len()`, where known.
    pub items: Option<u64>,
    /// The most items that it takes, where it has a limit (a cache, a deque).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Its address.
    pub address: u64,
}

/// Root kinds as causes.
#[must_use]
pub fn cause(kind: RootKind) -> Cause {
    match kind {
        RootKind::Native => Cause::Native,
        RootKind::Unexplained => Cause::NoReferrer,
        RootKind::Uncollectable => Cause::Uncollectable,
        _ => Cause::Held,
    }
}

/// A type's name without what everybody knows.
#[must_use]
pub fn display_type(name: &str) -> &str {
    match name {
        "functools._lru_cache_wrapper" => "lru_cache",
        other => other.strip_prefix("builtins.").unwrap_or(other),
    }
}

impl Holder {
    /// Where no object is the holder.
    #[must_use]
    pub fn nobody(cause: Cause) -> Self {
        let none = String::new;
        Self { cause, name: none(), path: none(), type_name: none(), items: None, limit: None, address: 0 }
    }

    /// Whether its limit ends its growth soon: of one that is far off, nobody who looks now will see the end.
    #[must_use]
    pub fn bounded(&self) -> bool {
        const FAR: u64 = 100;
        self.limit.is_some_and(|limit| self.items.unwrap_or(0).saturating_mul(FAR) >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_far_off_bounds_nothing() {
        let of = |items, limit| Holder { items, limit, ..Holder::nobody(Cause::Held) }.bounded();
        assert!(of(Some(100), Some(100)) && of(Some(40), Some(100)));
        assert!(!of(Some(1_267), Some(0x7fff_ffff)) && !of(None, Some(100)) && !of(Some(100), None));
    }
}
