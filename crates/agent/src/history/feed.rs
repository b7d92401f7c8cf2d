//! From the pool to the store: once a round what was sampled, and the pauses since the round before. Whatever the
//! disk does, the sampling goes on; what is lost by it is counted.

use super::block::{Block, since};
use super::{Entry, Head, HistoryError, Limits, Session, Store};
use crate::pool::{ChartPoints, Member, Pool};
use crate::record::Pace;
use m5_gc::{Coverage, Pause, SourceKind};
use m5_process::{ConnectionGroup, Identity, Machine, monotonic_ns, unix_ns};
use m5_report::metrics::{Family, Kind};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Time between two rotations.
const ROTATE: Duration = Duration::from_secs(300);
/// Time after which what is known of a process is written again, and a quiet source's coverage is.
const RENEW_NS: u64 = 600_000_000_000;
const COVER_NS: u64 = 60_000_000_000;
/// A clock that was set by more than this begins another run.
const DRIFT_NS: i64 = 10_000_000_000;

/// A history that is being written.
#[derive(Debug)]
pub struct History {
    store: Store,
    interval: Duration,
    /// Both clocks at the begin of the run.
    begin_unix_ns: i64,
    begin_ns: u64,
    begun: bool,
    known: BTreeMap<Identity, Known>,
    rotated: Instant,
    errors: u64,
    lost: u64,
    bytes: Option<u64>,
}

/// What the history remembers of a process between rounds.
#[derive(Debug)]
struct Known {
    row: Option<i64>,
    renewed_ns: u64,
    sampled_ns: u64,
    block: Option<Block>,
    coverage: Coverage,
    covered_ns: u64,
    connections: Vec<ConnectionGroup>,
    rollup: Pace,
}

impl History {
    /// Opens or makes a history.
    ///
    /// # Errors
    /// Where it is no history, a newer one, a damaged one, or another m5 writes it.
    pub fn open(path: &Path, limits: Limits, interval: Duration) -> Result<Self, HistoryError> {
        Ok(Self {
            store: Store::open(path, limits)?,
            interval,
            begin_unix_ns: unix_ns() as i64,
            begin_ns: monotonic_ns(),
            begun: false,
            known: BTreeMap::new(),
            rotated: Instant::now(),
            errors: 0,
            lost: 0,
            bytes: None,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// The last of each process that runs still, for charts that go on; nothing where it cannot be read.
    #[must_use]
    pub fn recent(&self, span: Duration) -> BTreeMap<Identity, ChartPoints> {
        let from = self.begin_unix_ns.saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX));
        self.store.recent(&boot_id(), from).unwrap_or_default()
    }

    /// Takes a pause that was seen.
    pub fn on_pause(&mut self, identity: Identity, source: SourceKind, pause: &Pause) {
        let start_ns = self.at(pause.start_ns);
        let known = self.known.entry(identity).or_insert_with(Known::new);
        known.block.get_or_insert_with(|| Block::new(source)).push(pause, start_ns);
    }

    /// Writes the round that the pool has just sampled.
    pub fn round(&mut self, pool: &Pool) {
        let members = pool.members();
        let entries: Vec<(&Member, Entry)> = match self.entries(&members) {
            Ok(entries) => entries,
            Err(_) => {
                self.errors += 1;
                self.lost += members.len() as u64;
                return;
            }
        };
        let written: Vec<Entry> = entries.iter().map(|(_, entry)| entry.clone()).collect();
        if self.store.append(&written).is_ok() {
            for (member, entry) in &entries {
                self.written(member, entry);
            }
        } else {
            // What is known of connections and pauses is kept and goes with the next round.
            self.errors += 1;
            self.lost += entries.len() as u64;
        }
        self.forget(&members);
        if self.rotated.elapsed() >= ROTATE || self.bytes.is_none() {
            self.rotated = Instant::now();
            self.errors += u64::from(self.store.rotate(self.now_ns()).is_err());
        }
        self.bytes = self.store.used_bytes().ok();
    }

    fn now_ns(&self) -> i64 {
        self.at(monotonic_ns())
    }

    fn at(&self, monotonic: u64) -> i64 {
        self.begin_unix_ns + (monotonic as i64 - self.begin_ns as i64)
    }

    /// A run begins with its first round, and again where somebody set the clock.
    fn begin(&mut self) -> Result<(), HistoryError> {
        let drift = (unix_ns() as i64 - self.now_ns()).abs();
        if self.begun && drift < DRIFT_NS {
            return Ok(());
        }
        if drift >= DRIFT_NS {
            (self.begin_unix_ns, self.begin_ns) = (unix_ns() as i64, monotonic_ns());
        }
        let boot = boot_id();
        self.store.begin(&Session {
            begin_ns: self.begin_unix_ns,
            interval_ns: self.interval.as_nanos() as i64,
            boot,
            machine: Machine::read(Path::new("/proc")),
        })?;
        self.begun = true;
        Ok(())
    }

    fn entries<'a>(&mut self, members: &[&'a Member]) -> Result<Vec<(&'a Member, Entry)>, HistoryError> {
        self.begin()?;
        let mut out = Vec::with_capacity(members.len());
        for member in members {
            let known = self.known.entry(member.identity()).or_insert_with(Known::new);
            // A sample that failed is not the one before once more.
            if member.sampled_ns() <= known.sampled_ns {
                continue;
            }
            let fresh =
                known.renewed_ns >= member.known_ns() && member.sampled_ns() - known.renewed_ns < RENEW_NS;
            let process = match known.row.filter(|_| fresh) {
                Some(row) => row,
                None => {
                    let head = Head {
                        service: member.service().to_owned(),
                        slot: member.slot(),
                        record: member.record(),
                    };
                    let row = self.store.process(&head)?;
                    (known.row, known.renewed_ns) = (Some(row), member.sampled_ns());
                    row
                }
            };
            let t_ns = self.begin_unix_ns + (member.sampled_ns() as i64 - self.begin_ns as i64);
            let entry = Entry {
                process,
                t_ns,
                sample: member.stored_sample(),
                pauses: known.pauses(member),
                connections: known.changed(member),
                rollup: known.rollup(member),
            };
            out.push((*member, entry));
        }
        Ok(out)
    }

    fn written(&mut self, member: &Member, entry: &Entry) {
        let Some(known) = self.known.get_mut(&member.identity()) else { return };
        known.sampled_ns = member.sampled_ns();
        if entry.pauses.is_some() {
            known.block = None;
            known.coverage = member.pauses.coverage;
            known.covered_ns = member.sampled_ns();
        }
        if let Some(groups) = &entry.connections {
            known.connections.clone_from(groups);
        }
    }

    /// Processes that the pool no longer has, have ended.
    fn forget(&mut self, members: &[&Member]) {
        let here: Vec<Identity> = members.iter().map(|m| m.identity()).collect();
        let gone: Vec<Identity> = self.known.keys().filter(|id| !here.contains(id)).copied().collect();
        for id in gone {
            if let Some(row) = self.known.remove(&id).and_then(|known| known.row) {
                self.errors += u64::from(self.store.ended(row).is_err());
            }
        }
    }

    /// What the history says of itself.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        vec![
            Family::single(
                "m5_history_bytes",
                Kind::Gauge,
                "Bytes of the history in use.",
                self.bytes.map(|b| b as f64),
            ),
            Family::single(
                "m5_history_errors_total",
                Kind::Counter,
                "Failed writes of the history (a full disk, a bound that is too small).",
                Some(self.errors as f64),
            ),
            Family::single(
                "m5_history_samples_lost_total",
                Kind::Counter,
                "Samples that did not get into the history.",
                Some(self.lost as f64),
            ),
        ]
    }
}

impl Known {
    fn new() -> Self {
        Self {
            row: None,
            renewed_ns: 0,
            sampled_ns: 0,
            block: None,
            coverage: Coverage::default(),
            covered_ns: 0,
            connections: Vec::new(),
            // The kernel holds the target's mmap lock while it counts: a ten-thousandth of the time at most.
            rollup: Pace::new(300.0, 3600.0, 10_000.0),
        }
    }

    /// Pauses since the last round; without any, what the source saw and missed is written now and then.
    fn pauses(&self, member: &Member) -> Option<Block> {
        let source = member.source()?;
        if self.block.is_none() && member.sampled_ns() - self.covered_ns < COVER_NS {
            return None;
        }
        let mut block = self.block.clone().unwrap_or_else(|| Block::new(source));
        block.cover(since(&member.pauses.coverage, &self.coverage));
        Some(block)
    }

    fn changed(&self, member: &Member) -> Option<Vec<ConnectionGroup>> {
        let mut groups = member.connections.clone()?;
        crate::record::keep_largest(&mut groups);
        (groups != self.connections).then_some(groups)
    }

    fn rollup(&mut self, member: &Member) -> Option<(u64, u64)> {
        let t = member.sampled_ns() as f64 / 1e9;
        if !self.rollup.due(t) {
            return None;
        }
        let before = monotonic_ns();
        let rollup = member.process().rollup();
        self.rollup.done(t, (monotonic_ns() - before) as f64 / 1e9);
        rollup.ok().map(|r| (r.pss_bytes, r.uss_bytes))
    }
}
/// The boot of the machine that identities belong to.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
