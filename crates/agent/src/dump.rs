//! What every thread and every task of a process does now. Nothing is stopped for it.

use crate::record::{redact, version};
use crate::service_name;
use m5_cpython::{Gil, Interpreter, Result, living_threads};
use m5_process::{Process, ThreadNow, monotonic_ns, thread_now, unix_ns};
use m5_report::dump::{DUMP_SCHEMA, Dump, DumpedTask, DumpedThread, GilSeen};
use std::collections::BTreeMap;

/// Reads the stacks of its threads, at most so many frames of each, and its tasks.
///
/// # Errors
/// As [`Interpreter::attach`], and where the process ended meanwhile.
pub fn dump(process: &Process, interpreter: &Interpreter, most: usize) -> Result<Dump> {
    let (pid, begin, taken) = (process.pid(), monotonic_ns(), unix_ns());
    let mut threads: BTreeMap<i32, DumpedThread> = (process.threads()?.into_iter())
        .filter_map(|tid| Some((tid, native(tid, thread_now(pid, tid)?))))
        .collect();
    let alive = living_threads(process)?;
    let (mut gil, mut tasks, mut used, mut unread) = (Vec::new(), Vec::new(), false, 0);
    for interpreter in interpreter.all()? {
        let (names, stacks) = (interpreter.thread_names().unwrap_or_default(), interpreter.stacks());
        let listed = interpreter.tasks(process)?;
        let lock = interpreter.gil()?;
        let (mut holder, mut running) = (None, Vec::new());
        for (tid, address) in interpreter.thread_states(&alive)? {
            let Some(thread) = threads.get_mut(&tid) else { continue };
            let stack = stacks.of(address, most);
            // A thread may have a state in more than one interpreter: the one that runs something counts.
            if thread.interpreter.is_some() && stack.frames.is_empty() {
                continue;
            }
            thread.interpreter = Some(interpreter.id());
            thread.holds_gil = lock == Gil::Held(address);
            holder = if thread.holds_gil { Some(thread.tid) } else { holder };
            thread.name = names.get(&address).cloned();
            running
                .extend(listed.tasks.iter().position(|task| task.runs_on(&stack)).map(|i| (i, thread.tid)));
            (thread.stack, thread.deeper, thread.torn) = (stack.frames, stack.deeper, stack.torn);
        }
        if lock != Gil::Absent {
            gil.push(GilSeen { interpreter: interpreter.id(), holder, known: lock != Gil::Unknown });
        }
        (used, unread) = (used || listed.used, unread + listed.unread);
        tasks.extend(listed.tasks.into_iter().enumerate().map(|(i, task)| DumpedTask {
            tid: running.iter().find(|(of, _)| *of == i).map(|(_, tid)| *tid),
            name: task.name,
            state: task.state,
            stack: task.stack,
            awaits: task.awaits,
            torn: task.torn,
        }));
    }
    let mut threads: Vec<DumpedThread> = threads.into_values().collect();
    threads.sort_by_key(|t| (t.interpreter.is_none(), t.tid != pid, t.tid));
    tasks.sort_by(|a, b| natural(&a.name).cmp(&natural(&b.name)));
    let torn = threads.iter().filter(|t| t.torn).count() + tasks.iter().filter(|t| t.torn).count();
    Ok(Dump {
        schema: DUMP_SCHEMA.to_owned(),
        taken_unix_seconds: taken as f64 / 1e9,
        took_seconds: monotonic_ns().saturating_sub(begin) as f64 / 1e9,
        pid,
        python: version(process, interpreter),
        command: redact(&process.command().unwrap_or_default()),
        service: Some(service_name(process)),
        stopped: process.stat().is_ok_and(|s| matches!(s.state, 'T' | 't')),
        gil,
        threads,
        tasks: used.then_some(tasks),
        task_lists_unread: unread,
        torn: torn as u64,
    })
}

fn native(tid: i32, now: ThreadNow) -> DumpedThread {
    DumpedThread {
        tid,
        name: None,
        kernel_name: now.name,
        state: now.state,
        call: now.call,
        interpreter: None,
        holds_gil: false,
        stack: Vec::new(),
        deeper: false,
        torn: false,
    }
}

/// `Task-2` comes before `Task-10`.
fn natural(name: &str) -> (&str, u64, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().unwrap_or(0), name)
}
