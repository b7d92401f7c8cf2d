//! `m5 stalls` for people.

use super::doc::{Division, Stalls, Turn};
use crate::shared::units;
use crate::text::{Align, Style, Table, executed, place};
use crate::texts::Stall;
use m5_cpython::PyFrame;
use std::fmt::Write;

/// Frames of each stack, and lines, that are shown.
const FRAMES: usize = 3;
const LINES: usize = 5;
/// A coverage from here on is told as whole.
const WHOLE: f64 = 0.99;
/// Shares below this are not told.
const LEAST: f64 = 0.01;

/// Quantiles by thread, where the time of the long turns went, and the longest of them.
#[must_use]
pub fn text(doc: &Stalls, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(Stall::Title, &[&doc.pid, &units::span(doc.seconds)]);
    let mut out = format!("{}\n", style.bold(&title));
    out.push_str(&executed(doc.re_executed_seconds, style));
    if doc.threads.is_empty() && doc.turns.is_empty() {
        let _ = writeln!(out, "{}", lang.say(Stall::None));
        others(&mut out, doc, style);
        partly(&mut out, doc, style);
        return out;
    }
    if !doc.threads.is_empty() {
        out.push_str(&table(doc, style));
    }
    let long = lang.fill(Stall::Long, &[&doc.long, &units::time(doc.above_s)]);
    if doc.long == 0 {
        let _ = writeln!(out, "{}", style.green(&long));
    } else {
        let all =
            lang.fill(Stall::OfThem, &[&units::time(doc.total.seconds), &parts(&doc.total, None, style)]);
        let _ = writeln!(out, "{}\n{all}", style.yellow(&long));
        lines(&mut out, doc, style);
    }
    for turn in &doc.turns {
        let called = turn.longest_call.as_ref().map(|c| c.name.as_str());
        let what = parts(&turn.division, called, style);
        let each: [&dyn std::fmt::Display; 4] =
            [&units::time(turn.division.seconds), &units::span(turn.at_s), &turn.tid, &what];
        let cut = [(turn.began_before, Stall::Before), (turn.lasts, Stall::Lasts)];
        let cut: String = cut.iter().filter(|(is, _)| *is).map(|(_, word)| lang.say(*word)).collect();
        let _ = writeln!(out, "  {}{cut}", lang.fill(Stall::Each, &each));
        stack(&mut out, turn, style);
    }
    match &doc.collections {
        None => drop(writeln!(out, "{}", style.yellow(lang.say(Stall::NoCollector)))),
        Some(c) if c.seen < c.happened => {
            let unseen = lang.fill(Stall::Unseen, &[&c.seen, &c.happened]);
            let _ = writeln!(out, "{}", style.dim(&unseen));
        }
        Some(_) => {}
    }
    if doc.long > 0 && doc.total.processor_s.is_none() {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Stall::Undescribed)));
    }
    if doc.lost > 0 {
        let _ = writeln!(out, "{}", style.yellow(&lang.fill(Stall::Lost, &[&doc.lost])));
    }
    others(&mut out, doc, style);
    partly(&mut out, doc, style);
    out
}

/// Threads that are left out.
fn others(out: &mut String, doc: &Stalls, style: Style) {
    let tids: Vec<String> = doc.without_python.iter().map(ToString::to_string).collect();
    if !tids.is_empty() {
        let told = style.lang.fill(Stall::WithoutPython, &[&tids.len(), &tids.join(", ")]);
        let _ = writeln!(out, "{}", style.dim(&told));
    }
}

/// That not all turns were seen, where that is so.
fn partly(out: &mut String, doc: &Stalls, style: Style) {
    if let (Some(coverage), Some(overhead)) = (doc.coverage, doc.overhead)
        && coverage < WHOLE
    {
        let shares: [&dyn std::fmt::Display; 2] = [&units::percent(coverage), &units::percent(overhead)];
        let _ = writeln!(out, "{}", style.yellow(&style.lang.fill(Stall::Partly, &shares)));
    }
}

fn table(doc: &Stalls, style: Style) -> String {
    let lang = style.lang;
    let mut table = Table::new(&[Align::Right; 7], 2);
    let quantiles = ["P50", "P95", "P99", "P99.9"];
    let heads = [lang.say(Stall::Thread), lang.say(Stall::Turns)].into_iter().chain(quantiles);
    table.row(heads.chain([lang.say(Stall::Longest)]).map(|h| style.dim(h)));
    for t in &doc.threads {
        let times = [t.p50_s, t.p95_s, t.p99_s, t.p999_s, t.longest_s].map(units::time);
        table.row([t.tid.to_string(), t.turns.to_string()].into_iter().chain(times));
    }
    table.render()
}

/// The parts that matter, the largest first: `82 % generation 2, 11 % running`.
fn parts(d: &Division, called: Option<&str>, style: Style) -> String {
    let lang = style.lang;
    let generation = |g: usize| (lang.fill(Stall::Generation, &[&g]), d.collector_s[g]);
    let calls = called.map_or_else(|| lang.say(Stall::Calls).to_owned(), |c| lang.fill(Stall::Called, &[&c]));
    let word = |w: Stall| lang.say(w).to_owned();
    let mut parts = vec![
        generation(0),
        generation(1),
        generation(2),
        (word(Stall::Collector), d.collector_unknown_s),
        (word(Stall::Gil), d.gil_s),
        (word(Stall::Locks), d.locks_s),
        (calls, d.calls_s),
        (word(Stall::Processor), d.processor_s.unwrap_or(0.0)),
        (word(Stall::Faults), d.faults_s.unwrap_or(0.0)),
        (word(Stall::Running), d.running_s),
    ];
    parts.retain(|(_, seconds)| *seconds >= LEAST * d.seconds);
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let share =
        |(name, seconds): (String, f64)| format!("{} {name}", units::percent(seconds / d.seconds.max(1e-9)));
    parts.into_iter().map(share).collect::<Vec<_>>().join(lang.say(Stall::Between))
}

/// The lines that ran, with their share of the long turns' time.
fn lines(out: &mut String, doc: &Stalls, style: Style) {
    let told: Vec<_> =
        doc.lines.iter().filter(|l| l.running_s >= LEAST * doc.total.seconds).take(LINES).collect();
    if told.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", style.dim(style.lang.say(Stall::Ran)));
    for line in told {
        let share = units::percent(line.running_s / doc.total.seconds.max(1e-9));
        let told = match &line.called_from {
            Some(caller) => style.lang.fill(Stall::CalledFrom, &[&plain(&line.frame), &plain(caller)]),
            None => plain(&line.frame),
        };
        let _ = writeln!(out, "  {share} {told}");
    }
}

fn stack(out: &mut String, turn: &Turn, style: Style) {
    if turn.stack.is_empty() {
        let _ = writeln!(out, "    {}", style.dim(style.lang.say(Stall::NotLooked)));
        return;
    }
    if turn.collecting == Some(true) {
        let _ = writeln!(out, "    {}", style.lang.say(Stall::Collecting));
    }
    for frame in turn.stack.iter().take(FRAMES) {
        let _ = writeln!(out, "    {}", plain(frame));
    }
    // What is a library's is told with who called it, however deep that lies.
    let caller = PyFrame::caller_of_library(&turn.stack);
    if let Some(caller) = caller.filter(|c| !turn.stack.iter().take(FRAMES).any(|f| f == *c)) {
        let _ = writeln!(out, "    {}", style.lang.fill(Stall::Deeper, &[&plain(caller)]));
    }
}

fn plain(frame: &PyFrame) -> String {
    format!("{} {}", place(frame), frame.function).chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::stalls::{Call, Collections, Line, STALLS_SCHEMA, ThreadTurns};
    use m5_gc::SourceKind;

    fn frame(function: &str, line: u32) -> PyFrame {
        PyFrame { function: function.into(), file: "feed\n.py".into(), line: Some(line) }
    }

    fn library() -> PyFrame {
        PyFrame {
            function: "decode".into(),
            file: "/usr/lib/python3.11/json/decoder.py".into(),
            line: Some(355),
        }
    }

    fn division(seconds: f64) -> Division {
        Division {
            seconds,
            collector_s: [0.0, 0.0, 0.6 * seconds],
            gil_s: 0.1 * seconds,
            calls_s: 0.1 * seconds,
            processor_s: Some(0.05 * seconds),
            faults_s: Some(0.0),
            running_s: 0.15 * seconds,
            ..Division::default()
        }
    }

    /// Everything that can be told, and lacks.
    fn doc() -> Stalls {
        let turn = |at_s, stack: Vec<PyFrame>| Turn {
            tid: 12,
            at_s,
            began_before: false,
            lasts: at_s > 5.0,
            division: division(0.08),
            longest_call: Some(Call { name: "fsync".into(), seconds: 0.008 }),
            major_faults: Some(0),
            collections: Vec::new(),
            looks: u64::from(!stack.is_empty()),
            collecting: Some(true),
            stack,
        };
        Stalls {
            schema: STALLS_SCHEMA.into(),
            pid: 7,
            re_executed_seconds: None,
            seconds: 60.0,
            above_s: 0.01,
            lost: 3,
            coverage: Some(0.21),
            overhead: Some(0.0098),
            long: 37,
            total: division(1.9),
            collections: Some(Collections { source: SourceKind::Watchpoint, seen: 90, happened: 100 }),
            lines: vec![
                Line { frame: frame("on_message", 12), called_from: None, looks: 9, running_s: 0.2 },
                Line { frame: library(), called_from: Some(frame("loads", 88)), looks: 3, running_s: 0.1 },
            ],
            threads: vec![ThreadTurns {
                tid: 12,
                turns: 4321,
                seconds: 9.0,
                p50_s: 0.0004,
                p95_s: 0.006,
                p99_s: 0.02,
                p999_s: 0.07,
                longest_s: 0.08,
                buckets: Vec::new(),
            }],
            without_python: vec![31, 32],
            turns: vec![turn(3.5, vec![frame("loads", 88), frame("on_message", 12)]), turn(9.0, Vec::new())],
        }
    }

    #[test]
    fn in_english() {
        insta::assert_snapshot!(text(&doc(), Style::default()));
    }

    #[test]
    fn in_chinese() {
        insta::assert_snapshot!(text(&doc(), Style { lang: Lang::Zh, color: false }));
    }

    #[test]
    fn what_could_not_be_seen_is_told() {
        let mut blind = doc();
        (blind.collections, blind.total.processor_s) = (None, None);
        let told = text(&blind, Style::default());
        assert!(told.contains("could not be watched") && told.contains("btf/vmlinux"), "{told}");
        blind.threads.clear();
        blind.turns[0].began_before = true;
        let told = text(&blind, Style::default());
        assert!(told.contains("had begun before") && told.contains("still lasted"), "{told}");
        blind.turns.clear();
        assert!(text(&blind, Style::default()).contains("no thread waited"));
    }
}
