//! The units of `deploy/systemd` as they stand: m5 takes their command lines, and what it writes it writes where
//! systemd lets it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

/// Where state lies that survives a restart.
const STATE: &str = "/var/lib/";

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd").join(name);
    std::fs::read_to_string(path).unwrap().replace("%i", "engine")
}

fn setting<'a>(unit: &'a str, key: &str) -> &'a str {
    unit.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
}

/// Runs a unit's command for a moment, with its state and its settings in a folder; what it wrote elsewhere comes
/// back.
fn run(unit: &str, folder: &Path, more: &[&str]) -> Vec<PathBuf> {
    let settings = folder.join("m5.toml");
    std::fs::write(&settings, "").unwrap();
    let state = format!("{}/", folder.join("state").display());
    let command = setting(unit, "ExecStart").replace(STATE, &state);
    let command = command.replace("/etc/m5/m5.toml", &settings.display().to_string());
    for name in setting(unit, "StateDirectory").split(' ').filter(|n| !n.is_empty()) {
        std::fs::create_dir_all(folder.join("state").join(name)).unwrap();
    }
    let elsewhere = folder.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let words = command.split(' ').skip(1).chain(more.iter().copied());
    let out = support::m5().args(words).current_dir(&elsewhere).output().unwrap();
    assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    std::fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_watchdogs_unit_writes_its_journal_and_evidence_where_it_may() {
    let unit = unit("m5-watch@.service");
    assert_eq!(setting(&unit, "ProtectSystem"), "strict");
    let allowed: Vec<&str> = setting(&unit, "StateDirectory").split(' ').collect();
    let command = setting(&unit, "ExecStart");
    for flag in ["--journal", "--evidence"] {
        let value = command.split(' ').skip_while(|word| *word != flag).nth(1).unwrap_or_default();
        let below = value.strip_prefix(STATE).unwrap_or_else(|| panic!("{flag} {value}"));
        assert!(allowed.iter().any(|dir| Path::new(below).starts_with(dir)), "{flag} {value}");
    }
    let folder = support::folder();
    assert!(run(&unit, folder.path(), &["-d", "100ms"]).is_empty());
    assert!(folder.path().join("state/m5/engine.jsonl").is_file());
    assert!(folder.path().join("state/m5/evidence").is_dir());
}

#[test]
fn the_exporters_unit_writes_nothing() {
    let unit = unit("m5-serve.service").replace("127.0.0.1:9464", "127.0.0.1:0");
    let folder = support::folder();
    assert!(run(&unit, folder.path(), &["-d", "100ms"]).is_empty());
    assert!(!folder.path().join("state").exists());
}

/// The words of a Kubernetes file's `args: [...]`.
fn arguments(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("args: [")).unwrap().to_owned();
    line.trim_end_matches(']').split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

#[test]
fn the_kubernetes_files_start_what_answers() {
    for name in ["daemonset.yaml", "sidecar.yaml"] {
        let folder = support::folder();
        let token = folder.path().join("token");
        std::fs::write(&token, "hunter2").unwrap();
        let words = arguments(name).into_iter().map(|word| match word.as_str() {
            "/etc/m5/token" => token.display().to_string(),
            address if address.ends_with(":9464") => address.replace(":9464", ":0"),
            other => other.to_owned(),
        });
        let out = support::m5().args(words).args(["-d", "100ms"]).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && said.contains("serving on"), "{name}: {said}");
    }
}
