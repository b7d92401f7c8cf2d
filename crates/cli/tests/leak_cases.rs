//! Real leaks of the standard library, each as a service: who is accused, and nobody where nothing leaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_testkit::{Python, ends, pythons};
use std::process::Command;

#[test]
fn each_leak_has_its_culprit_and_what_is_sound_has_none() {
    let judge = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/leaks/judge.py");
    // The judge runs on the interpreter that it judges: not one below a root of its own. The oldest and the newest.
    let plain: Vec<Python> = pythons().into_iter().filter(|p| p.root().is_none() && !p.musl).collect();
    for python in ends(&plain) {
        let mut command = Command::new(&python.name);
        // Side by side: most of a case is an interpreter that starts, and m5 that waits for it.
        command.arg(judge).arg(env!("CARGO_BIN_EXE_m5")).args(["--together", "4"]);
        let done = command.env_remove("M5_SLOW").output();
        let done = done.expect("the judge runs");
        let table = String::from_utf8_lossy(&done.stdout);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}\n{table}{errors}", python.name);
    }
}
