//! From watched writes to pauses: which write began a collection, which ended it, which was turned away.
//!
//! A write to `collecting` does not say what it wrote, and since 3.13 a nested collection that is turned away
//! counts as a write too, so parity is no guide. The instruction is: one seen while the collector was idle
//! begins a collection; the same one while it collects is a rejection; any other ends it.

use super::attempts::{Attempts, Run};
use super::world::World;
use std::collections::HashSet;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The collector's flag.
    Flag,
    /// The counter of a generation: one of its collections is about to end.
    Label(u8),
    /// The number of middle collections since the last full one: a middle or a full collection begins.
    Older,
    /// That all threads are to stop, of a build without the GIL.
    Asked,
    /// That all threads stand.
    Standing,
}

impl Write {
    /// Whether it is rare enough to be watched all the time.
    pub(crate) fn stands(self) -> bool {
        matches!(self, Self::Label(2) | Self::Older)
    }
}

/// One watched write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) time: u64,
    pub(crate) tid: i32,
    pub(crate) ip: u64,
    pub(crate) write: Write,
}

/// A collection from start to stop, as the events had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) stop: u64,
    pub(crate) tid: i32,
    /// The last counter that rose in it.
    pub(crate) label: Option<u8>,
    /// Watched writes of its thread between start and stop; each cost it one trap.
    pub(crate) inside: u32,
    /// Objects freed, where the counters tell.
    pub(crate) collected: Option<u64>,
    /// The start is known to within so much; 0 where it was seen.
    pub(crate) slack: u64,
    /// How all threads stopped for it.
    pub(crate) world: World,
}

/// The instructions that begin and end collections: the same in a process and in those forked from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Instructions {
    starts: HashSet<u64>,
    stops: HashSet<u64>,
    looked_at: HashSet<u64>,
}

impl Instructions {
    /// Remembers an instruction.
    pub(crate) fn learn(&mut self, ip: u64, starts: bool) {
        let set = if starts { &mut self.starts } else { &mut self.stops };
        set.insert(ip);
    }

    /// Whether the code of this instruction was asked for before; from now on it was.
    pub(crate) fn looked_at(&mut self, ip: u64) -> bool {
        !self.looked_at.insert(ip)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// After a loss: only a known instruction tells.
    Unknown,
    Idle,
    Collecting(Run),
}

/// The collector of one interpreter.
#[derive(Debug, Clone)]
pub(crate) struct Classifier {
    state: State,
    attempts: Attempts,
    /// Collections whose start or end was not seen.
    pub(crate) torn: u64,
}

impl Classifier {
    /// A collector that is collecting, or not, at this moment.
    pub(crate) fn new(collecting: bool) -> Self {
        let mut new = Self { state: State::Idle, attempts: Attempts::default(), torn: 0 };
        new.set(collecting);
        new
    }

    /// The same collector in a process forked from here: a collection that runs began before its birth.
    pub(crate) fn forked(&self) -> Self {
        Self::new(matches!(self.state, State::Collecting(_)))
    }

    /// Whether a collection runs; `None` where that is not known.
    pub(crate) fn collecting(&self) -> Option<bool> {
        match self.state {
            State::Unknown => None,
            State::Idle => Some(false),
            State::Collecting(_) => Some(true),
        }
    }

    /// A collection was found running at this moment, as the watch was opened: it began at `start`, give or take `slack`.
    pub(crate) fn resume(&mut self, at: u64, start: u64, slack: u64) {
        self.state = State::Collecting(Run::found(at, start, slack));
    }

    /// None ran at this moment: one that was found running had ended, told or not.
    pub(crate) fn idle_at(&mut self, at: u64) {
        if let State::Collecting(Run { found: Some(found), .. }) = &mut self.state {
            found.over = Some(at);
        }
    }

    /// Takes the state from the collector's own flag.
    pub(crate) fn set(&mut self, collecting: bool) {
        if self.running_since().is_some() {
            self.torn += 1;
        }
        self.state = match collecting {
            true => State::Collecting(Run::of(None, 0)),
            false => State::Idle,
        };
    }

    /// Records were lost: what ran may have ended.
    pub(crate) fn lose(&mut self) {
        if self.running_since().is_some() {
            self.torn += 1;
        }
        self.unwatched();
    }

    /// The watch was closed for a while: what ran then is nobody's loss.
    pub(crate) fn unwatched(&mut self) {
        self.state = State::Unknown;
        self.attempts.forget();
    }

    /// Start of the collection that runs, where it was seen.
    pub(crate) fn running_since(&self) -> Option<u64> {
        self.running().map(|(start, _)| start)
    }

    /// The same, and its thread.
    pub(crate) fn running(&self) -> Option<(u64, i32)> {
        match self.state {
            State::Collecting(run) => run.start.map(|start| (start, run.tid)),
            _ => None,
        }
    }

    /// The next event, in order of time; returns the collection that it ended.
    pub(crate) fn feed(&mut self, event: &Event, known: &mut Instructions) -> Option<Span> {
        match event.write {
            Write::Label(generation) => self.label(event, |_| Some(generation)),
            Write::Older => self.label(event, |label| label.or(Some(1))),
            Write::Asked | Write::Standing => self.stop(event),
            Write::Flag => return self.flag(event, known),
        }
        None
    }

    fn label(&mut self, event: &Event, told: impl Fn(Option<u8>) -> Option<u8>) {
        self.let_in(event);
        if let State::Collecting(run) = &mut self.state
            && (run.start.is_none() && !run.is_other(event.time) || run.tid == event.tid)
        {
            run.label = told(run.label);
            run.inside += 1;
        }
    }

    /// Where the thread of this event, which is no beginning, is in a collection that was told to begin while another one
    /// ran, it is that one that runs.
    fn let_in(&mut self, event: &Event) {
        let running = match self.state {
            State::Unknown => return,
            State::Idle => None,
            State::Collecting(run) => run.start.map(|_| run),
        };
        if running.is_some_and(|run| run.tid == event.tid) {
            return;
        }
        let Some(run) = self.attempts.let_in(event.tid) else { return };
        self.state = State::Collecting(run);
        running.into_iter().for_each(|other| self.attempts.keep(other));
    }

    /// All threads are stopped, or go on; others than the collecting one stop them for reasons of their own.
    fn stop(&mut self, event: &Event) {
        let run = match &mut self.state {
            State::Collecting(run) if run.start.is_some() && run.tid == event.tid => Some(run),
            _ => self.attempts.find(event.tid),
        };
        let Some(run) = run else { return };
        run.inside += 1;
        match event.write {
            Write::Asked => run.world.asked(event.time),
            _ => run.world.turned(event.time),
        }
    }

    fn flag(&mut self, event: &Event, known: &mut Instructions) -> Option<Span> {
        let (starts, stops) = (known.starts.contains(&event.ip), known.stops.contains(&event.ip));
        if !starts {
            self.let_in(event);
        }
        match &mut self.state {
            State::Idle if stops => {
                self.torn += 1;
                None
            }
            State::Idle => {
                known.learn(event.ip, true);
                self.begin(event)
            }
            State::Unknown if starts => self.begin(event),
            State::Unknown => {
                if stops {
                    self.state = State::Idle;
                }
                None
            }
            State::Collecting(run) if run.start.is_some() && run.tid != event.tid => {
                // A collection ends in the thread where it began.
                if starts {
                    self.attempts.note(event.tid, event.time);
                }
                None
            }
            State::Collecting(run) if run.is_other(event.time) => {
                self.state = State::Idle;
                if stops { None } else { self.begin(event) }
            }
            State::Collecting(run) if starts => {
                run.inside += 1;
                None
            }
            State::Collecting(run) => {
                known.learn(event.ip, false);
                let span = run.began().map(|(start, slack)| Span {
                    start,
                    stop: event.time,
                    tid: event.tid,
                    label: run.label,
                    inside: run.inside,
                    collected: None,
                    slack,
                    world: run.world,
                });
                self.state = State::Idle;
                self.attempts.ended(event.time);
                span
            }
        }
    }

    fn begin(&mut self, event: &Event) -> Option<Span> {
        self.attempts.forget();
        self.state = State::Collecting(Run::of(Some(event.time), event.tid));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x10;
    const STOP: u64 = 0x20;

    fn flag(time: u64, ip: u64) -> Event {
        Event { time, tid: 1, ip, write: Write::Flag }
    }

    fn label(time: u64, generation: u8) -> Event {
        Event { time, tid: 1, ip: 0x30, write: Write::Label(generation) }
    }

    fn spans(classifier: &mut Classifier, events: &[Event]) -> Vec<Span> {
        let mut known = Instructions::default();
        events.iter().filter_map(|e| classifier.feed(e, &mut known)).collect()
    }

    #[test]
    fn a_rejected_nested_collection_ends_nothing() {
        let mut classifier = Classifier::new(false);
        let events = [
            flag(1, START),
            label(2, 0),
            flag(3, STOP),
            flag(4, START),
            flag(5, START),
            label(6, 2),
            flag(7, STOP),
        ];
        let got = spans(&mut classifier, &events);
        let told: Vec<_> = got.iter().map(|s| (s.start, s.stop, s.tid, s.label, s.inside)).collect();
        assert_eq!(told, [(1, 3, 1, Some(0), 1), (4, 7, 1, Some(2), 2)]);
        assert_eq!(classifier.torn, 0);
    }

    #[test]
    fn attached_in_the_middle_the_first_end_is_no_pause() {
        let mut classifier = Classifier::new(true);
        let got = spans(&mut classifier, &[flag(1, STOP), flag(2, START), flag(3, STOP)]);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].start, got[0].stop), (2, 3));
    }

    fn of(tid: i32, event: Event) -> Event {
        Event { tid, ..event }
    }

    #[test]
    fn stops_of_other_threads_are_none_of_the_collection() {
        let mut classifier = Classifier::new(false);
        let write = |time, tid, write| Event { time, tid, ip: 0x40, write };
        let events = [
            flag(1, START),
            write(2, 9, Write::Standing),
            write(3, 1, Write::Asked),
            write(5, 1, Write::Standing),
            write(9, 1, Write::Asked),
            write(9, 1, Write::Standing),
            flag(12, STOP),
            write(13, 1, Write::Standing),
        ];
        let got = spans(&mut classifier, &events);
        let told = got[0].world.told(0).unwrap();
        assert_eq!((got.len(), got[0].inside, told.waited_ns, told.stood_ns), (1, 4, Some(2), 4));
    }

    #[test]
    fn another_thread_turned_away_ends_nothing() {
        let mut classifier = Classifier::new(false);
        let other = of(9, flag(2, 0x99));
        let got = spans(&mut classifier, &[flag(1, START), other, flag(3, STOP)]);
        assert_eq!((got.len(), got[0].stop), (1, 3));
        assert_eq!(got[0].inside, 0, "the trap was the other thread's");
    }

    #[test]
    fn a_beginning_told_before_the_end_that_it_followed() {
        let mut classifier = Classifier::new(false);
        let events = [
            flag(1, START),
            of(8, flag(2, START)),
            of(9, flag(3, START)),
            label(4, 2),
            of(8, flag(5, START)),
            flag(6, STOP),
            of(8, label(7, 1)),
            of(9, flag(8, START)),
            of(8, flag(9, STOP)),
            of(9, flag(10, STOP)),
            flag(11, START),
            flag(12, STOP),
        ];
        let got = spans(&mut classifier, &events);
        let told: Vec<_> = got.iter().map(|s| (s.tid, s.start, s.stop, s.label)).collect();
        assert_eq!(told, [(1, 1, 6, Some(2)), (8, 6, 9, Some(1)), (9, 9, 10, None), (1, 11, 12, None)]);
        assert_eq!(classifier.torn, 0);
    }

    #[test]
    fn one_that_was_turned_away_told_before_the_beginning_that_turned_it_away() {
        let mut classifier = Classifier::new(false);
        let standing = |time| Event { time, tid: 1, ip: 0x40, write: Write::Standing };
        let events = [
            flag(1, START),
            flag(2, STOP),
            of(9, flag(3, START)),
            flag(4, START),
            standing(5),
            standing(7),
            label(8, 2),
            of(9, flag(9, START)),
            flag(10, STOP),
            of(8, flag(11, START)),
            of(9, flag(12, START)),
            of(9, flag(13, STOP)),
            of(9, flag(14, START)),
            of(9, flag(15, STOP)),
        ];
        let got = spans(&mut classifier, &events);
        let told: Vec<_> = got.iter().map(|s| (s.tid, s.start, s.stop, s.label)).collect();
        assert_eq!(told, [(1, 1, 2, None), (1, 4, 10, Some(2)), (9, 12, 13, None), (9, 14, 15, None)]);
        assert_eq!((got[1].world.told(0).unwrap().stood_ns, classifier.torn), (2, 0));
    }

    #[test]
    fn an_end_that_is_told_late_ends_its_own() {
        let mut classifier = Classifier::new(false);
        let events = [
            flag(1, START),
            label(2, 2),
            of(9, flag(3, START)),
            of(9, label(4, 1)),
            flag(5, STOP),
            of(9, flag(6, STOP)),
        ];
        let got = spans(&mut classifier, &events);
        let told: Vec<_> = got.iter().map(|s| (s.tid, s.start, s.stop, s.label)).collect();
        assert_eq!(told, [(1, 1, 5, Some(2)), (9, 5, 6, Some(1))]);
    }

    #[test]
    fn the_same_where_the_flag_was_read_meanwhile() {
        let mut classifier = Classifier::new(false);
        spans(&mut classifier, &[flag(1, START), of(9, flag(2, START)), flag(3, STOP)]);
        classifier.set(true);
        let got = spans(&mut classifier, &[of(9, label(8, 1)), of(9, flag(9, STOP))]);
        assert_eq!((got.len(), got[0].start, got[0].label), (1, 3, Some(1)));
        assert_eq!(classifier.torn, 0);
    }

    #[test]
    fn after_a_loss_known_instructions_tell() {
        let mut known = Instructions::default();
        let mut classifier = Classifier::new(false);
        for event in [flag(1, START), flag(2, STOP), flag(3, START)] {
            classifier.feed(&event, &mut known);
        }
        classifier.lose();
        assert_eq!(classifier.torn, 1);
        assert_eq!(classifier.feed(&flag(9, STOP), &mut known), None);
        assert_eq!(classifier.feed(&flag(10, START), &mut known), None);
        assert_eq!(classifier.feed(&flag(12, STOP), &mut known).map(|s| (s.start, s.stop)), Some((10, 12)));
    }
}
