//! Full collections, told whether or not the flag is watched: two words that are written so rarely that the
//! watch on them never closes. The longest pauses are among these, so chance must not decide on them.
//!
//! The collector writes the first of the words as a middle or a full collection begins and the second one as a
//! full one ends; the callbacks of `gc.callbacks` run outside of the two.

use super::classify::{Event, Span, Write};
use super::world::World;

/// What the flag said at a moment; whether one ended since the reading before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) at: u64,
    pub(crate) collecting: bool,
    pub(crate) ended: bool,
}

/// Full collections of one interpreter.
#[derive(Debug, Clone, Default)]
pub(crate) struct FullCollections {
    /// The last middle or full collection that began, and its thread.
    begun: Option<(u64, i32)>,
    /// When nothing ran for the last time, and when something did for the first time after that.
    idle: Option<u64>,
    busy: Option<u64>,
    /// The last reading, and those that events may still come before.
    read: Option<u64>,
    pending: Vec<Reading>,
    ended: Vec<Span>,
}

impl FullCollections {
    /// Where no word is written at the beginning, readings bound it. Events of before may come after one.
    pub(crate) fn reading(&mut self, reading: Reading) {
        self.pending.push(reading);
    }

    /// All events until then have come.
    pub(crate) fn until(&mut self, time: u64) {
        for reading in std::mem::take(&mut self.pending) {
            match reading.at <= time {
                true => self.read(reading),
                false => self.pending.push(reading),
            }
        }
    }

    /// Where one ended since the last reading, what runs now began after that.
    fn read(&mut self, Reading { at, collecting, ended }: Reading) {
        let last = self.read.replace(at);
        if ended {
            (self.idle, self.busy) = (self.idle.max(last), None);
        }
        match collecting {
            true => _ = self.busy.get_or_insert(at),
            false => (self.idle, self.busy) = (self.idle.max(Some(at)), None),
        }
    }

    /// The last middle or full collection that began; it may have ended.
    pub(crate) fn begun(&self) -> Option<(u64, i32)> {
        self.begun
    }

    /// When the last middle or full collection began, if nothing is known to have ended since.
    pub(crate) fn begun_since_idle(&self) -> Option<u64> {
        self.begun.map(|(at, _)| at).filter(|at| Some(*at) >= self.idle)
    }

    /// The next event, in order of time. Where not all beginnings are told, those that are not are bounded.
    pub(crate) fn feed(&mut self, event: &Event, begins_are_told: bool) {
        self.until(event.time);
        match event.write {
            Write::Older => self.begun = Some((event.time, event.tid)),
            Write::Label(2) => {
                let begun = self.begun.take().filter(|(_, tid)| *tid == event.tid);
                let told = begun.map(|(start, _)| span(start, 0, event));
                self.ended.extend(if begins_are_told { told } else { told.or_else(|| self.bounded(event)) });
                (self.idle, self.busy) = (Some(event.time), None);
            }
            // While the flag is watched the beginning is not.
            Write::Flag if !begins_are_told => self.begun = None,
            Write::Flag | Write::Label(_) | Write::Asked | Write::Standing => {}
        }
    }

    fn bounded(&self, event: &Event) -> Option<Span> {
        self.running_since(event.time).map(|(start, slack)| span(start, slack, event))
    }

    /// When the collection began that runs at this moment, and how exactly that is known: half way between the bounds.
    pub(crate) fn running_since(&self, at: u64) -> Option<(u64, u64)> {
        let earliest = self.idle?;
        let latest = self.busy.unwrap_or(at).max(earliest);
        let slack = (latest - earliest) / 2;
        Some((earliest + slack, slack))
    }

    /// Records were lost: what had begun may have ended.
    pub(crate) fn lose(&mut self) {
        (self.begun, self.idle, self.busy) = (None, None, None);
        self.pending.clear();
    }

    /// The watch on the flag saw this one, callbacks included.
    pub(crate) fn told_by_flag(&mut self, span: &Span) {
        self.idle = self.idle.max(Some(span.stop));
        self.ended.retain(|e| !(span.start..=span.stop).contains(&e.stop));
    }

    /// Takes what has ended, but for what the watch on the flag will still tell: a collection that it has seen
    /// begin at `running`.
    pub(crate) fn take(&mut self, running: Option<u64>) -> Vec<Span> {
        let (kept, done) = self.ended.drain(..).partition(|e| running.is_some_and(|since| since <= e.stop));
        self.ended = kept;
        done
    }
}

fn span(start: u64, slack: u64, end: &Event) -> Span {
    Span {
        start,
        stop: end.time,
        tid: end.tid,
        label: Some(2),
        inside: 0,
        collected: None,
        slack,
        world: World::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: u64, write: Write) -> Event {
        Event { time, tid: 1, ip: 0, write }
    }

    #[test]
    fn the_last_beginning_before_the_end_counts() {
        let mut full = FullCollections::default();
        for (time, write) in [(5, Write::Older), (20, Write::Older), (90, Write::Label(2))] {
            full.feed(&event(time, write), true);
        }
        full.feed(&event(95, Write::Label(2)), true);
        let took: Vec<_> = full.take(None).iter().map(|s| (s.start, s.stop, s.slack)).collect();
        assert_eq!(took, [(20, 90, 0)], "an end without a beginning is none");
    }

    #[test]
    fn the_flag_tells_it_better() {
        let mut full = FullCollections::default();
        full.feed(&event(20, Write::Older), true);
        full.feed(&event(90, Write::Label(2)), true);
        assert_eq!(full.take(Some(19)).len(), 0, "its end by the flag is still to come");
        let by_flag = Span { start: 19, stop: 91, ..span(0, 0, &event(0, Write::Flag)) };
        full.told_by_flag(&by_flag);
        assert_eq!(full.take(None).len(), 0);
    }

    #[test]
    fn a_beginning_that_is_not_told_is_bounded_by_what_the_flag_said() {
        let mut full = FullCollections::default();
        for (at, collecting) in [(100, false), (120, true), (140, true)] {
            full.reading(Reading { at, collecting, ended: false });
        }
        full.reading(Reading { at: 183, collecting: false, ended: true });
        full.feed(&event(180, Write::Label(2)), false);
        full.feed(&event(190, Write::Label(2)), false);
        let took: Vec<_> = full.take(None).iter().map(|s| (s.start, s.stop, s.slack)).collect();
        assert_eq!(took, [(110, 180, 10), (186, 190, 3)]);
        for (at, ended) in [(200, false), (210, false), (220, true), (230, false)] {
            full.reading(Reading { at, collecting: true, ended });
        }
        full.feed(&event(240, Write::Label(2)), false);
        assert_eq!(full.take(None)[0].start, 215, "the one that ended meanwhile was another one");
        full.lose();
        full.feed(&event(300, Write::Label(2)), false);
        assert_eq!(full.take(None).len(), 0);
    }
}
