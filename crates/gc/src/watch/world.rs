//! Stops of all threads within a collection of a build without the GIL: how long it waited for them to stop, and how long
//! they stood. The collector asks for it by one word and says by another that they stand; both are cleared as they go on.

use crate::pause::WorldStops;

/// Where the two words have led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Running,
    Asked(u64),
    Standing(u64),
    /// The request is withdrawn; that they stand no more is still to be written.
    Going,
}

/// The stops of one collection so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct World {
    phase: Phase,
    waited: u64,
    stood: u64,
    stops: u32,
    /// Stops whose beginning was told.
    asked: u32,
}

impl World {
    /// The request was written, or withdrawn.
    pub(crate) fn asked(&mut self, time: u64) {
        self.phase = match self.phase {
            Phase::Standing(since) => {
                self.stand(since, time);
                Phase::Going
            }
            _ => Phase::Asked(time),
        };
    }

    /// It was written that all stand, or that they do no more.
    pub(crate) fn turned(&mut self, time: u64) {
        self.phase = match self.phase {
            Phase::Asked(since) => {
                self.waited += time.saturating_sub(since);
                self.asked += 1;
                Phase::Standing(time)
            }
            Phase::Running => Phase::Standing(time),
            Phase::Standing(since) => {
                self.stand(since, time);
                Phase::Running
            }
            Phase::Going => Phase::Running,
        };
    }

    fn stand(&mut self, since: u64, time: u64) {
        self.stood += time.saturating_sub(since);
        self.stops += 1;
    }

    /// Whether they stood at all.
    pub(crate) fn stood(&self) -> bool {
        self.stops > 0
    }

    /// The stops, each less the trap that is in it; absent where none was seen.
    pub(crate) fn told(&self, trap_ns: u64) -> Option<WorldStops> {
        let less = |sum: u64, times: u32| sum.saturating_sub(u64::from(times) * trap_ns);
        self.stood().then(|| WorldStops {
            stops: self.stops,
            waited_ns: (self.asked == self.stops).then(|| less(self.waited, self.asked)),
            stood_ns: less(self.stood, self.stops),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stops_add_up() {
        let mut world = World::default();
        for (ask, stand, withdraw, go) in [(10, 25, 100, 101), (200, 203, 250, 250)] {
            world.asked(ask);
            world.turned(stand);
            world.asked(withdraw);
            world.turned(go);
        }
        let told = world.told(1).unwrap();
        assert_eq!((told.stops, told.waited_ns, told.stood_ns), (2, Some(16), 120));
    }

    #[test]
    fn the_two_words_may_be_cleared_in_either_order() {
        let mut world = World::default();
        for (ask, stand, go, withdraw) in [(10, 25, 100, 101), (200, 203, 250, 251)] {
            world.asked(ask);
            world.turned(stand);
            world.turned(go);
            world.asked(withdraw);
        }
        let told = world.told(0).unwrap();
        assert_eq!((told.stops, told.waited_ns, told.stood_ns), (2, Some(18), 122));
    }

    #[test]
    fn without_the_request_the_wait_is_not_told() {
        let mut world = World::default();
        assert_eq!(world.told(0), None, "a false start");
        world.turned(5);
        world.turned(9);
        assert_eq!(world.told(0).map(|t| (t.waited_ns, t.stood_ns)), Some((None, 4)));
    }
}
