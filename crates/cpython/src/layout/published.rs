//! What a build publishes about itself from 3.13 on: `_Py_DebugOffsets`, at the start of `_PyRuntime`.
//!
//! It is the build's own word, but foreign bytes all the same: every offset must lie inside its struct.

use super::Layout;
use crate::Version;
use m5_process::{Memory, Result};

/// Where the published fields lie, from the start of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each names the field of `Published` or `Layout` that is read from there")]
pub struct PublishedAt {
    pub bytes: u64,
    pub interp_size: u64,
    pub interp_id: u64,
    pub interp_next: u64,
    pub threads_head: u64,
    pub threads_main: Option<u64>,
    pub gc: u64,
    pub modules: u64,
    pub sysdict: u64,
    pub builtins: u64,
    pub thread_size: u64,
    pub thread_next: u64,
    pub thread_id: u64,
    pub native_thread_id: u64,
    pub gc_size: u64,
    pub collecting: u64,
    pub frame: Option<u64>,
    pub ring_size: Option<u64>,
    pub stats: Option<u64>,
    pub debugger: Option<u64>,
}

/// Offsets for running a script in the process (PEP 768).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debugger {
    /// The thread's eval breaker, in the thread state.
    pub eval_breaker: u64,
    /// The support block, in the thread state.
    pub support: u64,
    /// Whether the process allows it, in the interpreter.
    pub enabled: u64,
    /// The flag that a call is pending, in the support block.
    pub pending_call: u64,
    /// The script's path, in the support block.
    pub script_path: u64,
    /// Room for the path.
    pub script_path_size: u64,
}

/// The published offsets that m5 uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields as in `Layout`")]
pub struct Published {
    pub version: Version,
    pub free_threaded: bool,
    pub runtime_size: u64,
    pub interpreters_head: u64,
    pub interp_size: u64,
    pub interp_id: u64,
    pub interp_next: u64,
    pub threads_head: u64,
    pub threads_main: Option<u64>,
    pub gc: u64,
    pub modules: u64,
    pub sysdict: u64,
    pub builtins: u64,
    pub thread_size: u64,
    pub thread_next: u64,
    pub thread_id: u64,
    pub native_thread_id: u64,
    pub gc_size: u64,
    pub collecting: u64,
    pub frame: Option<u64>,
    pub ring_size: Option<u64>,
    pub stats: Option<u64>,
    pub debugger: Option<Debugger>,
}

const COOKIE: &[u8; 8] = b"xdebugpy";
const HEAD: usize = 48;

/// The version and the mark of a free-threaded build, which stand at the same place in every version.
fn head(bytes: &[u8; HEAD]) -> Option<(Version, bool)> {
    bytes.starts_with(COOKIE).then(|| (Version(field(bytes, 8) as u32), field(bytes, 16) != 0))
}

impl Published {
    /// The version that the runtime at this address publishes and whether it is free-threaded; `None` where it
    /// publishes nothing.
    ///
    /// # Errors
    /// Where `runtime` is not readable.
    pub fn head(memory: &impl Memory, runtime: u64) -> Result<Option<(Version, bool)>> {
        Ok(head(&memory.bytes::<HEAD>(runtime)?))
    }

    /// Reads the whole block.
    ///
    /// # Errors
    /// Where `runtime` and the bytes after it are not readable.
    pub fn read(memory: &impl Memory, runtime: u64, at: &PublishedAt) -> Result<Self> {
        let mut bytes = vec![0; at.bytes as usize];
        memory.read(runtime, &mut bytes)?;
        Ok(Self::decode(&bytes, at))
    }

    /// Decodes the block.
    #[must_use]
    pub fn decode(bytes: &[u8], at: &PublishedAt) -> Self {
        let get = |offset| field(bytes, offset);
        Self {
            version: Version(get(8) as u32),
            free_threaded: get(16) != 0,
            runtime_size: get(24),
            interpreters_head: get(40),
            interp_size: get(at.interp_size),
            interp_id: get(at.interp_id),
            interp_next: get(at.interp_next),
            threads_head: get(at.threads_head),
            threads_main: at.threads_main.map(get),
            gc: get(at.gc),
            modules: get(at.modules),
            sysdict: get(at.sysdict),
            builtins: get(at.builtins),
            thread_size: get(at.thread_size),
            thread_next: get(at.thread_next),
            thread_id: get(at.thread_id),
            native_thread_id: get(at.native_thread_id),
            gc_size: get(at.gc_size),
            collecting: get(at.collecting),
            frame: at.frame.map(get),
            ring_size: at.ring_size.map(get),
            stats: at.stats.map(get),
            debugger: at.debugger.map(|d| Debugger {
                eval_breaker: get(d),
                support: get(d + 8),
                enabled: get(d + 16),
                pending_call: get(d + 24),
                script_path: get(d + 32),
                script_path_size: get(d + 40),
            }),
        }
    }

    /// Why the block cannot be true of a runtime of this size, where it cannot.
    #[must_use]
    pub fn unsound(&self, symbol_size: u64) -> Option<String> {
        if self.runtime_size != symbol_size {
            let published = self.runtime_size;
            return Some(format!(
                "it publishes a runtime of {published} bytes, the symbol has {symbol_size}"
            ));
        }
        let inside =
            |offset: u64, len: u64, size: u64| offset.checked_add(len).is_some_and(|end| end <= size);
        let word = |offset, size| inside(offset, 8, size);
        let small = |offset: Option<u64>, size| offset.is_none_or(|o| word(o, size));
        let whole = [
            ("interpreters.head", inside(self.interpreters_head, 16, self.runtime_size)),
            ("interpreter", self.interp_size <= self.runtime_size),
            ("interpreter.id", word(self.interp_id, self.interp_size)),
            ("interpreter.next", word(self.interp_next, self.interp_size)),
            ("threads.head", word(self.threads_head, self.interp_size)),
            ("threads.main", small(self.threads_main, self.interp_size)),
            ("gc", inside(self.gc, self.gc_size, self.interp_size)),
            ("imports.modules", word(self.modules, self.interp_size)),
            ("sysdict", word(self.sysdict, self.interp_size)),
            ("builtins", word(self.builtins, self.interp_size)),
            ("thread.next", word(self.thread_next, self.thread_size)),
            ("thread.id", word(self.thread_id, self.thread_size)),
            ("thread.native_thread_id", word(self.native_thread_id, self.thread_size)),
            ("gc.collecting", inside(self.collecting, 4, self.gc_size)),
            ("gc.frame", small(self.frame, self.gc_size)),
            ("gc.generation_stats", small(self.stats, self.gc_size)),
            ("debugger_support", self.debugger.is_none_or(|d| self.holds(&d))),
        ];
        let outside = whole.iter().find(|(_, sound)| !sound);
        outside.map(|(name, _)| format!("the published offset of {name} lies outside of its struct"))
    }

    fn holds(&self, d: &Debugger) -> bool {
        let inside =
            |offset: u64, len: u64, size: u64| offset.checked_add(len).is_some_and(|end| end <= size);
        inside(d.eval_breaker, 8, self.thread_size)
            && inside(d.enabled, 4, self.interp_size)
            && d.support.checked_add(d.pending_call).is_some_and(|at| inside(at, 4, self.thread_size))
            && (2..=4096).contains(&d.script_path_size)
            && d.support
                .checked_add(d.script_path)
                .is_some_and(|at| inside(at, d.script_path_size, self.thread_size))
    }

    /// Each published field beside the same field of a layout.
    #[must_use]
    pub fn beside(&self, layout: &Layout) -> Vec<(&'static str, u64, u64)> {
        use super::{GcAt, Stats};
        let (GcAt::Runtime(gc) | GcAt::Interpreter(gc)) = layout.gc;
        let mut fields = vec![
            ("interpreters_head", self.interpreters_head, layout.interpreters_head),
            ("interp_id", self.interp_id, layout.interp_id),
            ("interp_next", self.interp_next, layout.interp_next),
            ("threads_head", self.threads_head, layout.threads_head),
            ("thread_next", self.thread_next, layout.thread_next),
            ("thread_id", self.thread_id, layout.thread_id),
            ("gc", self.gc, gc),
            ("gc_size", self.gc_size, layout.gc_size),
            ("collecting", self.collecting, layout.collecting),
        ];
        let mut both = |name, published: Option<u64>, table: Option<u64>| {
            fields.extend(published.zip(table).map(|(p, t)| (name, p, t)));
        };
        both("native_thread_id", Some(self.native_thread_id), layout.native_thread_id);
        both("threads_main", self.threads_main, layout.threads_main);
        both("frame", self.frame, layout.frame);
        let Stats::Ring { pointer, .. } = layout.stats else { return fields };
        both("stats", self.stats, Some(pointer));
        fields
    }

    /// A layout of the same shape with the published places of the interpreter's and the thread's fields.
    #[must_use]
    pub fn applied_to(&self, layout: &Layout) -> Layout {
        Layout {
            interpreters_head: self.interpreters_head,
            interpreters_main: self.interpreters_head + 8,
            interp_id: self.interp_id,
            interp_next: self.interp_next,
            threads_head: self.threads_head,
            threads_main: self.threads_main,
            thread_next: self.thread_next,
            thread_id: self.thread_id,
            native_thread_id: Some(self.native_thread_id),
            gc: super::GcAt::Interpreter(self.gc),
            ..*layout
        }
    }
}

fn field(bytes: &[u8], offset: u64) -> u64 {
    let at = usize::try_from(offset).ok();
    let bytes = at.and_then(|at| bytes.get(at..)?.first_chunk());
    bytes.map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::TABLES;
    use proptest::prelude::*;

    fn places() -> Vec<PublishedAt> {
        TABLES.iter().filter_map(|l| l.published).collect()
    }

    proptest! {
        #[test]
        fn foreign_bytes_decode_and_are_judged(
            bytes in proptest::collection::vec(any::<u8>(), 0..900),
            size in any::<u64>(),
            which in 0usize..5,
        ) {
            let places = places();
            let published = Published::decode(&bytes, &places[which % places.len()]);
            if published.unsound(size).is_none() {
                prop_assert!(published.gc + published.gc_size <= published.interp_size);
                prop_assert!(published.interp_size <= size);
            }
        }
    }

    #[test]
    fn nothing_is_published_without_the_cookie() {
        assert_eq!(head(&[0; 48]), None);
        let mut bytes = [0; 48];
        bytes[..8].copy_from_slice(COOKIE);
        bytes[8..12].copy_from_slice(&0x030e_0af0u32.to_le_bytes());
        bytes[16] = 1;
        assert_eq!(head(&bytes), Some((Version(0x030e_0af0), true)));
    }
}
