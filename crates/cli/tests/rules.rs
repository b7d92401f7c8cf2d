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
