//! A parent and its forked children: what they still share, and why the rest was copied.
//!
//! A page that a child has for itself although its parent has one at the same place was copied when either wrote
//! to it. The two copies tell what was written: counts of references, marks of the collector, or contents.

mod classify;

use crate::image::Image;
use crate::image::pages::Pages;
use crate::image::wanted::may_hold;
use crate::take::analysis::Analysis;
use classify::{Classifier, HEAD, Why};
use m5_cpython::Interpreter;
use m5_process::{Mapping, Process, TraceResult, anonymous_pages, open_live, page_size};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// A parent with its forked children.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTree {
    /// The process that was captured.
    pub parent: Member,
    /// All processes below it.
    pub workers: Vec<Member>,
    /// Objects of the parent that `gc.freeze` has put out of the collector's sight; some versions begin with a
    /// few. Absent where the collector could not be read.
    pub frozen_objects: Option<u64>,
}

/// One process of the tree; what the kernel did not say is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its pid.
    pub pid: i32,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Its share of it: pages of many processes count in part.
    pub pss_bytes: Option<u64>,
    /// What would be freed with it alone.
    pub private_bytes: Option<u64>,
    /// What became of the parent's memory in it; absent for the parent.
    pub inherited: Option<Inherited>,
    /// Why that is not known.
    pub reason: Option<String>,
}

/// Anonymous memory of a child, by its relation to the parent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inherited {
    /// Still one copy for several processes.
    pub shared_bytes: u64,
    /// Copied only because the collector wrote its marks beside objects.
    pub collector_bytes: u64,
    /// Copied only because objects were counted: somebody referred to them and let go.
    pub counts_bytes: u64,
    /// Holds Python objects, other than they were.
    pub changed_bytes: u64,
    /// At the parent's addresses, but without objects there: native memory, stacks, tables.
    pub native_bytes: u64,
    /// Where the parent has nothing: made after the fork.
    pub own_bytes: u64,
}

impl ProcessTree {
    /// Looks at the children of a process whose image was analysed. They are read while they run.
    pub(crate) fn of(process: &Process, image: &Image, analysis: &Analysis, pages: &Pages) -> Self {
        let frozen = frozen(process, image, analysis);
        let frozen_objects = frozen.as_ref().map(|f| f.len() as u64);
        let pids = Process::descendants(process.pid()).unwrap_or_default();
        let parent =
            Parent { image, pages, classifier: Classifier::new(analysis, frozen.unwrap_or_default()) };
        let open = |pid: &i32| Process::open(*pid).ok();
        let workers = pids.iter().filter_map(open).map(|child| parent.member(&child)).collect();
        Self { parent: member(process), workers, frozen_objects }
    }

    /// Sums what became of the parent's memory over all workers.
    #[must_use]
    pub fn total(&self) -> Inherited {
        let mut sum = Inherited::default();
        for part in self.workers.iter().filter_map(|w| w.inherited) {
            sum.shared_bytes += part.shared_bytes;
            sum.collector_bytes += part.collector_bytes;
            sum.counts_bytes += part.counts_bytes;
            sum.changed_bytes += part.changed_bytes;
            sum.native_bytes += part.native_bytes;
            sum.own_bytes += part.own_bytes;
        }
        sum
    }
}

/// The objects in the collector's permanent list.
fn frozen(process: &Process, image: &Image, analysis: &Analysis) -> Option<FxHashSet<u64>> {
    let interpreter = Interpreter::attach(process).ok()?;
    let head = interpreter.gc_address() + interpreter.layout().permanent;
    let mut found = FxHashSet::default();
    let mut at = image.word(head)? & !3;
    // A torn list ends where it comes back to itself.
    while at != head && found.len() < analysis.census.len() && found.insert(at + HEAD) {
        at = image.word(at)? & !3;
    }
    Some(found)
}

fn member(process: &Process) -> Member {
    let rollup = process.rollup().ok();
    Member {
        pid: process.pid(),
        rss_bytes: process.status().ok().and_then(|s| s.rss_bytes),
        pss_bytes: rollup.as_ref().map(|r| r.pss_bytes),
        private_bytes: rollup.as_ref().map(|r| r.uss_bytes),
        inherited: None,
        reason: None,
    }
}

struct Parent<'a> {
    image: &'a Image,
    pages: &'a Pages,
    classifier: Classifier<'a>,
}

/// Bytes that are read at once: whole pages, whatever their size.
const BATCH: u64 = 1 << 20;

impl Parent<'_> {
    fn member(&self, child: &Process) -> Member {
        let mut member = member(child);
        match self.inherited(child) {
            Ok(Some(inherited)) => member.inherited = Some(inherited),
            Ok(None) => member.reason = Some("it runs a program of its own, not a copy of the parent".into()),
            Err(error) => member.reason = Some(error.to_string()),
        }
        member
    }

    fn inherited(&self, child: &Process) -> TraceResult<Option<Inherited>> {
        let maps = child.maps()?;
        if !self.is_copy(&maps) {
            return Ok(None);
        }
        let memory = open_live(child.pid())?;
        let mut sum = Inherited::default();
        let mut buf = vec![0; BATCH as usize];
        for map in maps.iter().filter(|m| m.inode == 0 && m.writable && may_hold(m)) {
            let found = anonymous_pages(child.pid(), map.start..map.end)?;
            sum.shared_bytes += found.shared_bytes;
            for run in found.own {
                for start in (run.start..run.end).step_by(BATCH as usize) {
                    let bytes = buf.get_mut(..BATCH.min(run.end - start) as usize).unwrap_or_default();
                    // A page that went away meanwhile is none of the child's any more.
                    if memory.read_exact_at(bytes, start).is_ok() {
                        self.compare(start, bytes, &mut sum);
                    }
                }
            }
        }
        Ok(Some(sum))
    }

    /// Whether the program and the stack lie where the parent's do: addresses are drawn anew by every `exec`.
    fn is_copy(&self, maps: &[Mapping]) -> bool {
        let places = |maps: &[Mapping]| -> (Option<u64>, Option<Range<u64>>) {
            let stack = maps.iter().find(|m| m.path == "[stack]").map(|m| m.end);
            (stack, maps.iter().find(|m| m.inode != 0).map(|m| m.start..m.end))
        };
        places(maps) == places(self.image.maps())
    }

    fn compare(&self, start: u64, bytes: &[u8], sum: &mut Inherited) {
        let page = page_size();
        for (i, child) in bytes.chunks_exact(page as usize).enumerate() {
            let at = start + i as u64 * page;
            let there = self.pages.private(at..at + page) > 0;
            let parent = self.image.slice(at, page as usize).filter(|_| there);
            let part = match parent.map(|parent| self.classifier.why(at, parent, child)) {
                None => &mut sum.own_bytes,
                Some(Why::Native) => &mut sum.native_bytes,
                Some(Why::Collector) => &mut sum.collector_bytes,
                Some(Why::Counts) => &mut sum.counts_bytes,
                Some(Why::Changed) => &mut sum.changed_bytes,
            };
            *part += page;
        }
    }
}
