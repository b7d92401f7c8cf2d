//! The points of a process's charts: the whole time that it is watched, in bounded memory. The older half is
//! thinned when there are too many, again and again, so that the past fades but keeps its peaks and floors.

use m5_report::doc::thinned;
use std::collections::VecDeque;

/// Points kept.
const KEPT: usize = 240;

/// A point of the charts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChartPoint {
    /// Unix seconds.
    pub unix_seconds: f64,
    /// Resident memory, bytes.
    pub rss_bytes: f64,
    /// The same right after a full collection, where one was since the last point.
    pub post_gc_bytes: Option<f64>,
    /// Open descriptors.
    pub fds: Option<f64>,
    /// Established connections.
    pub connections: Option<f64>,
    /// Collections so far.
    pub collections: Option<[u64; 3]>,
}

/// Points, oldest first.
#[derive(Debug, Default)]
pub struct ChartPoints(VecDeque<ChartPoint>);

impl ChartPoints {
    /// Adds a point, and thins what is old where there are too many.
    pub fn push(&mut self, point: ChartPoint) {
        if self.0.len() == KEPT {
            self.thin();
        }
        self.0.push_back(point);
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ChartPoint> {
        self.0.iter()
    }

    fn thin(&mut self) {
        let newer = self.0.split_off(KEPT / 2);
        let values: Vec<Option<f64>> = self.0.iter().map(|m| Some(m.rss_bytes)).collect();
        let old = std::mem::take(&mut self.0);
        self.0 = thinned(&values, KEPT / 4).into_iter().filter_map(|i| old.get(i).copied()).collect();
        self.0.extend(newer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_time_stays_with_its_peaks() {
        let mut chart_points = ChartPoints::default();
        for i in 0..100_000_u32 {
            let rss_bytes = if i == 777 { 9e9 } else { f64::from(i % 100) };
            let unix_seconds = f64::from(i);
            chart_points.push(ChartPoint {
                unix_seconds,
                rss_bytes,
                post_gc_bytes: None,
                fds: None,
                connections: None,
                collections: None,
            });
        }
        let kept: Vec<&ChartPoint> = chart_points.iter().collect();
        assert!(kept.len() <= KEPT && kept[0].unix_seconds < 200.0, "{:?}", kept[0]);
        assert!(kept.iter().any(|m| m.rss_bytes > 1e9), "the peak has gone");
        assert!(kept.windows(2).all(|pair| pair[0].unix_seconds < pair[1].unix_seconds));
        let recent = kept.iter().filter(|m| m.unix_seconds > 99_700.0).count();
        assert!(recent >= 120, "{recent}");
    }
}
