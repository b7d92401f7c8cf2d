//! Rows of the tables as values: blocks of pauses, JSON columns, single numbers.

use super::block::{Block, MOST};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::ops::RangeInclusive;

/// Moments that a history can hold, nanoseconds since 1970: differences and sums of two of them are numbers too.
const MOMENTS: RangeInclusive<i64> = -(i64::MAX / 2)..=i64::MAX / 2;
/// Rounds that a sample can stand for: a thousand years of seconds.
const ROUNDS: RangeInclusive<i64> = 0..=1 << 35;

/// Writes a block at a moment; one that is there already takes it in.
pub(super) fn put_block(connection: &Connection, id: i64, t: i64, block: &Block) -> rusqlite::Result<()> {
    let mut all = get_blocks(connection, id, t, t)?.pop().map_or_else(
        || block.clone(),
        |(_, mut there)| {
            there.merge(block, MOST);
            there
        },
    );
    all.kept.sort_by_key(|k| k.start_ns);
    let text = |value: Option<String>| value.unwrap_or_default();
    connection.prepare_cached("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            id,
            t,
            text(serde_json::to_string(&all.source).ok()),
            text(serde_json::to_string(&all.totals).ok()),
            text(serde_json::to_string(&all.coverage).ok()),
            all.one_in as i64,
            all.pack(t)
        ],
    )?;
    Ok(())
}

/// The blocks of a process from one moment to another, both included.
pub(super) fn get_blocks(
    connection: &Connection,
    id: i64,
    from: i64,
    to: i64,
) -> rusqlite::Result<Vec<(i64, Block)>> {
    let select = "SELECT t_ns, source, totals, coverage, one_in, kept FROM pauses WHERE process = ? AND t_ns \
                  BETWEEN ? AND ? ORDER BY t_ns";
    let mut query = connection.prepare_cached(select)?;
    let mut rows = query.query([id, from, to])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let t = moment(row, 0)?;
        let one_in: i64 = row.get(4)?;
        let block = Block {
            source: json(row, 1)?,
            totals: json(row, 2)?,
            coverage: json(row, 3)?,
            one_in: u64::try_from(one_in).ok().filter(|n| n.is_power_of_two()).ok_or_else(|| wrong(4))?,
            kept: Block::unpack(t, row.get_ref(5)?.as_blob()?).ok_or_else(|| wrong(5))?,
        };
        out.push((t, block));
    }
    Ok(out)
}

/// A value of a text column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|_| wrong(index))
}

/// A moment or a length of time; what no clock can have said is damage.
pub(super) fn moment(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<i64> {
    within(row, index, &MOMENTS)
}

/// Rounds that a sample stands for.
pub(super) fn rounds(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<i64> {
    within(row, index, &ROUNDS)
}

fn within(row: &rusqlite::Row<'_>, index: usize, possible: &RangeInclusive<i64>) -> rusqlite::Result<i64> {
    Some(row.get(index)?).filter(|n| possible.contains(n)).ok_or_else(|| wrong(index))
}

fn wrong(index: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(index, "damaged".to_owned(), rusqlite::types::Type::Text)
}

/// The value of a pragma that is a number.
pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// One number that a query gives, if it gives one.
pub(super) fn one(connection: &Connection, query: &str, values: &[i64]) -> rusqlite::Result<Option<i64>> {
    let found = connection.query_row(query, params_from_iter(values), |row| row.get::<_, Option<i64>>(0));
    Ok(found.optional()?.flatten())
}
