//! The middle of many ratios and how exactly it is known.

/// The part of the values that is cut off at each end.
const CUT: f64 = 0.2;
/// Of a normal distribution, 97.5 % lies below.
const REACH: f64 = 1.96;

/// How much more something takes, percent, and half of the 95 % interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    more: f64,
    half: f64,
}

impl Ratio {
    /// The mean of what is left as the outer fifths are cut off; its error by the values with those pulled in.
    pub(crate) fn of(ratios: &[f64]) -> Self {
        let mut sorted = ratios.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (many, cut) = (sorted.len() as f64, (sorted.len() as f64 * CUT) as usize);
        let inner = &sorted[cut..sorted.len() - cut];
        let pulled: Vec<f64> = sorted.iter().map(|r| r.clamp(inner[0], inner[inner.len() - 1])).collect();
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        let centre = mean(&pulled);
        let variance = pulled.iter().map(|r| (r - centre).powi(2)).sum::<f64>() / (many - 1.0).max(1.0);
        let error = variance.sqrt() / ((1.0 - 2.0 * CUT) * many.sqrt());
        Self { more: (mean(inner) - 1.0) * 100.0, half: error * REACH * 100.0 }
    }

    /// Half of the interval, percent.
    pub(crate) fn half(&self) -> f64 {
        self.half
    }

    /// Whether it is at most `aim`, as far as the interval tells.
    pub(crate) fn within(&self, aim: f64) -> &'static str {
        match () {
            () if self.more + self.half <= aim => "shown",
            () if self.more - self.half <= aim => "not shown",
            () => "refuted",
        }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { more, half } = self;
        write!(f, "{more:+.2} [{:+.2}, {:+.2}] %", more - half, more + half)
    }
}
