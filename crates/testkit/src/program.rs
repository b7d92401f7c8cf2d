//! Programs that a test is about to start, and copies of them.

use std::path::Path;
use std::process::Command;

/// The beginning of a program with `collect()`: a collection that says "inside" and lasts until it is told to go on.
pub const SLOW_COLLECTION: &str = "
import gc, sys
class Slow:
    def __del__(self):
        print('inside', flush=True)
        sys.stdin.readline()
def collect():
    slow = Slow(); slow.me = slow; del slow
    gc.collect()
";

/// Two lines make payloads of sizes that no pool gives, of which `payload` keeps its own; small objects are made beside.
pub const LARGE_BLOCKS: &str = "
import time
kept = []
def payload(n): kept.append(b'x' * (1000 + n % 2000))
def passing(n): return len(b'x' * (1000 + n % 2000))
print('ready', flush=True)
n = 0
while True:
    for _ in range(3):
        n += 1
        payload(n)
        for _ in range(3): passing(n)
        [object() for _ in range(20)]
    time.sleep(0.002)
";

/// Copies a program, by another process: what a test beside this one forks meanwhile would hold a file that is open
/// for writing here until it executes, and a file that is held so cannot be started.
///
/// # Panics
/// Where it cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().expect("cp starts").success());
}
