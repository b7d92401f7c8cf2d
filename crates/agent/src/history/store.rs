//! The writer: one transaction a round, so that a kill at any moment leaves whole rounds.

use super::block::Block;
use super::error::of;
use super::lock::Lock;
use super::recent::recent;
use super::rows::{pragma, put_block};
use super::{HistoryError, Limits, schema, thin};
use crate::pool::ChartPoints;
use m5_process::{ConnectionGroup, Identity, Machine};
use m5_report::doc::{ProcessRecord, Sample};
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file in a folder that was named.
const FILE: &str = "m5-history.db";
/// Smallest bound that leaves room for the tables and a day of one process.
const LEAST_BYTES: u64 = 1 << 20;
/// Bytes of the write-ahead log that stay when it is not needed.
const WAL_BYTES: u64 = 4 << 20;

/// The file that a path means: itself, or the history in that folder.
#[must_use]
pub fn file(path: &Path) -> PathBuf {
    let folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if folder { path.join(FILE) } else { path.to_owned() }
}

/// One run of an m5 that writes.
#[derive(Debug, Clone)]
pub struct Session {
    /// Begin on the clock of the history, nanoseconds since 1970.
    pub begin_ns: i64,
    /// Time between samples, nanoseconds.
    pub interval_ns: i64,
    /// The boot of the machine that identities belong to.
    pub boot: String,
    /// The machine.
    pub machine: Machine,
}

/// What is known of a process beside its samples.
#[derive(Debug, Clone)]
pub struct Head {
    /// The service that it belongs to.
    pub service: String,
    /// Which worker of it.
    pub slot: usize,
    /// The record of a baseline, without samples.
    pub record: ProcessRecord,
}

/// One process at one moment.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The process, by [`Store::process`].
    pub process: i64,
    /// When, on the clock of the history.
    pub t_ns: i64,
    /// Its sample; the time in it is not used.
    pub sample: Sample,
    /// Pauses since the last entry.
    pub pauses: Option<Block>,
    /// Connections, where they changed.
    pub connections: Option<Vec<ConnectionGroup>>,
    /// PSS and USS, where they were read.
    pub rollup: Option<(u64, u64)>,
}

/// A history that is written.
#[derive(Debug)]
pub struct Store {
    // The order matters: the connection must be closed before the lock's descriptor is.
    connection: Connection,
    _lock: Lock,
    path: PathBuf,
    limits: Limits,
    session: i64,
    boot: String,
    /// Processes that may still get samples: they stay, also without any.
    live: BTreeSet<i64>,
}

impl Store {
    /// Opens or makes a history, readable by its owner only.
    ///
    /// # Errors
    /// Where it is no history, a newer one, a damaged one, or another m5 writes it.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, HistoryError> {
        let path = file(path);
        let io = |source: io::Error| HistoryError::Io { path: path.clone(), source };
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let file = m5_process::open_to_add(&path).map_err(io)?;
        // SQLite, too, is to find no link there, but the folder may be behind some.
        let path = path.canonicalize().map_err(io)?;
        let lock = Lock::take(file).ok_or_else(|| HistoryError::Busy { path: path.clone() })?;
        let connection = schema::connect(&path, true)?;
        let store = Self {
            connection,
            _lock: lock,
            path,
            limits,
            session: 0,
            boot: String::new(),
            live: BTreeSet::new(),
        };
        store.bound()?;
        Ok(store)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SQLite itself refuses to let the file grow beyond its bound.
    fn bound(&self) -> Result<(), HistoryError> {
        let fail = |e: rusqlite::Error| of(&self.path, &e);
        let page = pragma(&self.connection, "page_size").map_err(fail)?.max(512);
        let pages = self.limits.bytes.max(LEAST_BYTES) / page as u64;
        let text = format!(
            "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {WAL_BYTES}; PRAGMA max_page_count = {pages};"
        );
        self.connection.execute_batch(&text).map_err(fail)
    }

    /// The last of each process that runs still, thinned as charts are.
    ///
    /// # Errors
    /// As the store says.
    pub(super) fn recent(
        &self,
        boot: &str,
        from_ns: i64,
    ) -> Result<BTreeMap<Identity, ChartPoints>, HistoryError> {
        recent(&self.connection, boot, from_ns).map_err(|e| of(&self.path, &e))
    }

    /// Bytes of the file that hold something.
    ///
    /// # Errors
    /// As the store says.
    pub fn used_bytes(&self) -> Result<u64, HistoryError> {
        let used = || {
            let pages = pragma(&self.connection, "page_count")? - pragma(&self.connection, "freelist_count")?;
            rusqlite::Result::Ok((pages * pragma(&self.connection, "page_size")?).max(0) as u64)
        };
        used().map_err(|e| of(&self.path, &e))
    }

    /// Begins a run: entries from now on belong to it.
    ///
    /// # Errors
    /// As the store says.
    pub fn begin(&mut self, session: &Session) -> Result<(), HistoryError> {
        let machine = serde_json::to_string(&session.machine).unwrap_or_default();
        let insert =
            "INSERT INTO sessions (begin_ns, interval_ns, boot, m5_version, machine) VALUES (?, ?, ?, ?, ?)";
        let version = env!("CARGO_PKG_VERSION");
        let values = params![session.begin_ns, session.interval_ns, session.boot, version, machine];
        self.connection.execute(insert, values).map_err(|e| of(&self.path, &e))?;
        self.session = self.connection.last_insert_rowid();
        self.boot.clone_from(&session.boot);
        Ok(())
    }

    /// Number of a process, made or brought up to date.
    ///
    /// # Errors
    /// As the store says.
    pub fn process(&mut self, head: &Head) -> Result<i64, HistoryError> {
        let record = serde_json::to_string(&head.record).unwrap_or_default();
        let id = head.record.identity;
        let upsert = "INSERT INTO processes (boot, pid, start_ticks, service, slot, record, exited, thinned_ns, coarse_ns) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT DO UPDATE SET slot = excluded.slot, \
                      record = excluded.record, exited = excluded.exited RETURNING id";
        let values = params![
            self.boot,
            id.pid,
            id.start_ticks as i64,
            head.service,
            head.slot as i64,
            record,
            i64::from(head.record.exited)
        ];
        let row =
            self.connection.query_row(upsert, values, |row| row.get(0)).map_err(|e| of(&self.path, &e))?;
        self.live.insert(row);
        Ok(row)
    }

    /// Notes that a process has ended.
    ///
    /// # Errors
    /// As the store says.
    pub fn ended(&mut self, process: i64) -> Result<(), HistoryError> {
        self.live.remove(&process);
        let update = "UPDATE processes SET exited = 1 WHERE id = ?";
        self.connection.execute(update, [process]).map(drop).map_err(|e| of(&self.path, &e))
    }

    /// Writes a round, whole or not at all. Where there is no room, old samples make some first.
    ///
    /// # Errors
    /// As the store says; the round is lost then.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), HistoryError> {
        match self.try_append(entries) {
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                let newest = entries.iter().map(|e| e.t_ns).max().unwrap_or(0);
                let limits = self.limits;
                thin::make_room(&mut self.tables(), newest, &limits).map_err(|e| of(&self.path, &e))?;
                self.try_append(entries)
            }
            done => done,
        }
        .map_err(|e| of(&self.path, &e))
    }

    fn tables(&mut self) -> thin::Tables<'_> {
        thin::Tables { connection: &mut self.connection, live: &self.live }
    }

    fn try_append(&mut self, entries: &[Entry]) -> rusqlite::Result<()> {
        let session = self.session;
        let transaction = self.connection.transaction()?;
        for entry in entries {
            write(&transaction, session, entry)?;
        }
        transaction.commit()
    }

    /// Thins what is old, deletes what is too old, and keeps the file within its bound.
    ///
    /// # Errors
    /// As the store says; the next call goes on where this one ended.
    pub fn rotate(&mut self, now_ns: i64) -> Result<(), HistoryError> {
        let limits = self.limits;
        thin::rotate(&mut self.tables(), now_ns, &limits).map_err(|e| of(&self.path, &e))
    }
}

fn write(transaction: &Transaction<'_>, session: i64, entry: &Entry) -> rusqlite::Result<()> {
    let (id, t) = (entry.process, entry.t_ns);
    let marks = vec!["?"; Sample::COLUMNS.len() + 4].join(", ");
    let mut samples =
        transaction.prepare_cached(&format!("INSERT OR IGNORE INTO samples VALUES ({marks})"))?;
    let mut row = vec![Value::Integer(id), Value::Integer(t), Value::Integer(session), Value::Integer(1)];
    row.extend(entry.sample.numbers().into_iter().map(schema::value));
    samples.execute(params_from_iter(row))?;
    if let Some((pss, uss)) = entry.rollup {
        let insert = "INSERT OR IGNORE INTO rollups VALUES (?, ?, ?, ?)";
        transaction.prepare_cached(insert)?.execute(params![id, t, pss as i64, uss as i64])?;
    }
    if let Some(groups) = &entry.connections {
        let text = serde_json::to_string(groups).unwrap_or_default();
        let insert = "INSERT OR IGNORE INTO connections VALUES (?, ?, ?)";
        transaction.prepare_cached(insert)?.execute(params![id, t, text])?;
    }
    if let Some(block) = &entry.pauses {
        put_block(transaction, id, t, block)?;
    }
    Ok(())
}
