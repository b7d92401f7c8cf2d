//! A metric family: one name, one meaning, one sample for each set of labels.

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until the process that counts starts anew. Its name ends in `_total`.
    Counter,
    /// Counts by upper bound.
    Histogram,
    /// Constant facts as labels; the value is 1. Its name ends in `_info`.
    Info,
}

/// Label names and values, in the order in which they are printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Labels(Vec<(&'static str, String)>);

impl Labels {
    /// No labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These labels and one more.
    #[must_use]
    pub fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut labels = self.clone();
        labels.0.push((name, value.into()));
        labels
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(n, v)| (*n, v.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Counts by upper bound, with the sum of what was counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Nothing counted yet. `bounds` ascend; the bucket without a bound comes by itself.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// What was counted elsewhere: observations between the bounds, the last ones above all, and their sum. Counts
    /// that are missing are 0.
    #[must_use]
    pub fn counted(bounds: &'static [f64], counts: &[u64], sum: f64) -> Self {
        let counts = (0..=bounds.len()).map(|i| counts.get(i).copied().unwrap_or(0)).collect();
        Self { bounds, counts, sum }
    }

    /// Counts one observation.
    pub fn observe(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }

    /// Upper bound and number of observations at or below it; the last bound is infinite.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One number.
    Number(f64),
    /// A distribution.
    Histogram(Histogram),
}

/// One set of labels and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The labels.
    pub labels: Labels,
    /// The value.
    pub value: Value,
}

/// All samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The whole name, `_total` and `_info` included.
    pub name: &'static str,
    /// What it means, in one English sentence.
    pub help: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What was measured; a value that could not be read has no sample.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A family without samples.
    #[must_use]
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, help, kind, samples: Vec::new() }
    }

    /// A family of one sample without labels; without any where it was not measured.
    #[must_use]
    pub fn single(name: &'static str, kind: Kind, help: &'static str, value: Option<f64>) -> Self {
        let mut family = Self::new(name, kind, help);
        family.push(&Labels::new(), value);
        family
    }

    /// Adds a number, unless it was not measured: absent is not zero.
    pub fn push(&mut self, labels: &Labels, value: Option<f64>) {
        if let Some(value) = value {
            self.samples.push(Sample { labels: labels.clone(), value: Value::Number(value) });
        }
    }

    /// Adds a distribution.
    pub fn push_histogram(&mut self, labels: &Labels, histogram: Histogram) {
        self.samples.push(Sample { labels: labels.clone(), value: Value::Histogram(histogram) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut h = Histogram::new(&[0.1, 1.0]);
        for v in [0.05, 0.1, 0.5, 7.0] {
            h.observe(v);
        }
        let buckets: Vec<_> = h.cumulative().collect();
        assert_eq!(buckets, [(0.1, 2), (1.0, 3), (f64::INFINITY, 4)]);
        assert_eq!((h.count(), h.sum()), (4, 7.65));
    }

    #[test]
    fn what_was_not_measured_has_no_sample() {
        let mut f = Family::new("x", Kind::Gauge, "x");
        f.push(&Labels::new(), None);
        assert!(f.samples.is_empty());
    }
}
