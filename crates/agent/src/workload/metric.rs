//! One metric out of the text of a Prometheus endpoint.

/// What an endpoint says of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Metric {
    /// The sum of its series.
    pub(super) value: f64,
    /// Its kind, where it is said.
    pub(super) counter: Option<bool>,
}

/// Sums the series of a metric; where labels are wanted (`name{a="b"}`), of those that carry them all. `None` where
/// there is none with a number.
pub(super) fn read(text: &str, wanted: &str) -> Option<Metric> {
    let (name, labels) = split(wanted);
    let mut sum = None;
    let mut counter = None;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let mut words = kind.split_whitespace();
            let family = words.next().unwrap_or_default();
            if family == name || name.strip_suffix("_total") == Some(family) {
                counter = words.next().map(|kind| kind == "counter");
            }
            continue;
        }
        let Some(value) = sample(line, name, &labels) else { continue };
        *sum.get_or_insert(0.0) += value;
    }
    sum.map(|value| Metric { value, counter })
}

/// `name{a="b",c="d"}`: the name, and each label as it stands.
fn split(wanted: &str) -> (&str, Vec<&str>) {
    let (name, rest) = wanted.split_once('{').unwrap_or((wanted, ""));
    let labels = rest.trim_end_matches('}').split(',').map(str::trim).filter(|l| !l.is_empty());
    (name.trim(), labels.collect())
}

/// The value of a line, where it is of this metric and carries the labels.
fn sample(line: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let (own, rest) = match rest.strip_prefix('{') {
        // A brace inside a label's value is followed by its quote.
        Some(inside) => inside.rsplit_once('}')?,
        None if rest.starts_with([' ', '\t']) => ("", rest),
        None => return None,
    };
    let carried = |label: &&str| {
        let at = own.find(*label)?;
        let (before, after) = (own.get(..at)?, own.get(at + label.len()..)?);
        let whole = (before.is_empty() || before.ends_with([',', ' ']))
            && (after.is_empty() || after.starts_with(','));
        whole.then_some(())
    };
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    (value.is_finite() && labels.iter().all(|l| carried(l).is_some())).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "# HELP orders_total Orders.\n# TYPE orders_total counter\n\
        orders_total{venue=\"a\",side=\"buy\"} 3\norders_total{venue=\"b\",side=\"buy\"} 4.5 1700000000\n\
        orders_total_created 9\nqueue_length 7\nbad{x=\"}\"} 2\nnothing NaN\n";

    #[test]
    fn sums_series_and_knows_the_kind() {
        assert_eq!(read(TEXT, "orders_total"), Some(Metric { value: 7.5, counter: Some(true) }));
        assert_eq!(read(TEXT, "orders_total{venue=\"b\"}").unwrap().value, 4.5);
        assert_eq!(read(TEXT, "orders_total{venue=\"c\"}"), None);
        assert_eq!(read(TEXT, "queue_length"), Some(Metric { value: 7.0, counter: None }));
        assert_eq!(read(TEXT, "bad").unwrap().value, 2.0);
        assert_eq!(read(TEXT, "nothing"), None);
        assert_eq!(read(TEXT, "orders"), None);
        let openmetrics = "# TYPE orders counter\norders_total 1\n";
        assert_eq!(read(openmetrics, "orders_total").unwrap().counter, Some(true));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,200}", wanted in "[a-z{},\"=]{0,20}") {
            let _ = read(&text, &wanted);
            let _ = read(&format!("a{{{text}}} 1\n{text}"), "a{b=\"c\"}");
        }
    }
}
