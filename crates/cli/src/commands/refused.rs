//! What runs for days says which processes it may not read, each once, and what to do about it: nobody looks at every one.

use crate::ctx::Ctx;
use m5_agent::permission_remedies;
use m5_agent::pool::Pool;
use m5_process::Identity;
use m5_report::texts::{Fault, Serve};
use std::collections::BTreeSet;

/// Who was told of already.
#[derive(Debug, Default)]
pub(super) struct Refused(BTreeSet<Identity>);

impl Refused {
    /// Tells those that are new.
    pub(super) fn tell(&mut self, pool: &Pool, ctx: &Ctx) {
        /// So many are named; the others are counted.
        const NAMED: usize = 8;
        let new: Vec<_> = pool.refused().filter(|m| !self.0.contains(&m.identity())).collect();
        let Some(first) = new.first() else { return };
        let named = new.iter().take(NAMED).map(|m| format!("{} ({})", m.identity().pid, m.service()));
        let named = named.collect::<Vec<_>>().join(", ");
        let said = match new.len().saturating_sub(NAMED) {
            0 => named,
            more => ctx.lang.fill(Serve::NotReadMore, &[&named, &more]),
        };
        ctx.note(Serve::NotRead, &[&said]);
        for remedy in permission_remedies(first.identity().pid, ctx.lang) {
            ctx.note(Fault::RemedyLine, &[&remedy]);
        }
        // Those that ended are forgotten, whatever was told of them.
        self.0 = pool.refused().map(|m| m.identity()).collect();
    }
}
