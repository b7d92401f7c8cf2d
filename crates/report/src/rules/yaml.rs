//! Alerts into a rules file. Every text is quoted as JSON does it, which YAML reads.

use super::{Alert, Severity};
use crate::Lang;
use std::fmt::Write;

/// A Prometheus rules file.
#[must_use]
pub fn rules_yaml(alerts: &[Alert], lang: Lang) -> String {
    let mut out = String::from(
        "# Made by `m5 rules` from the objectives; change m5.toml and make it again.\n\
         groups:\n- name: m5_memory_alerts\n  rules:\n",
    );
    for alert in alerts {
        let severity = match alert.severity {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        let own = alert.service.as_ref().map(|name| format!("      objectives_of: {}\n", quoted(name)));
        let own = own.unwrap_or_default();
        let summary = lang.say(alert.text);
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "  - alert: {}\n    expr: {}\n    for: {}\n    labels:\n      severity: {severity}\n{own}    \
             annotations:\n      summary: {}\n      description: {}\n      runbook: {}\n",
            alert.name,
            quoted(&alert.expr),
            alert.hold,
            quoted(&format!("{{{{ $labels.service }}}}: {summary}")),
            quoted(&format!("value {{{{ $value }}}}; run: {}", alert.run)),
            quoted(&format!("docs/runbook.md#{}", alert.name.to_lowercase())),
        );
    }
    out
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::alerts;
    use m5_stats::Objectives;

    #[test]
    fn the_guides_alerts_with_their_levels() {
        let text = rules_yaml(&alerts(&Objectives::of(m5_stats::Profile::Trading)), Lang::Zh);
        assert!(text.contains(
            "alert: MemoryUsageHigh\n    expr: \"process_memory_rss_bytes > 62914560\"\n    for: 5m"
        ));
        assert!(text.contains("alert: GCPauseTimeHigh") && text.contains(") > 0.1\"\n    for: 2m"));
        assert!(text.contains("delta(process_open_fds[5m]) > 50"));
        assert!(text.contains("内存使用过高"));
    }

    #[test]
    fn every_alert_has_its_own_name() {
        let all = alerts(&Objectives::of(m5_stats::Profile::Trading));
        let mut names: Vec<_> = all.iter().map(|a| a.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
