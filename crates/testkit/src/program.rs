//! Copies of programs that a test is about to start.

use std::path::Path;
use std::process::Command;

/// Copies a program, by another process: what a test beside this one forks meanwhile would hold a file that is open
/// for writing here until it executes, and a file that is held so cannot be started.
///
/// # Panics
/// Where it cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().expect("cp starts").success());
}
