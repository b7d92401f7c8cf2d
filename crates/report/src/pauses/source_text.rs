//! How pauses were seen and why so, and what the long ones were doing.

use crate::doc::{Collections, GcFigures, InterpreterPauses, LongPause, LongPauses, PauseLog};
use crate::shared::value_words::{NOTHING, maybe};
use crate::text::Style;
use crate::texts::{Gc, SourceWords};
use crate::{Lang, shared::units};
use m5_cpython::PyFrame;
use m5_gc::{Choice, Coverage, Obstacle, SourceKind};
use m5_stats::stratified::Total;
use std::fmt::Write;

/// Long pauses that a text lists, and frames of each.
const LISTED: usize = 10;
const FRAMES: usize = 8;
/// Interpreters that a text lists.
const INTERPRETERS: usize = 16;
/// A watch that was open for less than this part of the time was closed on purpose.
const CLOSED: f64 = 0.99;

/// Why this source of pauses.
#[must_use]
pub fn why(choice: &Choice, lang: Lang) -> String {
    match choice {
        Choice::Records => lang.say(SourceWords::Records).to_owned(),
        Choice::Best => lang.say(SourceWords::Best).to_owned(),
        Choice::FewRecords => lang.say(SourceWords::FewRecords).to_owned(),
        Choice::Asked { .. } => lang.say(SourceWords::Asked).to_owned(),
        Choice::FewRegisters { free, wanted } => lang.fill(SourceWords::FewRegisters, &[free, wanted]),
        Choice::Counters { free, wanted } => lang.fill(SourceWords::Counters, &[free, wanted]),
        Choice::Fallback { obstacle } => lang.fill(SourceWords::Fallback, &[&what(obstacle, lang)]),
    }
}

/// What stands in the way.
fn what(obstacle: &Obstacle, lang: Lang) -> String {
    let failed = |text, errno| lang.fill(text, &[&m5_gc::errno_name(errno)]);
    match *obstacle {
        Obstacle::Paranoid { level } => lang.fill(SourceWords::Paranoid, &[&level]),
        Obstacle::Seccomp { errno } => failed(SourceWords::Seccomp, errno),
        Obstacle::Denied { errno } => failed(SourceWords::Denied, errno),
        Obstacle::OtherUser => lang.say(SourceWords::OtherUser).to_owned(),
        Obstacle::Unsupported { errno } => failed(SourceWords::Unsupported, errno),
        Obstacle::ExclusivePairs => lang.say(SourceWords::ExclusivePairs).to_owned(),
        Obstacle::NoRegisters => lang.say(SourceWords::NoRegisters).to_owned(),
        Obstacle::FileLimit { limit } => lang.fill(SourceWords::FileLimit, &[&limit]),
        Obstacle::LockedMemory => lang.say(SourceWords::LockedMemory).to_owned(),
        Obstacle::Other { errno } => failed(SourceWords::Other, errno),
    }
}

/// How to get a better source, where something can be done.
#[must_use]
pub fn remedy(choice: &Choice, lang: Lang) -> Option<&'static str> {
    let obstacle = match choice {
        Choice::Fallback { obstacle } => obstacle,
        Choice::FewRegisters { .. } => return Some(lang.say(SourceWords::FewRegistersMend)),
        Choice::Records
        | Choice::Best
        | Choice::FewRecords
        | Choice::Asked { .. }
        | Choice::Counters { .. } => {
            return None;
        }
    };
    Some(lang.say(match obstacle {
        Obstacle::Paranoid { .. } => SourceWords::ParanoidMend,
        Obstacle::Seccomp { .. } => SourceWords::SeccompMend,
        Obstacle::Denied { .. } => SourceWords::DeniedMend,
        Obstacle::OtherUser => SourceWords::OtherUserMend,
        Obstacle::NoRegisters => SourceWords::NoRegistersMend,
        Obstacle::FileLimit { .. } => SourceWords::FileLimitMend,
        Obstacle::LockedMemory => SourceWords::LockedMemoryMend,
        Obstacle::Unsupported { .. } | Obstacle::ExclusivePairs | Obstacle::Other { .. } => return None,
    }))
}

/// The choice in lines: quiet where it is the best, yellow with its remedy where a better one was denied.
pub(crate) fn choice(choice: &Choice, style: Style) -> String {
    let lang = style.lang;
    let why = lang.fill(SourceWords::Why, &[&why(choice, lang)]);
    let denied = matches!(choice, Choice::Fallback { .. } | Choice::FewRegisters { .. });
    let mut out = format!("{}\n", if denied { style.yellow(&why) } else { style.dim(&why) });
    if let Some(remedy) = remedy(choice, lang) {
        let _ = writeln!(out, "{}", lang.fill(SourceWords::Remedy, &[&remedy]));
    }
    out
}

/// What went unseen because the watch was closed for a part of the time; nothing where it was open throughout.
pub(crate) fn windows(gc: &GcFigures, coverage: &Coverage, style: Style) -> Option<String> {
    let missed = gc.happened.saturating_sub(gc.seen);
    let open = m5_stats::rate(coverage.open_ns as f64, coverage.wall_ns as f64)?;
    (missed > 0 && open < CLOSED)
        .then(|| style.dim(&style.lang.fill(SourceWords::Windows, &[&missed, &units::percent(open)])))
}

/// A sum with its bounds.
pub(crate) fn total(total: &Total, at_least: bool, lang: Lang) -> String {
    let half = (total.high - total.value).max(total.value - total.low);
    let value = units::time(total.value);
    match () {
        () if at_least => lang.fill(Gc::AtLeast, &[&units::time(total.low)]),
        () if half > 0.0 => lang.fill(Gc::PlusMinus, &[&value, &units::time(half)]),
        () => value,
    }
}

/// The longest pause of a generation: at least so long where not all of them were seen.
pub(crate) fn longest(of: &Collections, max: f64) -> String {
    let mark = if of.partly_seen() { "≥ " } else { "" };
    format!("{mark}{}", units::time(max))
}

/// A line for each generation of which a part was seen: how much, and the sum with its bounds.
pub(crate) fn partly_seen(gc: &GcFigures, style: Style) -> Vec<String> {
    let lang = style.lang;
    let partly = |g: &&(usize, &Collections)| g.1.partly_seen() && !gc.bounded;
    let generations: Vec<(usize, &Collections)> = gc.generations.iter().enumerate().collect();
    let line = |(i, g): &(usize, &Collections)| {
        let seen = g.seen.unwrap_or_default();
        if seen == 0 {
            return style.yellow(&lang.fill(Gc::GenerationUnseen, &[i, &g.collections]));
        }
        let share = m5_stats::rate(seen as f64, g.collections as f64);
        let total = g.pause_total.as_ref().map(|t| total(t, false, lang));
        let (share, total) = (maybe(share, units::percent), total.unwrap_or_else(|| NOTHING.to_owned()));
        style.dim(&lang.fill(Gc::GenerationSeen, &[i, &seen, &g.collections, &share, &total]))
    };
    generations.iter().filter(partly).map(line).collect()
}

/// A line for each interpreter where there are several, those that paused for longest where they are many; and what
/// went unseen because nothing was left to watch one with.
pub(crate) fn interpreters(log: &PauseLog, style: Style) -> Vec<String> {
    let lang = style.lang;
    let mut rows: Vec<&InterpreterPauses> = log.interpreters.iter().collect();
    let mut lines = Vec::new();
    if rows.len() > 1 {
        rows.sort_by(|a, b| b.whole().total_seconds.total_cmp(&a.whole().total_seconds));
        let more = rows.len().saturating_sub(INTERPRETERS);
        rows.truncate(INTERPRETERS);
        rows.sort_by_key(|row| (row.interpreter.is_none(), row.interpreter));
        lines.extend(rows.iter().map(|row| style.dim(&interpreter(row, lang))));
        if more > 0 {
            lines.push(style.dim(&lang.fill(Gc::InterpretersMore, &[&more])));
        }
    }
    let unwatched: u64 = log.coverage.unwatched.iter().sum();
    if unwatched > 0 {
        lines.push(style.yellow(&lang.fill(Gc::Unwatched, &[&unwatched])));
    }
    lines
}

fn interpreter(row: &InterpreterPauses, lang: Lang) -> String {
    let (whole, happened) = (row.whole(), row.happened.iter().sum::<u64>());
    let [paused, longest] = [whole.total_seconds, whole.max_seconds].map(units::time);
    let values: [&dyn std::fmt::Display; 5] = [&happened, &row.happened[2], &whole.count, &paused, &longest];
    match row.interpreter {
        Some(id) => lang.fill(Gc::Interpreter, &[&[&id as &dyn std::fmt::Display], &values[..]].concat()),
        None => lang.fill(Gc::InterpretersEnded, &values),
    }
}

/// The longest pauses, each with its stack.
pub(crate) fn long_pauses(long: &LongPauses, source: Option<SourceKind>, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(SourceWords::Long, &[&units::time(long.limit_seconds), &long.count]);
    let mut out = format!("\n{}\n", style.bold(&title));
    if long.longest.is_empty() {
        let _ = writeln!(out, "{}", lang.say(SourceWords::LongNone));
    }
    for (i, pause) in long.longest.iter().take(LISTED).enumerate() {
        let _ = writeln!(out, "   {}. {}", i + 1, one(pause, lang));
        out.push_str(&stack(&pause.stack, source, style));
    }
    if let Some(why) = long.stacks_read.as_ref().filter(|_| long.count > 0) {
        let _ = writeln!(out, "{}", style.dim(&lang.fill(SourceWords::StacksRead, &[why])));
    }
    let listed = long.longest.len().min(LISTED) as u64;
    if long.count > listed {
        let more = lang.fill(SourceWords::LongMore, &[&(long.count - listed), &long.longest.len()]);
        let _ = writeln!(out, "{}", style.dim(&more));
    }
    out
}

fn one(pause: &LongPause, lang: Lang) -> String {
    let fill = |text, value: Option<u64>| value.map(|v| lang.fill(text, &[&v]));
    let bound = pause.uncertainty_seconds.map(|s| lang.fill(SourceWords::LongBound, &[&units::time(s)]));
    let parts = [
        Some(units::time(pause.duration_seconds)),
        bound,
        pause.generation.map(|g| lang.fill(SourceWords::LongGeneration, &[&g])),
        Some(lang.fill(SourceWords::LongAt, &[&format!("{:.3} s", pause.start_seconds)])),
        pause.tid.map(|t| lang.fill(SourceWords::LongThread, &[&t])),
        fill(SourceWords::LongFreed, pause.collected),
        fill(SourceWords::LongCandidates, pause.candidates),
        fill(SourceWords::LongLive, pause.live_objects),
        fill(SourceWords::LongLived, pause.long_lived_objects),
        pause.stood_seconds.map(|s| lang.fill(SourceWords::LongStood, &[&units::time(s)])),
        pause.waited_seconds.map(|s| lang.fill(SourceWords::LongWaited, &[&units::time(s)])),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn stack(frames: &[PyFrame], source: Option<SourceKind>, style: Style) -> String {
    let lang = style.lang;
    let mut out = String::new();
    for frame in frames.iter().take(FRAMES) {
        let _ = writeln!(out, "{}", lang.fill(SourceWords::Frame, &[&frame.function, &place(frame)]));
    }
    let none =
        if source == Some(SourceKind::Poll) { SourceWords::NoStackPolling } else { SourceWords::NoStack };
    if frames.is_empty() {
        let _ = writeln!(out, "{}", style.dim(lang.say(none)));
    }
    if frames.len() > FRAMES {
        let _ =
            writeln!(out, "{}", style.dim(&lang.fill(SourceWords::FramesMore, &[&(frames.len() - FRAMES)])));
    }
    out
}

/// `file:line`, or the file alone.
#[must_use]
pub fn place(frame: &PyFrame) -> String {
    frame.line.map_or_else(|| frame.file.clone(), |line| format!("{}:{line}", frame.file))
}
