//! A tracer that is killed at a moment from a fixed sequence, spread over several captures.

use std::process::{Command, Stdio};
use std::time::Duration;

/// The variable that tells a helper whom to capture.
const TRACEE: &str = "M5_TEST_TRACEE";

/// Whom to capture, where this process is such a helper.
pub(crate) fn tracee() -> Option<i32> {
    std::env::var(TRACEE).ok()?.parse().ok()
}

/// The sequence of moments.
pub(crate) struct Moments(pub(crate) u64);

impl Moments {
    /// Starts this test's `helper` on a process, and kills it at the next moment.
    pub(crate) fn kill(&mut self, helper: &str, pid: i32) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", helper, "--nocapture"])
            .env(TRACEE, pid.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(3_000 + (self.0 >> 33) % 80_000));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
