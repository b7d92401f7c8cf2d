//! Turns, looks at them, and collections come in as they happen; a document goes out.

use super::divide::{divide, overlap};
use super::doc::{Call, Collection, Collections, Division, Line, STALLS_SCHEMA, Stalls, ThreadTurns, Turn};
use m5_cpython::PyFrame;
use m5_gc::Pause;
use m5_kernel::{Turn as Seen, TurnLengths};
use std::collections::{HashMap, VecDeque};

/// Collections that are kept for turns that may still come.
const MOST_PAUSES: usize = 1 << 18;
/// A turn is divided this long after its end: by then its collections are known.
const SETTLED_NS: u64 = 1_000_000_000;
/// Collections and lines that are told.
const COLLECTIONS: usize = 16;
const LINES: usize = 20;

/// What was seen of a turn while it lasted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Look {
    /// When, CLOCK_MONOTONIC nanoseconds.
    pub at_ns: u64,
    /// For how long it stands: since the look before, or since the turn began; nanoseconds.
    pub covers_ns: u64,
    /// Whether the collector ran.
    pub collecting: Option<bool>,
    /// The thread's stack, innermost first.
    pub stack: Vec<PyFrame>,
}

/// How turns were seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seeing {
    /// Long turns that found no room.
    pub lost: u64,
    /// The share of the time in which turns that began were seen.
    pub coverage: f64,
    /// What watching took of the process's time, as a share of one processor.
    pub overhead: f64,
}

/// Gathers what `m5 stalls` tells.
#[derive(Debug)]
pub struct Gathering {
    pid: i32,
    began_ns: u64,
    above_ns: u64,
    top: usize,
    without_gil: bool,
    waiting: Vec<(Seen, Vec<Look>)>,
    pauses: VecDeque<Pause>,
    long: u64,
    total: Division,
    /// By the line, and the service's own that called it: looks, and seconds.
    lines: HashMap<(PyFrame, Option<PyFrame>), (u64, f64)>,
    longest: Vec<Turn>,
}

impl Gathering {
    /// Nothing yet: turns of at least `above_ns` are told one by one, the `top` longest of them.
    #[must_use]
    pub fn new(pid: i32, began_ns: u64, above_ns: u64, top: usize) -> Self {
        Self {
            pid,
            began_ns,
            above_ns,
            top,
            without_gil: false,
            waiting: Vec::new(),
            pauses: VecDeque::new(),
            long: 0,
            total: Division::default(),
            lines: HashMap::new(),
            longest: Vec::new(),
        }
    }

    /// The same, of a build without the GIL.
    #[must_use]
    pub fn without_gil(self, without_gil: bool) -> Self {
        Self { without_gil, ..self }
    }

    /// A long turn that ended, and the looks at it.
    pub fn turn(&mut self, turn: Seen, looks: Vec<Look>) {
        self.waiting.push((turn, looks));
    }

    /// Collections that ended. `open_ns` is when the oldest turn that still lasts began.
    pub fn pauses(&mut self, pauses: &[Pause], open_ns: u64) {
        self.pauses.extend(pauses.iter().filter(|p| p.pid == self.pid));
        let needed = self.waiting.iter().map(|(turn, _)| turn.start_ns).fold(open_ns, u64::min);
        while let Some(first) = self.pauses.front()
            && (first.start_ns + first.duration_ns < needed || self.pauses.len() > MOST_PAUSES)
        {
            self.pauses.pop_front();
        }
    }

    /// Divides the turns whose collections are known by now.
    pub fn settle(&mut self, now_ns: u64) {
        let (settled, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(turn, _): &(Seen, _)| turn.start_ns + turn.duration_ns + SETTLED_NS < now_ns);
        self.waiting = waiting;
        for (turn, looks) in settled {
            self.long(&turn, &looks);
        }
        self.longest.sort_by(|a, b| b.division.seconds.total_cmp(&a.division.seconds));
        self.longest.truncate(self.top);
    }

    fn long(&mut self, turn: &Seen, looks: &[Look]) {
        let within: Vec<&Pause> = self.pauses.iter().filter(|p| overlap(turn, p) > 0).collect();
        let division = divide(turn, within.iter().copied(), self.without_gil);
        let ran = looks.iter().filter(|l| l.collecting != Some(true));
        let called =
            |l: &Look| Some((l.stack.first()?.clone(), PyFrame::caller_of_library(&l.stack).cloned()));
        let ran: Vec<_> = ran.filter_map(|l| Some((called(l)?, l.covers_ns as f64))).collect();
        let covered: f64 = ran.iter().map(|(_, covers)| covers).sum();
        for (frame, covers) in ran {
            let line = self.lines.entry(frame).or_default();
            line.0 += 1;
            line.1 += division.running_s * covers / covered.max(1.0);
        }
        let since = |ns: u64| ns.saturating_sub(self.began_ns) as f64 / 1e9;
        let mut collections: Vec<Collection> = within
            .iter()
            .map(|p| Collection {
                at_s: since(p.start_ns),
                seconds: p.duration_ns as f64 / 1e9,
                generation: p.generation,
                tid: p.tid,
            })
            .collect();
        collections.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        collections.truncate(COLLECTIONS);
        let middle = turn.start_ns + turn.duration_ns / 2;
        let look = looks.iter().min_by_key(|l| l.at_ns.abs_diff(middle)).cloned().unwrap_or_default();
        let call = |(number, ns): (i64, u64)| Call {
            name: m5_process::call_name(number).map_or_else(|| number.to_string(), str::to_owned),
            seconds: ns as f64 / 1e9,
        };
        self.long += 1;
        self.total.add(&division);
        self.longest.push(Turn {
            tid: turn.tid,
            at_s: since(turn.start_ns),
            began_before: turn.began_before,
            lasts: turn.lasts,
            division,
            longest_call: turn.spent.longest_call.map(call),
            major_faults: turn.spent.major_faults,
            collections,
            looks: looks.len() as u64,
            collecting: look.collecting,
            stack: look.stack,
        });
    }

    /// The document, with how long the turns of each thread were, if it may run Python.
    #[must_use]
    pub fn finish(
        mut self,
        end_ns: u64,
        lengths: &[(i32, TurnLengths)],
        may_run: impl Fn(i32) -> bool,
        seeing: Seeing,
        collections: Option<Collections>,
    ) -> Stalls {
        self.settle(u64::MAX);
        let (some, others): (Vec<_>, Vec<_>) =
            lengths.iter().filter(|(_, l)| l.turns > 0).partition(|(tid, _)| may_run(*tid));
        let mut without_python: Vec<i32> = others.into_iter().map(|(tid, _)| *tid).collect();
        without_python.sort_unstable();
        let some = some.into_iter();
        let mut threads: Vec<ThreadTurns> = some.map(|(tid, l)| thread(*tid, l)).collect();
        // What still lasts is not counted yet.
        for turn in self.longest.iter().filter(|t| t.lasts) {
            let own = threads.iter_mut().filter(|t| t.tid == turn.tid);
            own.for_each(|t| t.longest_s = t.longest_s.max(turn.division.seconds));
        }
        threads.sort_by_key(|t| (std::cmp::Reverse(t.turns), t.tid));
        let line = |((frame, called_from), (looks, running_s))| Line { frame, called_from, looks, running_s };
        let mut lines: Vec<Line> = self.lines.into_iter().map(line).collect();
        lines.sort_by(|a, b| {
            b.running_s
                .total_cmp(&a.running_s)
                .then_with(|| (&a.frame, &a.called_from).cmp(&(&b.frame, &b.called_from)))
        });
        lines.truncate(LINES);
        Stalls {
            schema: STALLS_SCHEMA.to_owned(),
            pid: self.pid,
            seconds: end_ns.saturating_sub(self.began_ns) as f64 / 1e9,
            re_executed_seconds: None,
            above_s: self.above_ns as f64 / 1e9,
            lost: seeing.lost,
            coverage: Some(seeing.coverage),
            overhead: Some(seeing.overhead),
            long: self.long,
            total: self.total,
            collections,
            lines,
            threads,
            without_python,
            turns: self.longest,
        }
    }
}

fn thread(tid: i32, lengths: &TurnLengths) -> ThreadTurns {
    let [p50_s, p95_s, p99_s, p999_s] =
        [0.5, 0.95, 0.99, 0.999].map(|q| lengths.quantile(q).unwrap_or(0) as f64 / 1e9);
    ThreadTurns {
        tid,
        turns: lengths.turns,
        seconds: lengths.sum_ns as f64 / 1e9,
        p50_s,
        p95_s,
        p99_s,
        p999_s,
        longest_s: lengths.longest_ns as f64 / 1e9,
        buckets: lengths.buckets.clone(),
    }
}
