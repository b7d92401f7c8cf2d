//! Growth of a holder that is none of the whole: objects that changed hands.
//!
//! Each object is put down to one holder, so all gains of a type add up to what the type grew by. A holder whose gain is
//! of types that did not become more took in what another one gave up, or what was there before under another address.

use super::anchors::{Gain, Gains};
use rustc_hash::FxHashMap;

/// Growth of at least this part of all objects is told even so: a cache may shrink while a leak grows.
const LARGE: i64 = 20;
/// Growth is a move where the whole grew by less than this part of it.
const SHOWN: i64 = 2;

/// Bytes that each type grew by, by its number.
pub(super) struct Whole {
    types: FxHashMap<u32, i64>,
    bytes: i64,
}

impl Whole {
    /// `bytes` are those of all objects.
    pub(super) fn of(gains: &Gains, bytes: u64) -> Self {
        let mut types: FxHashMap<u32, i64> = FxHashMap::default();
        for (kind, gain) in gains.values().flat_map(|g| &g.types) {
            *types.entry(*kind).or_default() += gain.bytes;
        }
        Self { types, bytes: bytes as i64 }
    }

    /// Whether a gain is one of the whole too.
    pub(super) fn shows(&self, gain: &Gain) -> bool {
        let whole = |kind: &u32| self.types.get(kind).copied().unwrap_or(0).max(0);
        let shown: i64 = gain.types.iter().map(|(kind, g)| g.bytes.clamp(0, whole(kind))).sum();
        gain.bytes.saturating_mul(LARGE) >= self.bytes || shown * SHOWN >= gain.bytes
    }
}
