//! What grew between two snapshots, and who holds it.
//!
//! Within one process an object is the same when address and type are the same. Each new object is put down
//! to its nearest ancestor on the holding path that was there before: that one took it in. What disappeared is
//! put down likewise and subtracted, so that churn cancels and growth remains, exactly and per holder.

mod account;
mod anchors;
mod cancel;
mod growth;
mod handed;
mod made;
mod matching;
mod moved;
mod own_tables;
mod rank;
mod survivors;

pub use account::{Account, BlockGrowth, PartGrowth};
pub use growth::TypeGrowth;
pub use made::{Births, Born, Made, MadeAt, MadeWithin, Unnamed, lines_of};

use crate::take::idle_threads::on_idle_threads;
use crate::{Cause, Holder, Snapshot};
use serde::{Deserialize, Serialize};

/// Growth that one holder accounts for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    /// The type that tells most about it.
    pub type_name: String,
    /// Net growth of that type below the holder.
    pub count: i64,
    /// The same per second.
    pub count_per_second: Option<f64>,
    /// Net growth of all objects below the holder.
    pub objects: i64,
    /// Net growth in bytes of all objects below the holder, with what follows.
    pub bytes: i64,
    /// Of these: growth of the holder itself, which both snapshots show (a list, a buffer, an array).
    #[serde(default)]
    pub in_place_bytes: i64,
    /// Of these: native memory that the objects own.
    #[serde(default)]
    pub native_bytes: i64,
    /// The same per second.
    pub bytes_per_second: Option<f64>,
    /// Who holds them.
    pub holder: Holder,
    /// Share of the named type that is held so, where holders were sampled and not matched.
    pub share: Option<f64>,
    /// Other types that grew below the holder, the most numerous first.
    pub also: Vec<(String, i64)>,
    /// Which lines made it; `None` where allocations were not sampled between the two snapshots, or too few of what
    /// survived were among the samples to say so.
    #[serde(default)]
    pub made: Option<Made>,
    /// Why `made` is absent, where allocations were sampled between the two snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<Unnamed>,
    /// Which lines made what is in it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_within: Option<MadeWithin>,
}

/// Two snapshots compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// Seconds between them; absent where the second is not later.
    pub seconds: Option<f64>,
    /// Whether both show one process: then objects are matched one by one; else types and holders by name.
    pub same_process: bool,
    /// Objects before and after.
    pub objects: (u64, u64),
    /// Bytes of objects before and after.
    pub bytes: (u64, u64),
    /// Resident bytes before and after, where known.
    pub rss_bytes: (Option<u64>, Option<u64>),
    /// Holders of growth, the worst first.
    pub culprits: Vec<Culprit>,
    /// Types that changed, the largest growth first.
    pub types: Vec<TypeGrowth>,
    /// Where the change of RSS went, or what sets two processes apart; absent where RSS was not accounted for.
    #[serde(default)]
    pub account: Option<Account>,
}

impl Diff {
    /// Whether all that grew is in what has a limit that ends it soon, but for a few objects that come and go.
    #[must_use]
    pub fn bounded(&self) -> bool {
        const FEW: u64 = 5;
        let blocks = self.account.iter().flat_map(|a| &a.blocks).any(|b| !b.objects);
        let mut accused = self.culprits.iter().filter(|c| c.holder.cause != Cause::Garbage).peekable();
        if blocks || accused.peek().is_none() || !accused.all(|c| c.holder.bounded()) {
            return false;
        }
        let grown = self.objects.1 as i64 - self.objects.0 as i64;
        let told: i64 = self.culprits.iter().map(|c| c.objects).sum();
        grown.abs_diff(told) <= FEW.max(told.unsigned_abs() / 20)
    }
}

/// Compares two snapshots.
#[must_use]
pub fn diff(before: &Snapshot, after: &Snapshot) -> Diff {
    diff_with_births(before, after, &Births::default())
}

/// The same, with the lines that made what grew, from allocations that were sampled between the two.
#[must_use]
pub fn diff_with_births(before: &Snapshot, after: &Snapshot, births: &Births) -> Diff {
    on_idle_threads(|| compare(before, after, births))
}

fn compare(before: &Snapshot, after: &Snapshot, births: &Births) -> Diff {
    let same_process = before.info.identity == after.info.identity;
    let seconds = Some(after.info.taken_at - before.info.taken_at).filter(|s| *s > 0.0);
    let types = growth::by_type(&before.graph, &after.graph);
    let mut culprits = if same_process {
        rank::matched(before, after, births)
    } else {
        rank::by_name(before, after, &types)
    };
    for culprit in &mut culprits {
        culprit.count_per_second = seconds.map(|s| culprit.count as f64 / s);
        culprit.bytes_per_second = seconds.map(|s| culprit.bytes as f64 / s);
    }
    Diff {
        seconds,
        same_process,
        objects: (before.graph.len() as u64, after.graph.len() as u64),
        bytes: (before.graph.size.iter().sum(), after.graph.size.iter().sum()),
        rss_bytes: (before.info.rss_bytes, after.info.rss_bytes),
        culprits,
        types,
        account: account::of(before, after),
    }
}

#[cfg(test)]
mod reuse_tests;
#[cfg(test)]
mod tests;
