//! One interpreter of one process under watch: its events, and its own counters beside them.

use super::calibrate::Traps;
use super::classify::{Classifier, Event, Instructions, Span, Write};
use super::full::FullCollections;
use super::window::Window;
use crate::{Coverage, Detail, Pause};
use m5_cpython::{GcState, Interpreter};

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
    /// Counters at the beginning; not yet known while the collection that ran then goes on.
    start: Option<[u64; 3]>,
    /// Counters when it was first read, that collection or not.
    first: [u64; 3],
    now: Counters,
    /// Counters at the last reading that no collection straddled.
    aligned: Option<Counters>,
    /// Full collections and what they freed, at the last reading that none straddled, watched or not.
    full_aligned: Option<(u64, u64)>,
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
            first: now.collections,
            now,
            aligned: quiet.then_some(now),
            full_aligned: quiet.then(|| now.full()),
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
        self.full.feed(event, labels.full_begins);
        if event.write == Write::Label(2) {
            self.now.collections[2] += 1;
        }
        let Some(mut span) = self.classifier.feed(event, known) else { return };
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
        self.aligned = None;
        self.blind_until = self.blind_until.max(until);
    }

    /// What the interpreter says of itself at that moment: `settled` where no event is under way that would belong before.
    /// `hidden` from now on where nothing is left to watch it with. Returns true where the flag refuted the events: then no instruction is known any more.
    pub(crate) fn reconcile(&mut self, state: &GcState, at: u64, settled: bool, hidden: bool) -> bool {
        self.settle_full();
        self.full.reading(at, state.collecting);
        let now = Counters::of(state);
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
        self.hidden = hidden;
        self.tell_young(now.collections[1]);
        self.now = now;
        self.untold = 0;
        let quiet = settled && agree && !state.collecting;
        if quiet {
            if let Some(before) = self.aligned {
                self.attribute(&before);
            }
            if self.start.is_none() {
                self.start = Some(beginning(self.first, self.without_seen()));
            }
        }
        self.aligned = quiet.then_some(now);
        if !state.collecting {
            self.attribute_full();
            self.full_aligned = Some(now.full());
        }
        contradicted
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
                start[usize::from(generation)] -= 1;
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
        let mut full = self.spans.iter_mut().filter(|s| s.label == Some(2));
        if let (Some(span), None) = (full.next(), full.next())
            && self.now.collections[2] == collections + 1
        {
            span.collected = self.now.collected[2].checked_sub(collected);
        }
    }

    /// Moves the finished pauses out, each less the traps within it: of the full ones all, of the others those
    /// that began while the watch was open.
    pub(crate) fn pauses(
        &mut self,
        window: Window,
        trap: Traps,
        out: &mut Vec<Pause>,
        details: &mut Vec<Detail>,
    ) {
        self.settle_full();
        // One that nothing labels may be a full one.
        let counts = |s: &Span| !matches!(s.label, Some(0 | 1)) || window.holds(s.start);
        let mut spans = std::mem::take(&mut self.spans);
        spans.sort_by_key(|s| s.start);
        for span in spans {
            let idle = span.start.saturating_sub(std::mem::replace(&mut self.last_stop, span.stop));
            if !counts(&span) {
                continue;
            }
            let (uncertainty_ns, world) =
                ((span.slack > 0).then_some(span.slack), span.world.told(trap.warm_ns));
            if uncertainty_ns.is_some() || world.is_some() {
                let (pid, start_ns) = (self.pid, span.start);
                details.push(Detail { pid, start_ns, uncertainty_ns, world, ..Detail::default() });
            }
            match span.label {
                Some(generation) => self.seen[usize::from(generation)] += 1,
                None => self.unlabelled += 1,
            }
            let traps = trap.ends(idle) + u64::from(span.inside) * trap.warm_ns;
            out.push(Pause {
                start_ns: span.start,
                duration_ns: (span.stop - span.start).saturating_sub(traps),
                generation: span.label,
                pid: self.pid,
                interpreter: self.interpreter.id(),
                tid: Some(span.tid),
                collected: span.collected,
            });
        }
    }

    /// The flag is not watched, or has only just begun to be again.
    pub(crate) fn unwatched(&mut self) {
        self.classifier.unwatched();
        self.aligned = None;
        self.doubt = None;
    }

    /// Collections by generation since the beginning.
    pub(crate) fn happened(&self) -> [u64; 3] {
        let start = self.start.unwrap_or(self.now.collections);
        [0, 1, 2].map(|g| self.now.collections[g].saturating_sub(start[g]))
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
    }
}

/// Counters at the beginning, where a collection ran then that is not ours: `first` was read while it ran, `rest` is
/// what was not seen of all that is counted now. One collection explains a difference of one; a larger one is of
/// collections that were missed, and they happened.
fn beginning(first: [u64; 3], rest: [u64; 3]) -> [u64; 3] {
    let more = [0, 1, 2].map(|g| rest[g] > first[g]);
    let alone = more.iter().filter(|m| **m).count() == 1;
    [0, 1, 2].map(|g| first[g] + u64::from(more[g] && alone))
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn what_was_missed_at_the_beginning_happened() {
        assert_eq!(beginning([5, 4, 3], [5, 4, 3]), [5, 4, 3]);
        assert_eq!(beginning([5, 4, 3], [6, 4, 3]), [6, 4, 3], "the one that ran");
        assert_eq!(beginning([5, 4, 3], [5, 4, 9]), [5, 4, 4], "five more were missed");
        assert_eq!(beginning([5, 4, 3], [7, 5, 3]), [5, 4, 3], "which of them ran then is not known");
    }
}
