//! Rotation. Of an old stretch of time a few samples stay, each as it was measured: those with the lowest and
//! the highest values, and the last, where the counters stand. Nothing is averaged: a floor stays a floor and a
//! peak a peak, and a thinned history replays through the same code as a fresh one.

use super::rows::{get_blocks, moment, one, pragma, put_block, rounds};
use super::{Limits, schema};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::time::Duration;

/// The tables of a history that is written, and the processes that stay though nothing is left of them.
pub(super) struct Tables<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) live: &'a BTreeSet<i64>,
}

/// Stretches of which the extremes stay, nanoseconds.
const FINE: i64 = 300_000_000_000;
const COARSE: i64 = 3_600_000_000_000;
/// Quantities whose lowest and highest values stay: those that verdicts and objectives look at.
const EXTREMES: [&str; 6] = ["rss_bytes", "anon_bytes", "fds", "connections", "threads", "gc_live_objects"];
/// Single pauses that stay of a stretch.
const PAUSES: usize = 256;
/// The file is made smaller when it is so full, in percent of its bound.
const FULL_PERCENT: u64 = 85;

pub(super) fn rotate(tables: &mut Tables<'_>, now_ns: i64, limits: &Limits) -> rusqlite::Result<()> {
    thin(tables, now_ns, limits, 0)?;
    delete_before(tables, now_ns.saturating_sub(nanoseconds(limits.age)))?;
    if !fits(tables, limits)? {
        make_room(tables, now_ns, limits)?;
    }
    // One row a page: the statement is done when they are all read.
    let mut vacuum = tables.connection.prepare_cached("PRAGMA incremental_vacuum")?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Keeps less of the past until the file fits: first thinned sooner, then shorter.
pub(super) fn make_room(tables: &mut Tables<'_>, now_ns: i64, limits: &Limits) -> rusqlite::Result<()> {
    for halvings in 1..=6 {
        thin(tables, now_ns, limits, halvings)?;
        if fits(tables, limits)? {
            return Ok(());
        }
    }
    while let Some((oldest, newest)) = ends(tables)?.filter(|(oldest, newest)| oldest < newest) {
        delete_before(tables, oldest.saturating_add((newest.saturating_sub(oldest) / 8).max(1)))?;
        if fits(tables, limits)? {
            break;
        }
    }
    Ok(())
}

fn fits(tables: &Tables<'_>, limits: &Limits) -> rusqlite::Result<bool> {
    let pages = pragma(tables.connection, "page_count")? - pragma(tables.connection, "freelist_count")?;
    let used = (pages * pragma(tables.connection, "page_size")?).max(0) as u64;
    let most = limits.bytes.min(
        pragma(tables.connection, "max_page_count")?.max(0) as u64
            * pragma(tables.connection, "page_size")? as u64,
    );
    Ok(used <= most / 100 * FULL_PERCENT)
}

fn ends(tables: &Tables<'_>) -> rusqlite::Result<Option<(i64, i64)>> {
    let end = |of: &str| one(tables.connection, &format!("SELECT {of}(t_ns) FROM samples"), &[]);
    Ok(end("min")?.zip(end("max")?))
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Thins what is older than the ages, each halved so often.
fn thin(tables: &mut Tables<'_>, now_ns: i64, limits: &Limits, halvings: u32) -> rusqlite::Result<()> {
    let steps =
        [("thinned_ns", FINE, nanoseconds(limits.raw)), ("coarse_ns", COARSE, nanoseconds(limits.fine))];
    for (mark, width, age) in steps {
        let to = now_ns.saturating_sub(age >> halvings).div_euclid(width).saturating_mul(width);
        let select = format!("SELECT id, {mark} FROM processes WHERE {mark} < ?");
        let due: Vec<(i64, i64)> = {
            let mut query = tables.connection.prepare_cached(&select)?;
            let rows = query.query_map([to], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        for (id, from) in due {
            let transaction = tables.connection.transaction()?;
            thin_samples(&transaction, id, from, to, width)?;
            thin_pauses(&transaction, id, from, to, width)?;
            for table in ["rollups", "connections"] {
                keep_last(&transaction, table, id, from, to, width)?;
            }
            transaction.execute(&format!("UPDATE processes SET {mark} = ? WHERE id = ?"), [to, id])?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// A sample as far as thinning looks at it.
struct Row {
    t_ns: i64,
    stands_for: i64,
    values: [Option<i64>; EXTREMES.len()],
}

fn thin_samples(connection: &Connection, id: i64, from: i64, to: i64, width: i64) -> rusqlite::Result<()> {
    let select = format!(
        "SELECT t_ns, stands_for, {} FROM samples WHERE process = ? AND t_ns >= ? AND t_ns < ? ORDER BY t_ns",
        EXTREMES.join(", ")
    );
    let mut query = connection.prepare_cached(&select)?;
    let mut rows = query.query([id, from, to])?;
    let mut stretch: Vec<Row> = Vec::new();
    while let Some(row) = rows.next()? {
        let mut values = [None; EXTREMES.len()];
        for (i, value) in values.iter_mut().enumerate() {
            *value = row.get(i + 2)?;
        }
        let row = Row { t_ns: moment(row, 0)?, stands_for: rounds(row, 1)?, values };
        if stretch.first().is_some_and(|first| first.t_ns.div_euclid(width) != row.t_ns.div_euclid(width)) {
            drop_rest(connection, id, &std::mem::take(&mut stretch))?;
        }
        stretch.push(row);
    }
    drop_rest(connection, id, &stretch)
}

/// Deletes all but the extremes and the last of a stretch; the last stands for those that went.
fn drop_rest(connection: &Connection, id: i64, stretch: &[Row]) -> rusqlite::Result<()> {
    let stay = extremes(stretch);
    let gone: Vec<&Row> =
        stretch.iter().enumerate().filter(|(i, _)| !stay.contains(i)).map(|(_, r)| r).collect();
    let Some(last) = stretch.last().filter(|_| !gone.is_empty()) else { return Ok(()) };
    for row in &gone {
        let delete = "DELETE FROM samples WHERE process = ? AND t_ns = ?";
        connection.prepare_cached(delete)?.execute([id, row.t_ns])?;
    }
    let stood: i64 = gone.iter().map(|row| row.stands_for).sum();
    let update = "UPDATE samples SET stands_for = stands_for + ? WHERE process = ? AND t_ns = ?";
    connection.prepare_cached(update)?.execute([stood, id, last.t_ns])?;
    Ok(())
}

/// Which samples of a stretch stay: as few as show every extreme.
fn extremes(stretch: &[Row]) -> BTreeSet<usize> {
    let mut stay: BTreeSet<usize> = stretch.len().checked_sub(1).into_iter().collect();
    for column in 0..EXTREMES.len() {
        let present = || stretch.iter().enumerate().filter_map(|(i, row)| Some((row.values[column]?, i)));
        for wanted in [present().min(), present().max()].into_iter().flatten() {
            if !stay.iter().any(|i| stretch[*i].values[column] == Some(wanted.0)) {
                stay.insert(wanted.1);
            }
        }
    }
    stay
}

/// Merges the blocks of each stretch, one stretch at a time: a day of them is not for memory.
fn thin_pauses(connection: &Connection, id: i64, from: i64, to: i64, width: i64) -> rusqlite::Result<()> {
    let next = "SELECT min(t_ns) FROM pauses WHERE process = ? AND t_ns >= ? AND t_ns < ?";
    let mut from = from;
    while let Some(begin) = one(connection, next, &[id, from, to])? {
        from = begin.div_euclid(width).saturating_add(1).saturating_mul(width);
        let end = from.saturating_sub(1);
        let blocks = get_blocks(connection, id, begin, end)?;
        let (Some((_, first)), Some((last, _))) = (blocks.first(), blocks.last()) else { continue };
        let mut all = super::Block::new(first.source);
        blocks.iter().for_each(|(_, block)| all.merge(block, PAUSES));
        let delete = "DELETE FROM pauses WHERE process = ? AND t_ns BETWEEN ? AND ?";
        connection.prepare_cached(delete)?.execute([id, begin, end])?;
        put_block(connection, id, *last, &all)?;
    }
    Ok(())
}

fn keep_last(
    connection: &Connection,
    table: &str,
    id: i64,
    from: i64,
    to: i64,
    width: i64,
) -> rusqlite::Result<()> {
    let delete = format!(
        "DELETE FROM {table} WHERE process = ?1 AND t_ns >= ?2 AND t_ns < ?3 AND t_ns NOT IN (SELECT max(t_ns) FROM \
         {table} WHERE process = ?1 AND t_ns >= ?2 AND t_ns < ?3 GROUP BY t_ns / ?4)"
    );
    connection.prepare_cached(&delete)?.execute([id, from, to, width]).map(drop)
}

/// Deletes everything before a moment, then processes and sessions that nothing is left of.
fn delete_before(tables: &mut Tables<'_>, t_ns: i64) -> rusqlite::Result<()> {
    let transaction = tables.connection.transaction()?;
    let ids: Vec<i64> = {
        let mut query = transaction.prepare_cached("SELECT id FROM processes")?;
        query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for id in ids {
        for table in schema::TIMED {
            let delete = format!("DELETE FROM {table} WHERE process = ? AND t_ns < ?");
            transaction.prepare_cached(&delete)?.execute([id, t_ns])?;
        }
        let left = "SELECT 1 FROM samples WHERE process = ? LIMIT 1";
        if !tables.live.contains(&id) && one(&transaction, left, &[id])?.is_none() {
            transaction.execute("DELETE FROM processes WHERE id = ?", params![id])?;
        }
    }
    // A run is over where the next one has begun.
    let over = "DELETE FROM sessions WHERE id < (SELECT max(id) FROM sessions WHERE begin_ns <= ?)";
    transaction.execute(over, [t_ns])?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t_ns: i64, rss: Option<i64>, fds: Option<i64>) -> Row {
        Row { t_ns, stands_for: 1, values: [rss, None, fds, None, None, None] }
    }

    #[test]
    fn extremes_and_the_last_stay() {
        let rows = [
            row(0, Some(5), Some(1)),
            row(1, Some(9), Some(1)),
            row(2, None, Some(1)),
            row(3, Some(2), Some(1)),
            row(4, Some(4), Some(1)),
        ];
        assert_eq!(extremes(&rows), BTreeSet::from([1, 3, 4]));
        assert!(extremes(&[]).is_empty());
    }
}
