//! RSS accounted for: at least 99 % has a name, on every interpreter, after growth and after freeing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Accounting, Analysis, Anchor, CaptureOptions, capture};
use m5_target::Process;
use m5_testkit::{Target, pythons};

const PROGRAM: &str = "
import sys, threading
items = [(i + 1000, str(i), {i: [i]}) for i in range(60000)]
table = {str(i): bytes(i % 3000) for i in range(20000)}
del items[::3]
for key in list(table)[::2]: del table[key]
wait = threading.Event()
for _ in range(4): threading.Thread(target=wait.wait, daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn nearly_all_of_rss_has_a_name() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let anchor = Anchor::of(&process).unwrap();
        let taken = capture(&process, &CaptureOptions::default()).unwrap();
        let analysis = Analysis::of(&taken.image, anchor).unwrap();
        let accounting = Accounting::of(&taken.image, &analysis, &taken.pages);
        let explained = accounting.explained.unwrap();
        println!("{}: {explained:.4} of {} bytes", python.name, accounting.tree.bytes);
        assert!(explained > 0.99, "{}: {:?}", python.name, accounting.tree);
        let parts: u64 = accounting.tree.children.iter().map(|c| c.bytes).sum();
        assert!(parts <= accounting.tree.bytes, "{}", python.name);
        assert!(accounting.tree.at(&["pymalloc", "pymalloc_free_blocks"]).unwrap().bytes > 1 << 20);
        let rss = process.status().unwrap().rss_bytes.unwrap();
        assert!(rss.abs_diff(accounting.tree.bytes) < rss / 100, "{}", python.name);
    }
}
