//! The tables, and whether a file is one of ours. The layout is data: what a file says of itself must be this
//! text, letter by letter, or it is not read.

use super::HistoryError;
use super::error::of;
use m5_report::doc::{Number, Sample};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Version of the layout. Every change of the statements below, also of the columns of a sample, needs another.
pub(super) const VERSION: i64 = 1;
/// Says whose file it is, in SQLite's header: `m5hi`.
const APPLICATION: i64 = 0x6d35_6869;
/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How long a statement waits for a lock of another connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The statements that make the tables.
pub(super) fn statements() -> [String; 6] {
    let real = |name: &str| matches!(name, "cpu_seconds" | "cgroup_pressure_some_percent");
    let kind = |name: &str| if real(name) { "REAL" } else { "INTEGER" };
    let columns: Vec<String> = Sample::COLUMNS.iter().map(|name| format!("{name} {}", kind(name))).collect();
    [
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, begin_ns INTEGER NOT NULL, interval_ns INTEGER NOT NULL, \
         boot TEXT NOT NULL, m5_version TEXT NOT NULL, machine TEXT NOT NULL) STRICT"
            .to_owned(),
        "CREATE TABLE processes (id INTEGER PRIMARY KEY, boot TEXT NOT NULL, pid INTEGER NOT NULL, start_ticks \
         INTEGER NOT NULL, service TEXT NOT NULL, slot INTEGER NOT NULL, record TEXT NOT NULL, exited INTEGER NOT \
         NULL, thinned_ns INTEGER NOT NULL, coarse_ns INTEGER NOT NULL, UNIQUE (boot, pid, start_ticks, service)) \
         STRICT"
            .to_owned(),
        format!(
            "CREATE TABLE samples (process INTEGER NOT NULL, t_ns INTEGER NOT NULL, session INTEGER NOT NULL, \
             stands_for INTEGER NOT NULL, {}, PRIMARY KEY (process, t_ns)) STRICT, WITHOUT ROWID",
            columns.join(", ")
        ),
        "CREATE TABLE pauses (process INTEGER NOT NULL, t_ns INTEGER NOT NULL, source TEXT NOT NULL, totals TEXT \
         NOT NULL, coverage TEXT NOT NULL, one_in INTEGER NOT NULL, kept BLOB NOT NULL, PRIMARY KEY (process, \
         t_ns)) STRICT, WITHOUT ROWID"
            .to_owned(),
        "CREATE TABLE rollups (process INTEGER NOT NULL, t_ns INTEGER NOT NULL, pss_bytes INTEGER NOT NULL, \
         uss_bytes INTEGER NOT NULL, PRIMARY KEY (process, t_ns)) STRICT, WITHOUT ROWID"
            .to_owned(),
        "CREATE TABLE connections (process INTEGER NOT NULL, t_ns INTEGER NOT NULL, groups TEXT NOT NULL, PRIMARY \
         KEY (process, t_ns)) STRICT, WITHOUT ROWID"
            .to_owned(),
    ]
}

/// Tables that hold something at moments, by process.
pub(super) const TIMED: [&str; 4] = ["samples", "pauses", "rollups", "connections"];

/// Opens an existing file, or an empty one that is to become a history.
pub(super) fn connect(path: &Path, write: bool) -> Result<Connection, HistoryError> {
    let size = check_magic(path)?;
    let fail = |e: rusqlite::Error| of(path, &e);
    let access = match write {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let connection =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fail)?;
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    // A file from elsewhere is data, whatever is written in its schema.
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;").map_err(fail)?;
    if size == 0 && write {
        create(&connection).map_err(fail)?;
    }
    check(path, &connection)?;
    Ok(connection)
}

/// Length of the file; one that is neither empty nor SQLite's is refused unopened.
fn check_magic(path: &Path) -> Result<u64, HistoryError> {
    let io = |source| HistoryError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut head = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(io)?;
    if length == 0 || head == MAGIC {
        Ok(length)
    } else {
        Err(HistoryError::Foreign { path: path.to_owned() })
    }
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {}; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;",
        statements().join("; ")
    ))
}

fn check(path: &Path, connection: &Connection) -> Result<(), HistoryError> {
    let fail = |e: rusqlite::Error| of(path, &e);
    let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if header("application_id").map_err(fail)? != APPLICATION {
        return Err(HistoryError::Foreign { path: path.to_owned() });
    }
    let version = header("user_version").map_err(fail)?;
    if version > VERSION {
        return Err(HistoryError::Newer { path: path.to_owned(), version, reads: VERSION });
    }
    let mut query = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
        .map_err(fail)?;
    let found = query.query_map([], |row| row.get::<_, String>(0)).map_err(fail)?;
    let found: Vec<String> = found.collect::<Result<_, _>>().map_err(fail)?;
    if version == VERSION && found == statements() {
        return Ok(());
    }
    let detail = "its tables are not those of a history".to_owned();
    Err(HistoryError::Damaged { path: path.to_owned(), detail })
}

/// A quantity as the store keeps it.
pub(super) fn value(number: Option<Number>) -> rusqlite::types::Value {
    use rusqlite::types::Value;
    match number {
        None => Value::Null,
        Some(Number::Whole(n)) => i64::try_from(n).map_or(Value::Null, Value::Integer),
        Some(Number::Real(x)) => Value::Real(x),
    }
}

/// And back; a negative count is no count.
pub(super) fn number(value: rusqlite::types::ValueRef<'_>) -> Option<Number> {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Integer(n) => u64::try_from(n).ok().map(Number::Whole),
        ValueRef::Real(x) => Some(Number::Real(x)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_layout_needs_another_version() {
        insta::assert_snapshot!(format!("version {VERSION}\n{}", statements().join("\n")));
    }
}
