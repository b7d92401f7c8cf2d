//! What is asked: each expression stands for itself, so that no recording rule must be installed first.

/// The expressions for one grouping (`service,version` by default) and one look back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queries {
    by: String,
    window: String,
    matcher: String,
}

impl Queries {
    /// Groups by these labels, over a window in Prometheus' spelling (`6h`), of the series that match
    /// (`job="m5"`; empty for all).
    #[must_use]
    pub fn new(by: &[String], window: &str, matcher: &str) -> Self {
        let matcher = if matcher.is_empty() { String::new() } else { format!("{{{matcher}}}") };
        Self { by: by.join(", "), window: window.to_owned(), matcher }
    }

    /// The floor of one instance's memory: after full collections where they are seen, else the least RSS.
    #[must_use]
    pub fn floor(&self) -> String {
        let m = &self.matcher;
        format!(
            "(min_over_time(m5_heap_post_gc_bytes{m}[15m]) or min_over_time(process_resident_memory_bytes{m}[15m]))"
        )
    }

    /// Instances of each group.
    #[must_use]
    pub fn instances(&self) -> String {
        format!("count by ({}) ({})", self.by, self.floor())
    }

    /// Share of a group's instances whose floor rises by more than 1 % an hour.
    #[must_use]
    pub fn growing_share(&self) -> String {
        let (slope, floor, by) = (self.slope(), self.floor(), &self.by);
        // A comparison drops what does not hold, and `count` of nothing is nothing: so zeroes are added.
        format!("sum by ({by}) ({slope} > bool 0.01 * {floor} / 3600) / count by ({by}) ({floor})")
    }

    /// Median slope of a group, bytes a second.
    #[must_use]
    pub fn median_slope(&self) -> String {
        format!("quantile by ({}) (0.5, {})", self.by, self.slope())
    }

    /// Median floor of a group, bytes.
    #[must_use]
    pub fn median_floor(&self) -> String {
        format!("quantile by ({}) (0.5, {})", self.by, self.floor())
    }

    /// Slope of each instance, bytes a second.
    #[must_use]
    pub fn slope(&self) -> String {
        format!("deriv({}[{}:5m])", self.floor(), self.window)
    }

    /// Instances that reach their limit within a day at this slope.
    #[must_use]
    pub fn near_limit(&self) -> String {
        let (floor, slope, m) = (self.floor(), self.slope(), &self.matcher);
        format!(
            "count by ({}) ((m5_memory_limit_bytes{m} - {floor}) / clamp_min({slope}, 1) < 86400)",
            self.by
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_matcher_are_in_every_expression() {
        let q = Queries::new(&["service".into(), "version".into()], "6h", "job=\"m5\"");
        for text in [q.instances(), q.growing_share(), q.median_slope(), q.median_floor(), q.near_limit()] {
            assert!(text.contains("by (service, version)") && text.contains("{job=\"m5\"}"), "{text}");
        }
        assert!(
            Queries::new(&[], "6h", "")
                .slope()
                .starts_with("deriv((min_over_time(m5_heap_post_gc_bytes[15m])")
        );
    }
}
