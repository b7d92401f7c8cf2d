//! One interpreter of one process under watch: its events, and its own counters beside them.

use super::by_counts::Mark;
use super::calibrate::Ends;
use super::classify::{Classifier, Event, Instructions, Span, Write};
use super::full::{FullCollections, Reading};
use super::window::Window;
use crate::{CERTAIN, Coverage, Detail, Pause};
use m5_cpython::{GcState, Interpreter};

/// Nanoseconds for which pauses without a generation are kept back until the counts may tell it, if none runs then, and
/// how many.
const KEPT_NS: u64 = 300_000_000;
const KEPT: usize = 4096;
/// Contradictions in a row, however busy the collector, that refute the events.
const DOUBTS: u32 = 5;

/// How a generation is read from the counters that rose in a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Labels {
    /// The generation where none of the watched words was written, if that tells one.
    pub(crate) otherwise: Option<u8>,
    /// Whether a collection that no counter counts, and that no thread stopped for, is none: a free-threaded build looks
    /// once more whether it is worth it, with its flag set.
    pub(crate) false_starts: bool,
    /// Whether the end of a full collection is always told.
    pub(crate) full_ends: bool,
    /// Whether its beginning is.
    pub(crate) full_begins: bool,
}

/// What is watched of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watching {
    /// Its flag, and all that tells a collection's generation.
    Whole,
    /// Its flag, and not all of the rest, in some thread: its counts tell what they can.
    FlagAlone,
    /// No register is left for it.
    Nothing,
}

/// The counters of one interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counters {
    collections: [u64; 3],
    collected: [u64; 3],
}

impl Counters {
    fn of(state: &GcState) -> Self {
        Self {
            collections: state.generations.map(|g| g.collections),
            collected: state.generations.map(|g| g.collected),
        }
    }

    fn full(&self) -> (u64, u64) {
        (self.collections[2], self.collected[2])
    }
}

/// One interpreter under watch.
pub(crate) struct Collector {
    pub(crate) pid: i32,
    pub(crate) interpreter: Interpreter,
    pub(crate) classifier: Classifier,
    full: FullCollections,
    /// Counters at the beginning; not settled while the collection that ran then may go on.
    start: Option<[u64; 3]>,
    /// The last reading, where one ran then, and the first since which one may have run without an end.
    runs: Option<u64>,
    busy: Option<u64>,
    /// Counters when it was first read, that collection or not; whether it was seen to end as a full one.
    first: [u64; 3],
    first_full: bool,
    now: Counters,
    /// Collections at the last reading.
    read: [u64; 3],
    /// Counters at the last reading that no collection straddled.
    aligned: Option<Counters>,
    /// Full collections and what they freed, at the last reading that none straddled, watched or not.
    full_aligned: Option<(u64, u64)>,
    full_aligned_at: u64,
    /// Readings since which the counts tell generations, without a collection but for the first one.
    marks: Vec<Mark>,
    spans: Vec<Span>,
    /// When the last collection that was seen ended.
    last_stop: u64,
    seen: [u64; 3],
    unlabelled: u64,
    /// Pauses without a generation since the counters were last read.
    untold: u64,
    /// Nothing that began before is trusted.
    blind_until: u64,
    /// Events so far.
    events: u64,
    /// No register is left for it, and what it collected meanwhile.
    hidden: bool,
    unwatched: [u64; 3],
    /// Contradictions in a row, and the events at the last of them.
    doubt: Option<(u32, u64)>,
    /// Middle collections at the last two readings.
    middle: [u64; 2],
}

impl Collector {
    /// Begins with what the collector says now.
    pub(crate) fn new(pid: i32, interpreter: Interpreter, state: &GcState) -> Self {
        let now = Counters::of(state);
        let classifier = Classifier::new(state.collecting);
        Self::begin(pid, interpreter, classifier, now)
    }

    /// One that came while its process was watched: all that it has collected so far counts.
    pub(crate) fn born(pid: i32, interpreter: Interpreter, state: &GcState) -> Self {
        let (start, hidden) = (Some([0; 3]), true);
        let new = Self::new(pid, interpreter, state);
        Self { start, hidden, unwatched: new.now.collections, ..new }
    }

    fn begin(pid: i32, interpreter: Interpreter, classifier: Classifier, now: Counters) -> Self {
        let quiet = classifier.collecting() == Some(false);
        Self {
            pid,
            interpreter,
            classifier,
            full: FullCollections::default(),
            start: quiet.then_some(now.collections),
            runs: None,
            busy: None,
            first: now.collections,
            first_full: false,
            now,
            read: now.collections,
            aligned: quiet.then_some(now),
            full_aligned: quiet.then(|| now.full()),
            full_aligned_at: 0,
            marks: Vec::new(),
            spans: Vec::new(),
            last_stop: 0,
            seen: [0; 3],
            unlabelled: 0,
            untold: 0,
            blind_until: 0,
            events: 0,
            hidden: false,
            unwatched: [0; 3],
            doubt: None,
            middle: [now.collections[1]; 2],
        }
    }

    /// Whether it is that of the main interpreter of this process.
    pub(crate) fn is_main_of(&self, pid: i32) -> bool {
        self.pid == pid && self.interpreter.id() == 0
    }

    /// Start and thread of the collection that runs, where it was seen to begin.
    pub(crate) fn running(&self) -> Option<(u64, i32)> {
        let begun = || self.full.begun().filter(|_| self.interpreter.read().is_ok_and(|s| s.collecting));
        self.classifier.running().or_else(begun)
    }

    /// The same interpreter in a process just forked from this one.
    pub(crate) fn forked(&self, pid: i32) -> Self {
        Self::begin(pid, self.interpreter.in_fork(pid), self.classifier.forked(), self.now)
    }

    /// The next event.
    pub(crate) fn feed(&mut self, event: &Event, known: &mut Instructions, labels: Labels) {
        self.events += 1;
        if event.write == Write::Label(2) {
            self.first_full |= self.classifier.running().is_none() && self.full.begun().is_none();
            self.now.collections[2] += 1;
            (self.runs, self.busy) = (None, None);
        }
        self.full.feed(event, labels.full_begins);
        let Some(mut span) = self.classifier.feed(event, known) else { return };
        (self.runs, self.busy) = (None, None);
        if span.start < self.blind_until {
            self.classifier.torn += 1;
            return;
        }
        span.label = span.label.or(labels.otherwise);
        if span.label.is_none() && labels.false_starts && !span.world.stood() {
            return;
        }
        self.full.told_by_flag(&span);
        match span.label {
            Some(2) if labels.full_ends => {}
            Some(generation) => self.now.collections[usize::from(generation)] += 1,
            None => self.untold += 1,
        }
        self.spans.push(span);
    }

    /// Takes in the full collections that the watch on the flag did not tell.
    fn settle_full(&mut self) {
        let done = self.full.take(self.classifier.running_since());
        self.spans.extend(done.into_iter().filter(|s| s.start >= self.blind_until));
    }

    /// Records were lost until then.
    pub(crate) fn lose(&mut self, until: u64) {
        self.classifier.lose();
        self.full.lose();
        self.marks.clear();
        self.aligned = None;
        self.blind_until = self.blind_until.max(until);
    }

    /// What the interpreter says of itself at that moment: `settled` where no event is under way that would belong before.
    /// Returns true where the flag refuted the events: then no instruction is known any more.
    pub(crate) fn reconcile(&mut self, state: &GcState, at: u64, settled: bool, of: Watching) -> bool {
        self.settle_full();
        let now = Counters::of(state);
        self.reading(at, state);
        self.full.until(at);
        let agree = self.classifier.collecting() == Some(state.collecting);
        // The flag is written a moment before the event is told, so one disagreement means nothing.
        let refuted = settled && !agree && self.doubted(self.events);
        if settled && (agree || refuted) {
            self.doubt = None;
        }
        let contradicted = refuted && self.classifier.collecting().is_some();
        if refuted {
            self.classifier.set(state.collecting);
        }
        if self.hidden {
            for g in 0..3 {
                self.unwatched[g] += now.collections[g].saturating_sub(self.now.collections[g]);
            }
        }
        self.hidden = of == Watching::Nothing;
        self.tell_young(now.collections[1]);
        self.now = now;
        self.untold = 0;
        // While it is not watched nothing is on its way.
        if self.start.is_none() && (settled || self.classifier.collecting().is_none()) {
            self.start = beginning(self.first, self.without_seen(), self.first_full);
        }
        let quiet = settled && agree && !state.collecting;
        match of {
            Watching::FlagAlone => self.tell_by_counts(state, at, settled),
            _ => self.marks.clear(),
        }
        if quiet {
            // What ran at the beginning had been counted by then.
            self.start.get_or_insert(self.first);
            if let Some(before) = self.aligned.filter(|_| of != Watching::FlagAlone) {
                self.attribute(&before);
            }
        }
        self.aligned = quiet.then_some(now);
        if !state.collecting {
            self.attribute_full();
            (self.full_aligned, self.full_aligned_at) = (Some(now.full()), at);
        }
        contradicted
    }

    /// The state at a moment when the flag was watched.
    pub(crate) fn mark(&mut self, at: u64, state: &GcState) {
        self.reading(at, state);
        self.marks.extend((!state.collecting).then(|| Mark::of(at, state)));
    }

    /// The same right before the flag is watched again. A collection that runs is followed where its end would not be
    /// `told` otherwise.
    pub(crate) fn opens(&mut self, at: u64, state: &GcState, told: bool) {
        self.marks = vec![Mark::of(at, state)];
        let running = self.full.running_since(at).filter(|_| state.collecting && !told);
        self.reading(at, state);
        running.into_iter().for_each(|(start, slack)| self.classifier.resume(at, start, slack));
    }

    /// The same right after that.
    pub(crate) fn opened(&mut self, at: u64, state: &GcState, told: bool) {
        match state.collecting {
            true if self.classifier.collecting() == Some(true) => {}
            true => self.opens(at, state, told),
            false => self.classifier.idle_at(at),
        }
        let mark = Mark::of(at, state);
        if !self.marks.first().is_some_and(|before| before.same(&mark)) {
            self.marks = vec![mark];
        }
        self.reading(at, state);
    }

    /// Labels what ended between two marks. What came after the last one is kept for the next, if not for too long.
    fn tell_by_counts(&mut self, state: &GcState, at: u64, settled: bool) {
        if settled && !state.collecting {
            self.marks.push(Mark::of(at, state));
        }
        while let [from, to, ..] = self.marks[..]
            && to.at <= at
        {
            let mut between: Vec<&mut Span> =
                self.spans.iter_mut().filter(|s| s.stop > from.at && s.stop <= to.at).collect();
            between.sort_by_key(|s| s.stop);
            from.tell(&to, &mut between);
            self.marks.remove(0);
        }
        let late = |mark: &Mark| !state.collecting && at.saturating_sub(mark.at) > KEPT_NS;
        if self.spans.len() > KEPT || self.marks.first().is_some_and(late) {
            self.marks.clear();
        }
    }

    /// Whether a later reading may still tell the generation of a pause that ended then.
    fn is_kept(&self, span: &Span, window: Window) -> bool {
        let waits = |mark: &Mark| span.stop > mark.at && !matches!(window, Window::Closed { .. });
        span.label.is_none() && self.marks.first().is_some_and(waits)
    }

    /// Notes whether one runs, and whether it may be the one that ran at the last reading.
    fn reading(&mut self, at: u64, state: &GcState) {
        let collections = state.generations.map(|g| g.collections);
        let ended = std::mem::replace(&mut self.read, collections) != collections;
        self.full.reading(Reading { at, collecting: state.collecting, ended });
        self.runs = state.collecting.then_some(at);
        self.busy = self.busy.filter(|_| !ended).or(self.runs).filter(|_| state.collecting);
    }

    /// How long, at least, a collection had run at the last reading that has not ended.
    fn unfinished_ns(&self) -> u64 {
        let told = self.classifier.running_since().or_else(|| self.full.begun_since_idle());
        let ran = |at: u64| Some(at.saturating_sub(told.or(self.busy)?));
        self.runs.and_then(ran).unwrap_or(0)
    }

    /// Of a build whose stops are watched, what has no label is young where no middle collection ended since the last
    /// reading but one: what the last one straddled may have counted before it.
    fn tell_young(&mut self, middle: u64) {
        let [before, last] = self.middle;
        if before == middle {
            let young = self.spans.iter_mut().filter(|s| s.label.is_none() && s.world.stood());
            young.for_each(|s| s.label = Some(0));
        }
        self.middle = [last, middle];
    }

    /// Notes a contradiction; true where it is the second with no event between, or one of many.
    fn doubted(&mut self, events: u64) -> bool {
        let (count, last) = self.doubt.unwrap_or((0, u64::MAX));
        self.doubt = Some((count + 1, events));
        last == events || count + 1 >= DOUBTS
    }

    /// The counters less what was seen: where a collection ran at the beginning, it is not ours.
    fn without_seen(&self) -> [u64; 3] {
        let mut start = self.now.collections;
        for span in &self.spans {
            if let Some(generation) = span.label {
                let of = &mut start[usize::from(generation)];
                *of = of.saturating_sub(1);
            }
        }
        [0, 1, 2].map(|g| start[g].saturating_sub(self.seen[g]))
    }

    /// Between two quiet readings: one generation alone labels what had no label, and a collection that was
    /// alone in its generation freed what the generation's counter rose by.
    fn attribute(&mut self, before: &Counters) {
        let rose = [0, 1, 2].map(|g| self.now.collections[g].saturating_sub(before.collections[g]));
        let total: u64 = rose.iter().sum();
        let only = (0..3u8).find(|g| rose[usize::from(*g)] == total);
        if let (Some(generation), true) = (only, total == self.spans.len() as u64) {
            for span in &mut self.spans {
                span.label = span.label.or(Some(generation));
            }
        }
        for g in (0..3).filter(|g| rose[*g] == 1) {
            let freed = self.now.collected[g].checked_sub(before.collected[g]);
            let mut mine = self.spans.iter_mut().filter(|s| s.label == Some(g as u8));
            if let (Some(span), None) = (mine.next(), mine.next()) {
                span.collected = freed;
            }
        }
    }

    /// The same for a full collection alone, whatever the watch on the flag saw of the others.
    fn attribute_full(&mut self) {
        let Some((collections, collected)) = self.full_aligned else { return };
        let since = self.full_aligned_at;
        let mut full = self.spans.iter_mut().filter(|s| s.label == Some(2) && s.stop > since);
        if let (Some(span), None) = (full.next(), full.next())
            && self.now.collections[2] == collections + 1
        {
            span.collected = self.now.collected[2].checked_sub(collected);
        }
    }

    /// Moves the finished pauses out, each less the traps within it: of the full ones all, of the others those
    /// that began while the watch was open. Those whose generation a later reading may tell wait for it, if there are
    /// `more` to come. `chance_ppm`: that of the window.
    pub(crate) fn pauses(
        &mut self,
        (window, chance_ppm): (Window, u32),
        more: bool,
        ends: Ends,
        out: &mut Vec<Pause>,
        details: &mut Vec<Detail>,
    ) {
        self.settle_full();
        // One that nothing labels may be a full one.
        let counts = |s: &Span| !matches!(s.label, Some(0 | 1)) || window.holds(s.start);
        let all = std::mem::take(&mut self.spans);
        let (kept, mut spans): (Vec<Span>, Vec<Span>) =
            all.into_iter().partition(|s| more && self.is_kept(s, window));
        self.spans = kept;
        spans.sort_by_key(|s| s.start);
        for span in spans {
            let idle = span.start.saturating_sub(std::mem::replace(&mut self.last_stop, span.stop));
            if !counts(&span) {
                continue;
            }
            let (uncertainty_ns, world) =
                ((span.slack > 0).then_some(span.slack), span.world.told(ends.warm_ns));
            if uncertainty_ns.is_some() || world.is_some() {
                let (pid, start_ns) = (self.pid, span.start);
                details.push(Detail { pid, start_ns, uncertainty_ns, world, ..Detail::default() });
            }
            match span.label {
                Some(generation) => self.seen[usize::from(generation)] += 1,
                None => self.unlabelled += 1,
            }
            let traps = ends.after(idle) + u64::from(span.inside) * ends.warm_ns;
            out.push(Pause {
                start_ns: span.start,
                duration_ns: (span.stop - span.start).saturating_sub(traps),
                generation: span.label,
                pid: self.pid,
                interpreter: self.interpreter.id(),
                tid: Some(span.tid),
                collected: span.collected,
                // Ends of full ones are told whether the flag is watched or not.
                chance_ppm: if span.label == Some(2) { CERTAIN } else { chance_ppm },
            });
        }
    }

    /// The flag is not watched, or has only just begun to be again.
    pub(crate) fn unwatched(&mut self) {
        self.classifier.unwatched();
        self.aligned = None;
        self.doubt = None;
    }

    /// Collections by generation since the beginning; those that were seen, while it is not settled what that was.
    pub(crate) fn happened(&self) -> [u64; 3] {
        let since = |start: [u64; 3]| [0, 1, 2].map(|g| self.now.collections[g].saturating_sub(start[g]));
        self.start.map_or(self.seen, since)
    }

    /// Adds what was seen and what happened.
    pub(crate) fn add_to(&self, coverage: &mut Coverage) {
        let happened = self.happened();
        for (g, of) in coverage.generations.iter_mut().enumerate() {
            of.seen += self.seen[g];
            of.happened += happened[g];
            coverage.unwatched[g] += self.unwatched[g];
        }
        coverage.unlabelled.seen += self.unlabelled;
        coverage.unlabelled.happened += self.untold;
        coverage.lost += self.classifier.torn;
        coverage.unfinished_ns = coverage.unfinished_ns.max(self.unfinished_ns());
    }
}

/// Counters at the beginning, where a collection ran then that is not ours: `first` was read while it ran, `rest` is
/// what was not seen of all that is counted now. It is one of those; the others were missed, and they happened. Absent while
/// it goes on. Where several generations are left it is put down to one of which some was missed; the sum is right.
fn beginning(first: [u64; 3], rest: [u64; 3], full: bool) -> Option<[u64; 3]> {
    let more = [0, 1, 2].map(|g| rest[g] > first[g]);
    let mine = if full && more[2] { 2 } else { more.iter().position(|more| *more)? };
    Some([0, 1, 2].map(|g| first[g] + u64::from(g == mine)))
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn what_was_missed_at_the_beginning_happened() {
        let of = |rest, full| beginning([5, 4, 3], rest, full);
        assert_eq!(of([5, 4, 3], false), None, "it goes on");
        assert_eq!(of([6, 4, 3], false), Some([6, 4, 3]), "the one that ran");
        assert_eq!(of([5, 4, 9], false), Some([5, 4, 4]), "five more were missed");
        assert_eq!(of([7, 5, 3], false), Some([6, 4, 3]), "one of three");
        assert_eq!(of([7, 5, 4], true), Some([5, 4, 4]), "a full one, as was seen");
    }
}
