//! Where tasks are listed: sets in `asyncio.tasks`, and linked lists of threads (3.14 on).

use crate::layout::asyncio::TaskFields;
use crate::values::Values;
use crate::{Interpreter, Result};
use m5_process::Memory;
use std::collections::BTreeSet;

/// Sets by their names in the module, and whether they hold weak references.
const SETS: [(&str, bool); 3] = [("_all_tasks", true), ("_scheduled_tasks", true), ("_eager_tasks", false)];
/// More tasks than m5 tells.
const MOST: usize = 1 << 17;
/// Times that a list is read until it holds still.
const TRIES: usize = 8;

/// Addresses of the tasks that are listed anywhere, and how many lists did not read.
pub(super) fn all<M: Memory + Clone>(
    interpreter: &Interpreter<M>,
    values: &Values<M>,
    fields: &TaskFields,
) -> Result<(BTreeSet<u64>, u64)> {
    let (mut found, mut unread, mut sets) = (BTreeSet::new(), 0, 0);
    let mut take = |list: Option<Vec<u64>>| match list {
        Some(tasks) => found.extend(tasks),
        None => unread += 1,
    };
    for (name, weak) in SETS {
        if let Some(set) = values.in_module(interpreter.address(), "asyncio.tasks", name) {
            sets += 1;
            take((0..TRIES).find_map(|_| of_set(values, set, weak)));
        }
    }
    if let Some(lists) = fields.lists {
        let threads = interpreter.threads()?.into_iter().map(|t| t.address.wrapping_add(lists.thread));
        for head in threads.chain([interpreter.address().wrapping_add(lists.interpreter)]) {
            take((0..TRIES).find_map(|_| of_list(values, head, lists.node + values.objects.shift())));
        }
    }
    Ok((found, unread + u64::from(sets == 0)))
}

fn of_set<M: Memory>(values: &Values<M>, set: u64, weak: bool) -> Option<Vec<u64>> {
    if !weak {
        return values.set(set);
    }
    let references = values.set(values.attribute(set, "data")?)?;
    Some(references.into_iter().filter_map(|reference| values.referent(reference)).collect())
}

/// The tasks of a linked list; `None` where it does not lead back to its head.
fn of_list<M: Memory>(values: &Values<M>, head: u64, node: u64) -> Option<Vec<u64>> {
    let mut tasks = Vec::new();
    let mut at = values.field(head, 0)?;
    // A head of zeros: the thread never had a loop.
    while at != head && at != 0 && tasks.len() < MOST {
        tasks.push(at.wrapping_sub(node));
        let next = values.field(at, 0)?;
        // The neighbour must agree, or the list changed.
        (next != 0 && values.field(next, 8)? == at).then_some(())?;
        at = next;
    }
    Some(tasks)
}
