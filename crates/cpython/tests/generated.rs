//! The tables against the headers of every CPython on this machine, where there is a compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

#[test]
fn tables_are_what_the_headers_say() {
    if Command::new("cc").arg("--version").output().is_err() {
        println!("not compared: no C compiler");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("layouts/generate.py");
    let out = Command::new("python3").arg(script).arg("--check").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    println!("{}", String::from_utf8_lossy(&out.stdout));
}
