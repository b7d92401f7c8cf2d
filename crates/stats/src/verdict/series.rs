//! Days of samples in a few kilobytes: floors and means of a process's life at several resolutions.

use super::Point;
use serde::{Deserialize, Serialize};

/// Cells kept per resolution.
const CELLS: usize = 512;
/// Seconds a cell spans, per resolution: half an hour, four hours, a day and a half, twelve days.
const WIDTHS: [f64; 4] = [4.0, 30.0, 256.0, 2048.0];

/// A cell: the low values and the mean of what fell into it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Cell {
    /// Mean time, seconds.
    t: f64,
    /// Mean value.
    mean: f64,
    /// Lowest value.
    low: f64,
    count: u32,
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
        let late = self.last.is_none_or(|last| point.t > last);
        if !(point.t.is_finite() && point.v.is_finite() && late) {
            return;
        }
        self.last = Some(point.t);
        for (tier, width) in self.tiers.iter_mut().zip(WIDTHS) {
            tier.push(point, width);
        }
    }

    /// Forgets everything: the process was restarted.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Points of the last `seconds` at the finest resolution that reaches so far back.
    #[must_use]
    pub fn points(&self, seconds: f64) -> Vec<Point> {
        let Some(last) = self.last else { return Vec::new() };
        let from = last - seconds;
        let reaches = |t: &&Tier| t.cells.len() < CELLS || t.cells.front().is_some_and(|c| c.t <= from);
        let tier = self.tiers.iter().find(reaches).or_else(|| self.tiers.last());
        let cells = tier.into_iter().flat_map(|t| &t.cells);
        cells.filter(|c| c.t >= from).map(|c| Point { t: c.t, v: c.value() }).collect()
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
    fn push(&mut self, p: Point, width: f64) {
        let cell = |t: f64| (t / width).floor();
        match self.cells.back_mut() {
            Some(last) if cell(last.t) == cell(p.t) => last.add(p),
            _ => {
                if self.cells.len() == CELLS {
                    self.cells.pop_front();
                }
                self.cells.push_back(Cell { t: p.t, mean: p.v, low: p.v, count: 1 });
            }
        }
    }
}

impl Cell {
    fn add(&mut self, p: Point) {
        self.count = self.count.saturating_add(1);
        let n = f64::from(self.count);
        self.t += (p.t - self.t) / n;
        self.mean += (p.v - self.mean) / n;
        self.low = self.low.min(p.v);
    }

    /// The floor of the cell.
    fn value(&self) -> f64 {
        self.low
    }
}
