//! `m5 dump` for people.

use super::doc::{Dump, DumpedTask, DumpedThread};
use crate::list::text::process_line;
use crate::shared::units;
use crate::text::Style;
use crate::texts::DumpWords as Words;
use m5_cpython::{Awaited, PyFrame, TaskState};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Names that are told of several that are alike.
const NAMED: usize = 5;

/// Every thread with its stack, then every task.
#[must_use]
pub fn text(doc: &Dump, style: Style) -> String {
    let lang = style.lang;
    let title = match doc.stopped {
        true => lang.fill(Words::TitleStopped, &[&doc.pid, &doc.python, &doc.pid]),
        false => {
            let took = units::time(doc.took_seconds);
            lang.fill(Words::Title, &[&doc.pid, &doc.python, &took])
        }
    };
    let mut out = format!(
        "{}\n{}\n",
        style.bold(&title),
        style.dim(&process_line(doc.service.as_deref(), &doc.command))
    );
    if doc.gil.iter().any(|g| !g.known) {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Words::GilUnknown)));
    } else if !doc.gil.is_empty() && doc.gil.iter().all(|g| g.holder.is_none()) {
        let _ = writeln!(out, "{}", style.dim(lang.say(Words::GilFree)));
    }
    let (python, native): (Vec<&DumpedThread>, Vec<&DumpedThread>) =
        doc.threads.iter().partition(|t| t.interpreter.is_some());
    for thread in python {
        out.push('\n');
        out.push_str(&of_thread(thread, style));
    }
    if !native.is_empty() {
        let names: Vec<String> = native.iter().map(|t| format!("{} {}", t.tid, t.kernel_name)).collect();
        let said = lang.fill(Words::Native, &[&native.len(), &some(&names)]);
        let _ = writeln!(out, "\n{}", style.dim(&said));
    }
    out.push_str(&of_tasks(doc, style));
    if doc.task_lists_unread > 0 {
        let said = lang.fill(Words::ListsUnread, &[&doc.task_lists_unread]);
        let _ = writeln!(out, "\n{}", style.yellow(&said));
    }
    out
}

fn of_thread(thread: &DumpedThread, style: Style) -> String {
    let lang = style.lang;
    let name = thread.name.as_deref().unwrap_or(&thread.kernel_name);
    let state = match (thread.state, &thread.call) {
        ('R', _) => style.green(lang.say(Words::Running)),
        ('D', None) => style.yellow(lang.say(Words::Disk)),
        ('T' | 't', _) => style.yellow(lang.say(Words::Stopped)),
        ('Z' | 'X', _) => style.dim(lang.say(Words::Ended)),
        (_, Some(call)) => style.dim(&lang.fill(Words::WaitsIn, &[call])),
        (_, None) => style.dim(lang.say(Words::Sleeping)),
    };
    let title = format!("{} \"{name}\"", lang.fill(Words::Thread, &[&thread.tid]));
    let mut marks = vec![state];
    if thread.holds_gil {
        marks.push(style.green(lang.say(Words::Holder)));
    }
    if let Some(number) = thread.interpreter.filter(|n| *n != 0) {
        marks.push(lang.fill(Words::Interpreter, &[&number]));
    }
    let mut out = format!("{} · {}\n", style.bold(&title), marks.join(" · "));
    if thread.torn {
        let _ = writeln!(out, "  {}", style.yellow(lang.say(Words::Torn)));
    }
    if thread.stack.is_empty() && !thread.torn {
        let _ = writeln!(out, "  {}", style.dim(lang.say(Words::NoFrames)));
    }
    out.push_str(&frames(&thread.stack, style));
    if thread.deeper {
        let _ = writeln!(out, "  {}", style.dim(lang.say(Words::Deeper)));
    }
    out
}

fn frames(stack: &[PyFrame], style: Style) -> String {
    let mut out = String::new();
    for frame in stack {
        let line = frame.line.map(|l| format!(":{l}")).unwrap_or_default();
        let place = one_word(&format!("{}{line}", frame.file));
        let _ = writeln!(out, "  {} {}", one_word(&frame.function), style.dim(&format!("({place})")));
    }
    out
}

/// Tasks that do the same at the same place are told once: a server has thousands of them.
fn of_tasks(doc: &Dump, style: Style) -> String {
    let lang = style.lang;
    let Some(tasks) = &doc.tasks else { return String::new() };
    let count = |state| tasks.iter().filter(|t| t.state == state).count();
    let counts = [TaskState::Running, TaskState::Waiting, TaskState::Ready].map(count);
    let title = lang.fill(Words::Tasks, &[&tasks.len(), &counts[0], &counts[1], &counts[2]]);
    let mut out = format!("\n{}\n", style.bold(&title));
    let mut alike: BTreeMap<(TaskOrder, Vec<&PyFrame>, String), Vec<&DumpedTask>> = BTreeMap::new();
    for task in tasks {
        let key = (order(task.state), task.stack.iter().collect(), doing(task, style));
        alike.entry(key).or_default().push(task);
    }
    for ((_, _, doing), group) in &alike {
        let Some(first) = group.first() else { continue };
        let names: Vec<String> = group.iter().map(|t| one_word(&t.name)).collect();
        let title = match group.len() {
            1 => lang.fill(Words::Task, &[&format!("\"{}\"", one_word(&first.name))]),
            many => lang.fill(Words::Same, &[&many, &some(&names)]),
        };
        let _ = writeln!(out, "\n{} · {doing}", style.bold(&title));
        if group.iter().any(|t| t.torn) {
            let _ = writeln!(out, "  {}", style.yellow(lang.say(Words::Torn)));
        }
        out.push_str(&frames(&first.stack, style));
    }
    out
}

/// Those that run come first.
type TaskOrder = u8;

fn order(state: TaskState) -> TaskOrder {
    match state {
        TaskState::Running => 0,
        TaskState::Ready => 1,
        TaskState::Waiting => 2,
    }
}

fn doing(task: &DumpedTask, style: Style) -> String {
    let lang = style.lang;
    match (task.state, task.tid, &task.awaits) {
        (TaskState::Running, Some(tid), _) => style.green(&lang.fill(Words::TaskRuns, &[&tid])),
        (TaskState::Running, None, _) => style.green(lang.say(Words::TaskRunning)),
        (TaskState::Ready, ..) => lang.say(Words::TaskReady).to_owned(),
        (TaskState::Waiting, _, awaits) => {
            let what = awaits.as_ref().map_or_else(|| "?".to_owned(), |a| awaited(a, style));
            lang.fill(Words::TaskWaits, &[&what])
        }
    }
}

fn awaited(awaits: &Awaited, style: Style) -> String {
    match (&awaits.task, &awaits.gathers) {
        (Some(name), _) => format!("{} \"{}\"", awaits.kind, one_word(name)),
        (None, Some(g)) => {
            style.lang.fill(Words::Gathered, &[&g.pending.len(), &g.futures, &some(&g.pending)])
        }
        (None, None) => awaits.kind.clone(),
    }
}

fn some(names: &[String]) -> String {
    let mut told = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        told.push('…');
    }
    told
}

fn one_word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
