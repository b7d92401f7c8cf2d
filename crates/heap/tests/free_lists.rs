//! What the interpreter keeps on its own free lists is a part of the account: as many bytes as it says itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Accounting, Analysis, Anchor, CaptureOptions, capture};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};

/// Drops thousands of tuples, lists and dictionaries, and tells the bytes of their blocks by the interpreter's own figures:
/// with a collector's head, which 3.15 counts itself, and in steps of 16 bytes. Of floats it keeps a hundred, whose type is
/// not written any more.
const PROGRAM: &str = r"
import gc, os, re, sys, tempfile
gc.disable()
head = 16 if sys.version_info < (3, 15) else 0
def drop():
    made = [tuple([object()] * n) for n in range(1, 20) for _ in range(1500)]
    made += [[i] for i in range(500)] + [{i: i} for i in range(500)]
def listed():
    with tempfile.TemporaryFile() as file:
        own = os.dup(2)
        os.dup2(file.fileno(), 2)
        sys._debugmallocstats()
        os.dup2(own, 2)
        file.seek(0)
        text = file.read().decode()
    kept = re.findall(r'(\d+) free (?:\d+-sized )?Py(?:Tuple|List|Dict|Frame)Objects? \* (\d+) bytes', text)
    return sum(int(count) * ((int(size) + head + 15) // 16 * 16) for count, size in kept)
listed()
drop()
bytes = listed()
print(bytes, flush=True)
sys.stdin.read()
";

fn listed(accounting: &Accounting) -> u64 {
    let parts = [["pymalloc", "pymalloc_free_lists"], ["native_heap", "native_free_lists"]];
    parts.iter().filter_map(|path| accounting.tree.at(path)).map(|part| part.bytes).sum()
}

fn check(python: &Python) {
    let mut target = Target::start(python, PROGRAM);
    let said: u64 = target.line().parse().unwrap();
    let process = Process::open(target.pid()).unwrap();
    let anchor = Anchor::of(&process).unwrap();
    let taken = capture(&process, &CaptureOptions::default()).unwrap();
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    let accounting = Accounting::of(&taken.image, &analysis, &taken.pages);
    let found = listed(&accounting);
    println!("{}: {found} bytes on free lists, {said} by the interpreter", python.name);
    // Beside these it keeps contexts, generators' steps and the like, a few of each.
    assert!(found >= said - said / 50, "{}: {found} of {said}", python.name);
    assert!(found <= said + said / 20 + (32 << 10), "{}: {found} of {said}", python.name);
}

#[test]
fn free_lists_are_a_part_of_the_account() {
    for python in pythons() {
        check(&python);
    }
}
