//! Families into text. Both formats differ only in their comments, the names there, and the end mark.

use super::{Family, Histogram, Kind, Labels, Value};
use std::fmt::{self, Write};

/// Content type of the classic text format.
pub const CONTENT_TYPE_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Content type of OpenMetrics.
pub const CONTENT_TYPE_OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The classic exposition format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// The exposition of all families that have samples.
#[must_use]
pub fn render(families: &[Family], format: Format) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|f| !f.samples.is_empty()) {
        // Writing into a String cannot fail.
        let _ = write_family(&mut out, family, format);
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn write_family(out: &mut String, family: &Family, format: Format) -> fmt::Result {
    let (name, kind) = declared(family, format);
    writeln!(out, "# HELP {name} {}", escape(family.help, false))?;
    writeln!(out, "# TYPE {name} {kind}")?;
    for sample in &family.samples {
        match &sample.value {
            Value::Number(value) => line(out, family.name, "", &sample.labels, None, *value)?,
            Value::Histogram(histogram) => write_histogram(out, family.name, &sample.labels, histogram)?,
        }
    }
    Ok(())
}

fn declared(family: &Family, format: Format) -> (&'static str, &'static str) {
    let stem = |suffix: &str| family.name.strip_suffix(suffix).unwrap_or(family.name);
    match (family.kind, format) {
        (Kind::Gauge, _) => (family.name, "gauge"),
        (Kind::Histogram, _) => (family.name, "histogram"),
        (Kind::Counter, Format::Text) => (family.name, "counter"),
        (Kind::Counter, Format::OpenMetrics) => (stem("_total"), "counter"),
        (Kind::Info, Format::Text) => (family.name, "gauge"),
        (Kind::Info, Format::OpenMetrics) => (stem("_info"), "info"),
    }
}

fn write_histogram(out: &mut String, name: &str, labels: &Labels, histogram: &Histogram) -> fmt::Result {
    for (bound, count) in histogram.cumulative() {
        line(out, name, "_bucket", labels, Some(bound), count as f64)?;
    }
    line(out, name, "_sum", labels, None, histogram.sum())?;
    line(out, name, "_count", labels, None, histogram.count() as f64)
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &Labels,
    le: Option<f64>,
    value: f64,
) -> fmt::Result {
    write!(out, "{name}{suffix}")?;
    let mut separator = '{';
    for (key, text) in labels.iter() {
        write!(out, "{separator}{key}=\"{}\"", escape(text, true))?;
        separator = ',';
    }
    if let Some(bound) = le {
        write!(out, "{separator}le=\"{}\"", Number(bound))?;
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    writeln!(out, " {}", Number(value))
}

/// A float as both formats spell it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            v if v == f64::INFINITY => f.write_str("+Inf"),
            v if v == f64::NEG_INFINITY => f.write_str("-Inf"),
            v if v.is_nan() => f.write_str("NaN"),
            v => write!(f, "{v}"),
        }
    }
}

fn escape(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let labels = Labels::new().with("service", "a\"b\\\n");
        let mut counter = Family::new("x_total", Kind::Counter, "Things.");
        counter.push(&labels, Some(3.0));
        let mut histogram = Histogram::new(&[0.5]);
        histogram.observe(0.25);
        let mut pauses = Family::new("pause_seconds", Kind::Histogram, "Pauses.");
        pauses.push_histogram(&Labels::new(), histogram);
        vec![counter, pauses, Family::new("empty", Kind::Gauge, "Nothing.")]
    }

    #[test]
    fn classic_text() {
        let text = render(&families(), Format::Text);
        assert_eq!(
            text,
            "# HELP x_total Things.\n# TYPE x_total counter\nx_total{service=\"a\\\"b\\\\\\n\"} 3\n\
             # HELP pause_seconds Pauses.\n# TYPE pause_seconds histogram\npause_seconds_bucket{le=\"0.5\"} 1\n\
             pause_seconds_bucket{le=\"+Inf\"} 1\npause_seconds_sum 0.25\npause_seconds_count 1\n"
        );
    }

    #[test]
    fn openmetrics_names_the_stem_and_ends() {
        let text = render(&families(), Format::OpenMetrics);
        assert!(text.starts_with("# HELP x Things.\n# TYPE x counter\nx_total{"));
        assert!(text.ends_with("# EOF\n"));
    }
}
