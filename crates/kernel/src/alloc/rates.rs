//! How many a second, and which share of all, by windows in which watching takes a good part of the time.
//!
//! A window is a look at a random moment, and says how many allocations follow it within a time of the program's own. That time
//! must be the same for all: a window that opens while the program rests sees the first ones after the rest, and watching stretches
//! a burst a hundred times, so that what comes later in it is hardly ever reached. So what lies beyond is left out, however long
//! the window was open. How long it is follows from what was seen: most allocations should lie in windows that were as long.

use super::own_time::{KINDS, Window};
use super::profile::Rate;

/// Times that are tried: the shortest, nanoseconds, and how many, each twice as long as the one before. In a shorter one nobody can tell
/// a program's own time from the watching.
const SHORTEST_NS: f64 = 250.0;
pub(super) const TIMES: usize = 20;
/// The longest: windows are shorter, and each is taken for all of its length.
pub(super) const WHOLE: usize = TIMES - 1;
/// Of what lies within the time this share may be unseen, as windows were shorter.
const UNSEEN: f64 = 0.05;
/// What may be there is so many at 95 %, where nothing was seen.
const FEW: f64 = 3.0;
/// A rate whose interval is wider than so many times its lower end is no estimate.
pub(super) const WIDEST: f64 = 3.0;

/// One of the times, nanoseconds.
fn time_ns(n: usize) -> f64 {
    SHORTEST_NS * (1u64 << n.min(63)) as f64
}

/// What a window says of one line, or of all: so many a nanosecond, by each of the times.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    /// By what samples may take (`own_time::TAKES`).
    each: [[f64; KINDS]; TIMES],
    /// If the program rested while it was watched, and lost nothing by it.
    rested: [f64; TIMES],
}

impl Said {
    /// Of the allocations with these numbers in the window, each counted as often as `value` says.
    pub(super) fn of(window: &Window, value: impl Fn(usize) -> f64) -> Self {
        let mut said = Self::default();
        let mut counted = [[0.0; KINDS]; TIMES];
        let mut all = 0.0;
        for (n, at) in window.at.iter().enumerate() {
            let value = value(n);
            if value == 0.0 {
                continue;
            }
            all += value;
            for (v, at) in at.iter().enumerate() {
                let first = first_beyond(*at);
                counted.iter_mut().skip(first).for_each(|counted| counted[v] += value);
            }
        }
        for (n, counted) in counted.into_iter().enumerate() {
            let time = time_ns(n);
            for (v, counted) in counted.into_iter().enumerate() {
                let extent = window.extent[v];
                said.each[n][v] = if extent < time { all / extent } else { counted / time };
            }
            said.rested[n] = if window.taken_ns > window.open_ns / 2.0 {
                said.each[n][1]
            } else if window.open_ns < time {
                all / window.open_ns.max(1.0)
            } else {
                said.each[n][0] * (window.extent[0].min(time) / window.open_ns.min(time)).min(1.0)
            };
        }
        said
    }

    /// Both, side by side.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (each, other) in self.each.iter_mut().flatten().zip(other.each.iter().flatten()) {
            *each += other;
        }
        self.rested.iter_mut().zip(other.rested).for_each(|(rested, other)| *rested += other);
        self
    }
}

/// The first of the times within which this moment lies.
fn first_beyond(at_ns: f64) -> usize {
    (0..TIMES).find(|n| at_ns <= time_ns(*n)).unwrap_or(TIMES)
}

/// Sums over windows of what they say, each by the time for which it stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    sums: [[f64; KINDS]; TIMES],
    rested: [f64; TIMES],
    squares: [f64; TIMES],
    /// With what was said of all.
    products: [f64; TIMES],
    /// With the time alone.
    times: [f64; TIMES],
}

impl Sums {
    /// A window that says this, and that of all, and stands for so long.
    pub(super) fn add(&mut self, said: &Said, all: &Said, stands_ns: f64) {
        for n in 0..TIMES {
            for v in 0..KINDS {
                self.sums[n][v] += stands_ns * said.each[n][v];
            }
            self.rested[n] += stands_ns * said.rested[n];
            let own = stands_ns * said.each[n][0];
            self.squares[n] += own * own;
            self.products[n] += own * stands_ns * all.each[n][0];
            self.times[n] += own * stands_ns;
        }
    }

    /// How many windows that say something it is worth: a few may say most of it.
    pub(super) fn windows(&self, time: usize) -> f64 {
        if self.squares[time] > 0.0 { self.sums[time][0].powi(2) / self.squares[time] } else { 0.0 }
    }

    /// Which share of all it is at this time: as likely, if samples take less, or more; and the variance of the first.
    pub(super) fn share(&self, all: &Self, time: usize) -> ([f64; 3], f64) {
        let (own, of) = (self.sums[time], all.sums[time]);
        let mut shares = [0.0; 3];
        for (share, (own, of)) in shares.iter_mut().zip(own.iter().zip(of)) {
            *share = if of > 0.0 { own / of } else { 0.0 };
        }
        let share = shares[0];
        let spread =
            self.squares[time] - 2.0 * share * self.products[time] + share * share * all.squares[time];
        (shares, spread.max(0.0) / of[0].powi(2).max(1e-300))
    }
}

/// The same without what an interval needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plain([f64; TIMES]);

impl Plain {
    /// A window that says this, and stands for so long.
    pub(super) fn add(&mut self, said: &Said, stands_ns: f64) {
        self.0.iter_mut().zip(said.each).for_each(|(sum, each)| *sum += stands_ns * each[0]);
    }

    /// Which share of all it is.
    pub(super) fn share(&self, all: &Sums, time: usize) -> f64 {
        let of = all.sums[time][0];
        if of > 0.0 { self.0[time] / of } else { 0.0 }
    }
}

/// Allocations a nanosecond by which a window ended: after a rest what follows it says how many would have come.
fn density(window: &Window) -> f64 {
    match (window.at.first(), window.at.last()) {
        (Some(first), Some(last)) if window.at.len() > 2 && last[0] > first[0] => {
            (window.at.len() - 1) as f64 / (last[0] - first[0])
        }
        _ => window.at.len() as f64 / window.extent[0].max(1.0),
    }
}

/// Windows that are over.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    number: f64,
    stand_ns: f64,
    squares: f64,
    /// What was seen within each of the times, and what windows that were shorter would have seen if they had gone on as they ended.
    seen: [f64; TIMES],
    unseen: [f64; TIMES],
}

impl Windows {
    /// One more, by its parts, that stands for so long.
    pub(super) fn add<'a>(&mut self, parts: impl Iterator<Item = &'a Window>, stands_ns: f64) {
        self.number += 1.0;
        self.stand_ns += stands_ns;
        self.squares += stands_ns * stands_ns;
        for window in parts {
            let dense = density(window);
            for n in 0..TIMES {
                let (time, extent) = (time_ns(n), window.extent[0]);
                let within = window.at.partition_point(|at| at[0] <= time);
                self.seen[n] += stands_ns * within as f64 / time;
                self.unseen[n] += stands_ns * (time - extent).max(0.0) * dense / time;
            }
        }
    }

    /// The time within which windows are looked at: the first from there on within which something was seen.
    pub(super) fn time(&self, all: &Sums) -> usize {
        let from = self.most_are_as_long();
        (from..TIMES).find(|n| all.sums[*n][0] > 0.0).unwrap_or(from)
    }

    /// Which share of what lies within a time is not seen.
    pub(super) fn unseen(&self, time: usize) -> f64 {
        let [seen, unseen] = [self.seen[time], self.unseen[time]];
        if seen + unseen > 0.0 { unseen / (seen + unseen) } else { 0.0 }
    }

    fn most_are_as_long(&self) -> usize {
        let known = |n: &usize| self.unseen(*n) <= UNSEEN;
        (0..TIMES).rev().find(known).unwrap_or(0)
    }

    /// A second's worth of what was counted: of a program that runs whenever it may, for the share of the time in which it did. One
    /// that rests may have been interrupted as each window opened.
    pub(super) fn rate(&self, counted: &Sums, time: usize, busy: Option<f64>) -> Rate {
        let all = self.stand_ns.max(1.0);
        let [value, _, more, interrupted] = counted.sums[time].map(|sum| sum / all);
        let most = if busy.is_some() { more } else { interrupted };
        let least = counted.rested[time] / all;
        let spread = counted.squares[time] - 2.0 * value * counted.times[time] + value * value * self.squares;
        let error = m5_stats::errors_of_groups(counted.windows(time)) * spread.max(0.0).sqrt() / all;
        // Of what none of the windows held within the time there may be a few, in all of them.
        let few = if value > 0.0 { 0.0 } else { FEW / (self.number.max(1.0) * time_ns(time)) };
        let [low, high] = [(least - error).max(0.0), most.max(few) + error];
        let second = 1e9 * busy.unwrap_or(1.0);
        Rate { value: value * second, interval: [low * second, high * second] }
    }
}
