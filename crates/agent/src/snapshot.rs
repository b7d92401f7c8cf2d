//! One process as the kernel sees it, at one moment.

use crate::record::{describe, redact, unread};
use crate::service_name;
use m5_cpython::Interpreter;
use m5_process::{FdCounts, Process, unix_ns};
use m5_report::doc::{FdTarget, PROCESS_SCHEMA, ProcessSnapshot};
use std::collections::BTreeMap;

/// Descriptor targets that are named; the rest are in the counts by kind.
const TARGETS: usize = 50;

/// Looks at a process once: memory by mapping, descriptors, connections, cgroup, collector.
///
/// # Errors
/// Where the process is gone. What may not be read is absent.
pub fn process_snapshot(process: &Process) -> m5_process::Result<ProcessSnapshot> {
    let status = process.status()?;
    let links: Option<Vec<String>> =
        process.fd_links().ok().map(|links| links.into_iter().map(|(_, link)| link).collect());
    let mut counts = FdCounts::default();
    links.iter().flatten().for_each(|link| counts.add(link));
    let attached =
        Interpreter::attach(process).and_then(|i| i.read().map(|state| describe(process, &i, state)));
    let (interpreter, unread) = match attached {
        Ok(interpreter) => (Some(interpreter), None),
        Err(error) => (None, Some(unread(&error))),
    };
    Ok(ProcessSnapshot {
        schema: PROCESS_SCHEMA.to_owned(),
        taken_unix_seconds: unix_ns() as f64 / 1e9,
        identity: process.identity(),
        command: redact(&process.command()?),
        service: Some(service_name(process)),
        interpreter,
        unread,
        status,
        rollup: process.rollup().ok(),
        mapped: process.mapped_memory().ok(),
        fds: links.as_ref().map(|_| {
            counts.by_kind.iter().map(|(kind, n)| (kind.name().to_owned(), *n)).collect::<BTreeMap<_, _>>()
        }),
        fd_targets: targets(links.as_deref().unwrap_or_default()),
        connections: process.connections(&counts.socket_inodes).unwrap_or_default(),
        cgroup: process.cgroup(),
    })
}

/// Paths as they are; what has an inode instead of a name is counted by its kind.
fn targets(links: &[String]) -> Vec<FdTarget> {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for link in links {
        let named = link.starts_with('/') || link.starts_with("anon_inode:");
        let target = if named { link } else { link.split(':').next().unwrap_or(link) };
        *counted.entry(target).or_default() += 1;
    }
    let mut all: Vec<FdTarget> =
        counted.into_iter().map(|(target, count)| FdTarget { target: target.to_owned(), count }).collect();
    all.sort_by_key(|target| std::cmp::Reverse(target.count));
    all.truncate(TARGETS);
    all
}
