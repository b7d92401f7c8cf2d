//! Days of samples in a few kilobytes: floors and means of a process's life at several resolutions.

use super::Point;
use serde::{Deserialize, Serialize};

/// Cells kept per resolution.
const CELLS: usize = 512;
/// Seconds a cell spans, per resolution: half an hour, four hours, a day and a half, twelve days.
const WIDTHS: [f64; 4] = [4.0, 30.0, 256.0, 2048.0];

/// A cell: the lowest of what fell into it, and the mean load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Cell {
    /// Mean time, seconds.
    t: f64,
    /// Lowest value.
    low: f64,
    /// Mean load, of the samples that came with one.
    load: f64,
    count: u32,
    loads: u32,
}

/// One resolution: the latest cells, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Tier {
    cells: std::collections::VecDeque<Cell>,
}

/// The streaming state of one series: bounded, whatever the time and the rate of samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    tiers: [Tier; WIDTHS.len()],
    last: Option<f64>,
}

impl Series {
    /// Adds a sample. One that is not finite, or not later than the last, is left out.
    pub fn push(&mut self, point: Point) {
        self.push_beside(point, None);
    }

    /// Adds a sample with the load at its moment, where that is known.
    pub fn push_beside(&mut self, point: Point, load: Option<f64>) {
        let late = self.last.is_none_or(|last| point.t > last);
        if !(point.t.is_finite() && point.v.is_finite() && late) {
            return;
        }
        self.last = Some(point.t);
        for (tier, width) in self.tiers.iter_mut().zip(WIDTHS) {
            tier.push(point, load.filter(|l| l.is_finite()), width);
        }
    }

    /// Forgets everything: the process was restarted.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Points of the last `seconds` at the finest resolution that reaches so far back.
    #[must_use]
    pub fn points(&self, seconds: f64) -> Vec<Point> {
        self.cells(seconds).map(|c| Point { t: c.t, v: c.low }).collect()
    }

    /// The load beside them, where it was known.
    #[must_use]
    pub fn loads(&self, seconds: f64) -> Vec<Point> {
        self.cells(seconds).filter(|c| c.loads > 0).map(|c| Point { t: c.t, v: c.load }).collect()
    }

    fn cells(&self, seconds: f64) -> impl Iterator<Item = &Cell> {
        let from = self.last.unwrap_or(f64::INFINITY) - seconds;
        let reaches = |t: &&Tier| t.cells.len() < CELLS || t.cells.front().is_some_and(|c| c.t <= from);
        let tier = self.tiers.iter().find(reaches).or_else(|| self.tiers.last());
        tier.into_iter().flat_map(|t| &t.cells).filter(move |c| c.t >= from)
    }

    /// Every point that is kept, at the finest resolution that holds the whole time.
    #[must_use]
    pub fn all(&self) -> Vec<Point> {
        self.points(f64::INFINITY)
    }

    /// Bytes of heap and of the value itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let heap: usize = self.tiers.iter().map(|t| t.cells.capacity() * size_of::<Cell>()).sum();
        heap + size_of::<Self>()
    }
}

impl Tier {
    fn push(&mut self, p: Point, load: Option<f64>, width: f64) {
        let cell = |t: f64| (t / width).floor();
        match self.cells.back_mut() {
            Some(last) if cell(last.t) == cell(p.t) => last.add(p, load),
            _ => {
                if self.cells.len() == CELLS {
                    self.cells.pop_front();
                }
                let loads = u32::from(load.is_some());
                self.cells.push_back(Cell { t: p.t, low: p.v, load: load.unwrap_or(0.0), count: 1, loads });
            }
        }
    }
}

impl Cell {
    fn add(&mut self, p: Point, load: Option<f64>) {
        self.count = self.count.saturating_add(1);
        self.t += (p.t - self.t) / f64::from(self.count);
        self.low = self.low.min(p.v);
        if let Some(load) = load {
            self.loads = self.loads.saturating_add(1);
            self.load += (load - self.load) / f64::from(self.loads);
        }
    }
}
