//! The rules in `deploy/` are the ones that `m5 rules` makes, and Prometheus' own tool accepts and tests them.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;
use std::path::{Path, PathBuf};

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus").join(name)
}

fn m5() -> Command {
    Command::new(env!("CARGO_BIN_EXE_m5"))
}

#[test]
fn deploy_holds_what_m5_rules_makes() {
    for (profile, name) in [("general", "m5.rules.yml"), ("trading", "m5.rules.trading.yml")] {
        let words = ["rules", "--lang", "en", "--profile", profile];
        let out = m5().args(words).assert().success();
        let made = String::from_utf8(out.get_output().stdout.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(deployed(name)).unwrap(), made, "run: m5 {}", words.join(" "));
    }
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_where_it_should() {
    if std::process::Command::new("promtool").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI must have Debian's package prometheus");
        println!("not run: promtool is not installed (Debian's package prometheus)");
        return;
    }
    for name in ["m5.rules", "m5.rules.trading"] {
        let (rules, test) = (deployed(&format!("{name}.yml")), deployed(&format!("{name}.test.yml")));
        Command::new("promtool").args(["check", "rules"]).arg(rules).assert().success();
        Command::new("promtool").args(["test", "rules"]).arg(test).assert().success();
    }
}

#[test]
fn objectives_change_the_levels() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("m5.toml");
    std::fs::write(&config, "[objectives.rss_peak_bytes]\nalert = \"96MB\"\n").unwrap();
    let out = m5().args(["rules", "--config"]).arg(&config).assert().success();
    let text = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert!(text.contains("process_memory_rss_bytes > 100663296"), "{text}");
}

const BY_SERVICE: &str = r#"
[objectives.rss_peak_bytes]
alert = "50MB"

[[services]]
name = "batch.big*"
[services.objectives]
rss_peak_bytes = { alert = "200MB" }

[[services]]
name = "batch*"
[services.objectives]
rss_peak_bytes = false

[[services]]
name = "引擎?"
[services.objectives]
rss_peak_bytes = { alert = "10MB" }
"#;

/// For each name: its size, and the name in the settings file whose alert fires, if one does.
const FIRES: [(&str, u32, Option<&str>); 6] = [
    ("api", 60, Some("")),
    ("batch.bigger", 60, None),
    ("batch.bigger", 300, Some("batch.big*")),
    ("batchXbig", 300, None),
    ("引擎1", 20, Some("引擎?")),
    ("引擎", 20, None),
];

#[test]
fn a_service_with_objectives_of_its_own_is_judged_by_these_only() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    std::fs::write(place("m5.toml"), BY_SERVICE).unwrap();
    let out = m5().args(["rules", "--lang", "en", "--config"]).arg(place("m5.toml")).assert().success();
    std::fs::write(place("rules.yml"), &out.get_output().stdout).unwrap();
    if std::process::Command::new("promtool").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI must have Debian's package prometheus");
        println!("not run: promtool is not installed (Debian's package prometheus)");
        return;
    }
    let mut tests = "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n".to_owned();
    for (service, size, fires) in FIRES {
        let bytes = u64::from(size) << 20;
        let labels = fires.map(|own| match own {
            "" => String::new(),
            own => format!(", objectives_of: '{own}'"),
        });
        let alerts = labels.map(|own| {
            format!(
                "{{exp_labels: {{severity: warning, service: '{service}', slot: '0', instance: h{own}}}, \
                 exp_annotations: {{summary: '{service}: RSS is over its alert level', \
                 description: 'value {}; run: m5 snapshot -p PID --top 20', \
                 runbook: 'docs/runbook.md#memoryusagehigh'}}}}",
                go_float(bytes)
            )
        });
        tests.push_str(&format!(
            "- interval: 1m\n  input_series:\n  - series: 'process_memory_rss_bytes{{service=\"{service}\", slot=\"0\", \
             instance=\"h\"}}'\n    values: '{bytes}x20'\n  alert_rule_test:\n  - {{eval_time: 15m, alertname: \
             MemoryUsageHigh, exp_alerts: [{}]}}\n",
            alerts.unwrap_or_default()
        ));
    }
    std::fs::write(place("test.yml"), tests).unwrap();
    Command::new("promtool").args(["check", "rules"]).arg(place("rules.yml")).assert().success();
    Command::new("promtool").args(["test", "rules"]).arg(place("test.yml")).assert().success();
}

/// A whole number as Prometheus prints it in an annotation: its digits without ending zeros, and a power of ten.
fn go_float(value: u64) -> String {
    let digits = value.to_string();
    let (first, rest) = digits.split_at(1);
    format!("{first}.{}e+{:02}", rest.trim_end_matches('0'), rest.len())
}
