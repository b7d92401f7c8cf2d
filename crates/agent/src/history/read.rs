//! From a history back to a recording: the very document that a live baseline gives, so that everything that is
//! derived from one is derived from the other by the same code.

use super::HistoryError;
use super::block::Block;
use super::error::of;
use super::rows::{get_blocks, json, moment, one, rounds};
use super::{schema, store};
use crate::service_name::name_matches;
use m5_process::Machine;
use m5_report::doc::{
    BASELINE_SCHEMA, Baseline, ConnectionsAt, End, Interpreter, PauseLog, ProcessRecord, Recorded, RollupAt,
    Sample, Samples,
};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;

/// What is wanted of a history.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only the last so much of what it holds.
    pub since: Option<Duration>,
    /// Only these processes.
    pub pids: Vec<i32>,
    /// Only services whose name matches (`*` and `?`).
    pub names: Vec<String>,
}

/// Reads a history as one recording; several lives of a process are several processes, the latest first.
///
/// # Errors
/// Where it is no history, a newer or a damaged one, or holds nothing of what is asked for.
pub fn read(path: &Path, query: &Query) -> Result<Baseline, HistoryError> {
    let path = store::file(path);
    let mut connection = schema::connect(&path, false)?;
    let read = || -> rusqlite::Result<Option<Baseline>> {
        // One transaction: what a writer adds meanwhile is not seen.
        let transaction = connection.transaction()?;
        Reader { connection: &transaction }.read(query)
    };
    match { read }() {
        Ok(Some(baseline)) => Ok(baseline),
        Ok(None) => Err(HistoryError::Nothing { path }),
        Err(error) => Err(of(&path, &error)),
    }
}

struct Reader<'a> {
    connection: &'a Connection,
}

struct Session {
    begin_ns: i64,
    interval_ns: i64,
    m5_version: String,
    machine: Machine,
}

/// A process of the history with the samples that were asked for.
struct Life {
    service: String,
    slot: i64,
    record: ProcessRecord,
    rows: Vec<Row>,
    id: i64,
}

struct Row {
    t_ns: i64,
    session: i64,
    stands_for: i64,
    sample: Sample,
}

/// How much of a run was sampled.
#[derive(Default)]
struct Rounds {
    first_ns: i64,
    last_ns: i64,
    taken: BTreeMap<(String, i64), i64>,
}

impl Reader<'_> {
    fn read(&self, query: &Query) -> rusqlite::Result<Option<Baseline>> {
        let mut lives = self.lives(query)?;
        let newest = lives.iter().map(|(_, last)| *last).max();
        let Some(newest) = newest else { return Ok(None) };
        let wide = |since: Duration| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let from = query.since.map_or(i64::MIN, |since| newest.saturating_sub(wide(since)));
        let mut found = Vec::new();
        lives.retain(|(_, last)| *last >= from);
        for (life, _) in lives {
            let rows = self.rows(life.id, from)?;
            found.push(Life { rows, ..life });
        }
        let sessions = self.sessions()?;
        let oldest = found.iter().filter_map(|l| l.rows.first()).min_by_key(|row| row.t_ns);
        let Some(oldest) = oldest else { return Ok(None) };
        // A recording begins when everything is open, a moment before its first sample.
        let begun = sessions.get(&oldest.session).map_or(oldest.t_ns, |s| s.begin_ns.min(oldest.t_ns));
        let origin = begun.max(from.min(oldest.t_ns));
        found.sort_by_key(|l| (l.rows.last().map(|row| -row.t_ns), l.record.identity.pid));
        let recorded = recorded(&found, &sessions, origin, newest);
        let session = found.first().and_then(|l| l.rows.last()).and_then(|row| sessions.get(&row.session));
        let processes =
            found.into_iter().map(|life| self.record(life, origin, from)).collect::<Result<_, _>>()?;
        Ok(Some(Baseline {
            schema: BASELINE_SCHEMA.to_owned(),
            m5_version: session.map(|s| s.m5_version.clone()).unwrap_or_default(),
            recorded,
            machine: session.map(|s| s.machine.clone()).unwrap_or_default(),
            processes,
            objectives_from: None,
            comparison: None,
        }))
    }

    /// The processes that are asked for and have samples, each with the time of its last.
    fn lives(&self, query: &Query) -> rusqlite::Result<Vec<(Life, i64)>> {
        let mut statement =
            self.connection.prepare("SELECT id, service, slot, record, exited FROM processes")?;
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, service): (i64, String) = (row.get(0)?, row.get(1)?);
            let mut record: ProcessRecord = json(row, 3)?;
            record.service.get_or_insert_with(|| service.clone());
            record.exited |= row.get::<_, i64>(4)? != 0;
            let wanted = (query.pids.is_empty() || query.pids.contains(&record.identity.pid))
                && (query.names.is_empty() || query.names.iter().any(|name| name_matches(name, &service)));
            let last = "SELECT max(t_ns) FROM samples WHERE process = ?";
            if let (true, Some(last)) = (wanted, one(self.connection, last, &[id])?) {
                out.push((Life { service, slot: row.get(2)?, record, rows: Vec::new(), id }, last));
            }
        }
        Ok(out)
    }

    fn sessions(&self) -> rusqlite::Result<BTreeMap<i64, Session>> {
        let select = "SELECT id, begin_ns, interval_ns, m5_version, machine FROM sessions";
        let mut statement = self.connection.prepare(select)?;
        let mut rows = statement.query([])?;
        let mut out = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (begin_ns, interval_ns) = (moment(row, 1)?, moment(row, 2)?);
            out.insert(
                row.get(0)?,
                Session { begin_ns, interval_ns, m5_version: row.get(3)?, machine: json(row, 4)? },
            );
        }
        Ok(out)
    }

    /// Samples in order. Where a run began on a clock that was set back, the newer run is believed.
    fn rows(&self, id: i64, from: i64) -> rusqlite::Result<Vec<Row>> {
        let select = format!(
            "SELECT t_ns, session, stands_for, {} FROM samples WHERE process = ? AND t_ns >= ? ORDER BY t_ns",
            Sample::COLUMNS.join(", ")
        );
        let mut statement = self.connection.prepare(&select)?;
        let mut rows = statement.query([id, from])?;
        let (mut out, mut latest) = (Vec::new(), i64::MIN);
        while let Some(row) = rows.next()? {
            let session = row.get(1)?;
            if session < latest {
                continue;
            }
            latest = session;
            let numbers = (0..Sample::COLUMNS.len()).map(|i| Ok(schema::number(row.get_ref(i + 3)?)));
            let numbers: Vec<_> = numbers.collect::<rusqlite::Result<_>>()?;
            let sample = Sample::from_numbers(0.0, &numbers).ok_or(rusqlite::Error::InvalidQuery)?;
            out.push(Row { t_ns: moment(row, 0)?, session, stands_for: rounds(row, 2)?, sample });
        }
        Ok(out)
    }

    fn record(&self, life: Life, origin: i64, from: i64) -> rusqlite::Result<ProcessRecord> {
        let at = |t_ns: i64| t_ns.saturating_sub(origin) as f64 / 1e9;
        let mut record = life.record;
        (record.derived, record.criteria) = (None, Vec::new());
        record.samples = Samples::default();
        for row in &life.rows {
            let t_seconds = at(row.t_ns);
            if record.samples.t_seconds.last().is_none_or(|last| *last < t_seconds) {
                record.samples.push(&Sample { t_seconds, ..row.sample });
            }
        }
        if let Some(known) = &mut record.interpreter {
            set_counters(known, &life.rows);
        }
        record.pauses = self.pauses(life.id, origin, from)?;
        record.rollups = self.rollups(life.id, from, &at)?;
        record.connections = self.connections(life.id, from, &at)?;
        Ok(record)
    }

    fn pauses(&self, id: i64, origin: i64, from: i64) -> rusqlite::Result<Option<PauseLog>> {
        let mut blocks = get_blocks(self.connection, id, from, i64::MAX)?.into_iter().map(|(_, block)| block);
        let Some(first) = blocks.next() else { return Ok(None) };
        let mut all = Block::new(first.source);
        all.merge(&first, PauseLog::MOST);
        blocks.for_each(|block| all.merge(&block, PauseLog::MOST));
        Ok(Some(all.into_log(origin)))
    }

    fn rollups(&self, id: i64, from: i64, at: &dyn Fn(i64) -> f64) -> rusqlite::Result<Vec<RollupAt>> {
        let select =
            "SELECT t_ns, pss_bytes, uss_bytes FROM rollups WHERE process = ? AND t_ns >= ? ORDER BY t_ns";
        let mut statement = self.connection.prepare(select)?;
        let rows = statement.query_map([id, from], |row| {
            let bytes = |index| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(index)?.max(0) as u64);
            Ok(RollupAt { t_seconds: at(moment(row, 0)?), pss_bytes: bytes(1)?, uss_bytes: bytes(2)? })
        })?;
        rows.collect()
    }

    fn connections(
        &self,
        id: i64,
        from: i64,
        at: &dyn Fn(i64) -> f64,
    ) -> rusqlite::Result<Vec<ConnectionsAt>> {
        let select = "SELECT t_ns, groups FROM connections WHERE process = ? AND t_ns >= ? ORDER BY t_ns";
        let mut statement = self.connection.prepare(select)?;
        let rows = statement.query_map([id, from], |row| {
            Ok(ConnectionsAt { t_seconds: at(moment(row, 0)?), groups: json(row, 1)? })
        })?;
        rows.collect()
    }
}

/// The collector's counters at both ends of what is shown; thresholds stay as they were seen last.
fn set_counters(known: &mut Interpreter, rows: &[Row]) {
    let of = |s: &Sample| {
        let pairs = [
            (s.gc0_collections, s.gc0_collected),
            (s.gc1_collections, s.gc1_collected),
            (s.gc2_collections, s.gc2_collected),
        ];
        let all = pairs.iter().all(|(n, freed)| n.is_some() && freed.is_some());
        all.then(|| pairs.map(|(n, freed)| (n.unwrap_or_default(), freed.unwrap_or_default())))
    };
    let first = rows.iter().find_map(|row| of(&row.sample));
    let last = rows.iter().rev().find_map(|row| of(&row.sample));
    for (state, counters) in [(&mut known.gc_begin, first), (&mut known.gc_end, last)] {
        for (generation, (collections, collected)) in
            state.generations.iter_mut().zip(counters.into_iter().flatten())
        {
            (generation.collections, generation.collected) = (collections, collected);
        }
    }
}

fn recorded(lives: &[Life], sessions: &BTreeMap<i64, Session>, origin: i64, newest: i64) -> Recorded {
    let mut runs = BTreeMap::<i64, Rounds>::new();
    for life in lives {
        for row in &life.rows {
            let run = runs.entry(row.session).or_insert_with(|| Rounds {
                first_ns: row.t_ns,
                last_ns: row.t_ns,
                taken: BTreeMap::new(),
            });
            (run.first_ns, run.last_ns) = (run.first_ns.min(row.t_ns), run.last_ns.max(row.t_ns));
            *run.taken.entry((life.service.clone(), life.slot)).or_default() += row.stands_for;
        }
    }
    let interval = |id: &i64| sessions.get(id).map_or(1, |s| s.interval_ns.max(1));
    // Between runs nobody was there: that is no round that was missed.
    let due = |(id, run): (&i64, &Rounds)| {
        let reach = (run.last_ns - run.first_ns) as f64 / interval(id) as f64;
        (reach + 0.5) as u64 + 1
    };
    let taken = |run: &Rounds| run.taken.values().copied().max().unwrap_or(0).max(0) as u64;
    let observed_seconds = newest.saturating_sub(origin).max(0) as f64 / 1e9;
    let taken: u64 = runs.values().map(taken).sum();
    Recorded {
        ended_early: false,
        load: None,
        // In two parts: as one number the nanoseconds since 1970 are rounded before they are divided.
        started_unix_seconds: origin.div_euclid(SECOND) as f64 + origin.rem_euclid(SECOND) as f64 / 1e9,
        observed_seconds,
        requested_seconds: observed_seconds,
        interval_seconds: runs.keys().next_back().map_or(1, interval) as f64 / 1e9,
        rounds_due: runs.iter().map(due).sum::<u64>().max(taken),
        rounds_taken: taken,
        end: if lives.iter().all(|l| l.record.exited) { End::TargetExited } else { End::Complete },
    }
}
