//! One run of a command: its own last measurement, and the time it took.

use super::{RunError, shown};
use m5_process::{Keeper, measured};
use m5_report::doc::Run;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const HOOK: &str = include_str!("sitecustomize.py");

/// The hash seed that runs get: with a random one, sets and dictionaries differ in size from run to run.
pub type Seed = u32;

/// Runs a command to its end. What it prints goes to standard error.
///
/// # Errors
/// Where it does not start, or does not end well.
pub fn measure(command: &[OsString], seed: Seed) -> Result<Run, RunError> {
    let mut keeper = Keeper::begin(&["report", "sitecustomize.py"])?;
    let report = keeper.folder().join("report");
    std::fs::write(keeper.folder().join("sitecustomize.py"), HOOK)?;
    let (program, args) = command.split_first().ok_or(RunError::NotPython)?;
    let mut start = Command::new(program);
    measured(start.args(args)).stdout(std::io::stderr());
    start.env("PYTHONPATH", python_path(keeper.folder())).env("M5_RUN_REPORT", &report);
    // A byte-code file beside the hook would be written on the first run only.
    start.env("PYTHONHASHSEED", seed.to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
    let began = Instant::now();
    let started = |e: std::io::Error| RunError::Start { command: shown(command), reason: e.to_string() };
    let mut child = start.spawn().map_err(started)?;
    let pid = child.id();
    keeper.keep(pid)?;
    let status = child.wait()?;
    let elapsed = began.elapsed().as_secs_f64();
    if !status.success() {
        return Err(RunError::Failed { command: shown(command), status: status.to_string() });
    }
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    Ok(Run { elapsed_seconds: Some(elapsed), ..pick(&text, pid) })
}

fn python_path(first: &Path) -> OsString {
    let rest = std::env::var_os("PYTHONPATH").filter(|p| !p.is_empty());
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = rest {
        path.push(":");
        path.push(rest);
    }
    path
}

/// The figures of the process itself, or of the largest below it, where it was a wrapper.
fn pick(text: &str, pid: u32) -> Run {
    let rows: Vec<Vec<f64>> = text
        .lines()
        .map(|line| line.split_whitespace().filter_map(|w| w.parse().ok()).collect())
        .filter(|row: &Vec<f64>| row.len() == 6)
        .collect();
    let own = rows.iter().find(|row| row.first() == Some(&f64::from(pid)));
    let largest = rows.iter().max_by(|a, b| f64::total_cmp(&a[1], &b[1]));
    match own.or(largest).map(Vec::as_slice) {
        Some([_, anon, blocks, objects, peak, cpu]) => Run {
            private_anon_bytes: Some(*anon),
            allocated_blocks: Some(*blocks),
            gc_objects: Some(*objects),
            peak_rss_bytes: Some(*peak),
            cpu_seconds: Some(*cpu),
            elapsed_seconds: None,
        },
        _ => Run::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_itself_is_measured_not_its_helpers() {
        let text = "7 100 1 2 3 0.5\n9 900 1 2 3 0.5\nnoise\n";
        assert_eq!(pick(text, 7).private_anon_bytes, Some(100.0));
        assert_eq!(pick(text, 8).private_anon_bytes, Some(900.0));
        assert_eq!(pick("", 8), Run::default());
    }

    #[test]
    fn every_interpreter_reports_and_two_runs_agree() {
        for python in m5_testkit::pythons().iter().filter(|p| !p.name.contains("chroot")) {
            let command: Vec<OsString> =
                [python.name.as_str(), "-c", "x = [[i] for i in range(50000)]"].map(Into::into).into();
            let [a, b] = [0, 1].map(|_| measure(&command, 0).unwrap());
            assert!(a.gc_objects.unwrap() > 50_000.0, "{}: {a:?}", python.name);
            assert_eq!(a.gc_objects, b.gc_objects, "{}", python.name);
            let anon = a.private_anon_bytes.unwrap() / b.private_anon_bytes.unwrap();
            assert!((anon - 1.0).abs() < 0.05, "{}: {anon}", python.name);
        }
    }

    #[test]
    fn a_command_that_fails_is_no_measurement() {
        let failed = measure(&["false".into()], 0);
        assert!(matches!(failed, Err(RunError::Failed { .. })), "{failed:?}");
        assert!(matches!(measure(&["/nonexistent/x".into()], 0), Err(RunError::Start { .. })));
        assert_eq!(measure(&["true".into()], 0).unwrap().gc_objects, None);
    }
}
