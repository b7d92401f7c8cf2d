//! A target that was silent for so long that m5 looks at it seldom, and then collects as often as it can.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/harm.rs"]
mod harm;
mod support;

use harm::{ends, ready, signal, until, waits};
use std::process::Stdio;
use std::time::Duration;
use support::{json, m5};

const PROGRAM: &str = "
import gc, sys
gc.disable()
print('ready', flush=True)
for line in sys.stdin:
    before = gc.get_stats()[2]['collections']
    for _ in range(4000): gc.collect()
    print(gc.get_stats()[2]['collections'] - before, flush=True)
";

#[test]
fn a_burst_after_silence_is_read_before_anything_is_lost() {
    for python in ends() {
        let mut target = ready(&python, PROGRAM);
        let mut command = m5();
        command.args(["baseline", "-d", "300s", "--interval", "100ms", "--pauses", "true", "--json", "-p"]);
        command.arg(target.pid().to_string()).stdout(Stdio::piped()).stderr(Stdio::null());
        let recording = command.spawn().unwrap();
        // It has looked for more than two seconds and found nothing.
        assert!(until(Duration::from_secs(120), || waits(recording.id()) > 30), "{}", python.name);
        target.say("burst");
        let truth: u64 = target.line().parse().unwrap();
        signal(recording.id() as i32, 2);
        let told = json(&recording.wait_with_output().unwrap());
        let coverage = &told["processes"][0]["pauses"]["coverage"];
        if coverage["generations"][2]["happened"].is_null() {
            println!("left out, pauses are not told here: {told}");
            continue;
        }
        let count = |what: &str| coverage["generations"][2][what].as_u64().unwrap();
        assert!(count("happened") >= truth, "{}: {coverage}", python.name);
        // m5 itself may be kept from a processor; before, it looked away for up to a second and lost half.
        assert!(count("seen") * 10 >= truth * 9, "{}: {coverage}", python.name);
    }
}
