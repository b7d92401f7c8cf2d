//! What a history holds of processes that run still, thinned as charts are: whoever begins to watch goes on where the
//! last one ended.

use crate::pool::{ChartPoint, ChartPoints};
use m5_process::Identity;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// The points of each process of a boot since a moment, of bounded number.
pub(super) fn recent(
    connection: &Connection,
    boot: &str,
    from_ns: i64,
) -> rusqlite::Result<BTreeMap<Identity, ChartPoints>> {
    let mut processes =
        connection.prepare("SELECT id, pid, start_ticks FROM processes WHERE boot = ? AND exited = 0")?;
    let mut samples = connection.prepare(
        "SELECT t_ns, rss_bytes, fds, connections, gc0_collections, gc1_collections, gc2_collections FROM samples \
         WHERE process = ? AND t_ns >= ? AND rss_bytes IS NOT NULL ORDER BY t_ns",
    )?;
    let mut out = BTreeMap::new();
    let mut found = processes.query([boot])?;
    while let Some(process) = found.next()? {
        let identity = Identity { pid: process.get(1)?, start_ticks: process.get::<_, i64>(2)? as u64 };
        let mut points = ChartPoints::default();
        let mut full = None;
        let mut rows = samples.query(params![process.get::<_, i64>(0)?, from_ns])?;
        while let Some(row) = rows.next()? {
            let number = |at: usize| row.get::<_, Option<i64>>(at);
            let rss_bytes = row.get::<_, i64>(1)? as f64;
            let count = |at: usize| Ok::<_, rusqlite::Error>(number(at)?.map(|n| n.unsigned_abs()));
            let collections = match (count(4)?, count(5)?, count(6)?) {
                (Some(a), Some(b), Some(c)) => Some([a, b, c]),
                _ => None,
            };
            let collected = collections.map(|all: [u64; 3]| all[2]);
            let after_full = collected.zip(full).is_some_and(|(now, before)| now > before);
            full = collected.or(full);
            points.push(ChartPoint {
                unix_seconds: row.get::<_, i64>(0)? as f64 / 1e9,
                rss_bytes,
                post_gc_bytes: after_full.then_some(rss_bytes),
                fds: number(2)?.map(|n| n as f64),
                connections: number(3)?.map(|n| n as f64),
                collections,
            });
        }
        out.insert(identity, points);
    }
    Ok(out)
}
