//! A comparison where a change is reviewed: a Markdown table for a pull request, annotations for GitHub's log,
//! JUnit XML for every other CI.

use crate::comparison::text::{change, name, sentence, title};
use crate::doc::{Comparison, Metric};
use crate::shared::value_words::{in_unit, maybe};
use crate::text::Style;
use crate::texts::Compare;
use m5_stats::GateVerdict;
use std::fmt::Write;

/// A table for a comment on a pull request.
#[must_use]
pub fn markdown(c: &Comparison, style: Style) -> String {
    let style = Style { color: false, ..style };
    let say = |text| style.lang.say(text);
    let mut out = format!("### m5: {}\n\n{}\n\n", cell(&title(c, style)), sentence(c, style));
    let heads = [Compare::Metric, Compare::Old, Compare::New, Compare::Change].map(say);
    let _ = writeln!(out, "| | {} |\n|---|---|--:|--:|--:|", heads.join(" | "));
    for m in &c.metrics {
        let value = |v: Option<f64>| maybe(v, |v| in_unit(&m.name, v));
        let cells = [name(&m.name, style), value(m.old), value(m.new), change(m)];
        let _ = writeln!(out, "| {} | {} |", mark(m), cells.map(|text| cell(&text)).join(" | "));
    }
    out
}

/// One annotation per metric that fails or is undecided; the sentence always.
#[must_use]
pub fn github(c: &Comparison, style: Style) -> String {
    let style = Style { color: false, ..style };
    let mut out = String::new();
    for m in c.metrics.iter().filter(|m| m.decides && m.verdict != GateVerdict::Pass) {
        let level = if m.verdict == GateVerdict::Inconclusive { "warning" } else { "error" };
        let _ = writeln!(
            out,
            "::{level} title=m5 {}::{}",
            property(&name(&m.name, style)),
            data(&line(m, style))
        );
    }
    let _ = writeln!(out, "::notice title=m5::{}", data(&sentence(c, style)));
    out
}

/// One test case per metric: regressions and missing values fail, the undecided is skipped.
#[must_use]
pub fn junit(c: &Comparison, style: Style) -> String {
    let style = Style { color: false, ..style };
    let decides = c.metrics.iter().filter(|m| m.decides);
    let count = |verdicts: &[GateVerdict]| decides.clone().filter(|m| verdicts.contains(&m.verdict)).count();
    let failures = count(&[GateVerdict::Regression, GateVerdict::Missing]);
    let skipped = count(&[GateVerdict::Inconclusive]);
    let tests = decides.clone().count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites>\n<testsuite name=\"m5 compare\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"{skipped}\">"
    );
    for m in decides {
        let _ = write!(out, "  <testcase classname=\"m5.compare\" name=\"{}\"", xml(&m.name));
        let text = xml(&line(m, style));
        let _ = match m.verdict {
            GateVerdict::Pass => writeln!(out, "/>"),
            GateVerdict::Inconclusive => writeln!(out, "><skipped message=\"{text}\"/></testcase>"),
            GateVerdict::Regression => failure(&mut out, "regression", &text),
            GateVerdict::Missing => failure(&mut out, "missing", &text),
        };
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn failure(out: &mut String, kind: &str, text: &str) -> std::fmt::Result {
    writeln!(out, "><failure type=\"{kind}\" message=\"{text}\"/></testcase>")
}

fn mark(m: &Metric) -> &'static str {
    match (m.decides, m.verdict) {
        (false, _) => "ℹ️",
        (true, GateVerdict::Pass) => "✅",
        (true, GateVerdict::Regression) => "❌",
        (true, GateVerdict::Inconclusive) => "❔",
        (true, GateVerdict::Missing) => "➖",
    }
}

fn line(m: &Metric, style: Style) -> String {
    let value = |v: Option<f64>| maybe(v, |v| in_unit(&m.name, v));
    let note = style.lang.say(match m.verdict {
        GateVerdict::Regression => Compare::Regression,
        GateVerdict::Missing => Compare::Missing,
        GateVerdict::Inconclusive => Compare::Undecided,
        GateVerdict::Pass => Compare::Fine,
    });
    format!("{}: {} → {}, {} ({note})", name(&m.name, style), value(m.old), value(m.new), change(m))
}

/// Text inside a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// The message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn xml(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::doc::{COMPARE_SCHEMA, Side};

    fn comparison() -> Comparison {
        let side = |file: &str| Side {
            file: file.into(),
            pid: 7,
            observed_seconds: 60.0,
            runs: 5,
            ..Side::default()
        };
        let metric = |name: &str, ratio: f64, verdict, decides| Metric {
            name: name.into(),
            old: Some(1e8),
            new: Some(1e8 * ratio),
            ratio: Some(ratio),
            lower: Some(ratio - 0.01),
            upper: Some(ratio + 0.01),
            verdict,
            decides,
        };
        Comparison {
            schema: COMPARE_SCHEMA.into(),
            new: side("new|<x>.json"),
            old: side("old.json"),
            threshold: 0.15,
            peak_threshold: None,
            verdict: GateVerdict::Regression,
            machines_differ: false,
            metrics: vec![
                metric("private_anon_bytes", 1.3, GateVerdict::Regression, true),
                metric("allocated_blocks", 1.0, GateVerdict::Pass, true),
                metric("gc_objects", 1.15, GateVerdict::Inconclusive, true),
                metric("pss_bytes", 1.4, GateVerdict::Regression, false),
            ],
        }
    }

    const PLAIN: Style = Style { lang: Lang::En, color: false };

    #[test]
    fn markdown_keeps_its_columns() {
        let text = markdown(&comparison(), PLAIN);
        let rows: Vec<&str> = text.lines().filter(|l| l.starts_with('|')).collect();
        assert_eq!(rows.len(), 6, "{text}");
        assert!(rows[2].starts_with("| ❌ | anonymous memory at exit | 95.4 MiB"), "{text}");
        assert!(text.contains("new\\|<x>.json"), "{text}");
    }

    #[test]
    fn only_what_decides_annotates() {
        let text = github(&comparison(), PLAIN);
        assert_eq!(text.matches("::error").count(), 1, "{text}");
        assert_eq!(text.matches("::warning").count(), 1, "{text}");
        assert!(text.contains("%25") && text.ends_with(".\n"), "{text}");
    }

    #[test]
    fn junit_counts_what_it_holds() {
        let text = junit(&comparison(), PLAIN);
        assert!(text.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{text}");
        assert_eq!(text.matches("<testcase").count(), 3);
        assert_eq!(xml("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot; ");
    }
}
