//! What sets two processes of one program apart, from two files: who holds more, and an account that adds up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_heap::{CaptureOptions, Redaction, Snapshot, diff, read_snapshot, save_snapshot, take_snapshot};
use m5_process::Process;
use m5_testkit::{Python, Target, pythons};

/// A worker after some requests: orders that stay, and native memory that nobody gives back.
const WORKER: &str = "
import ctypes, sys
class Order:
    def __init__(self, number):
        self.number = number
        self.note = bytearray(400)
class Book:
    pass
BOOK = Book()
BOOK.orders = []
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for i in range(REQUESTS):
    BOOK.orders.append(Order(i))
    ctypes.memset(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(6000))), 1, 6000)
print('ready', flush=True)
sys.stdin.read()
";

fn worker(python: &Python, requests: u32, file: &std::path::Path) -> Snapshot {
    let mut target = Target::start(python, &format!("REQUESTS = {requests}\n{WORKER}"));
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let taken = take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap();
    save_snapshot(&taken, file).unwrap();
    read_snapshot(file).unwrap()
}

#[test]
fn two_files_of_two_processes_have_an_account_that_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    for python in pythons() {
        let young = worker(&python, 200, &folder.path().join("young.m5snap"));
        let old = worker(&python, 2200, &folder.path().join("old.m5snap"));
        let diff = diff(&young, &old);
        let name = &python.name;
        assert!(!diff.same_process, "{name}");
        let worst = diff.culprits.iter().find(|c| c.type_name.ends_with("Order"));
        let worst = worst.unwrap_or_else(|| panic!("{name}: {:?}", diff.culprits));
        assert_eq!((worst.count, worst.holder.name.as_str()), (2000, "__main__.Book.orders"), "{name}");
        let account = diff.account.unwrap();
        let parts: i64 = account.parts.iter().map(|p| p.bytes).sum();
        assert_eq!(parts, account.rss_bytes, "{name}: the account adds up");
        let rss = |s: &Snapshot| s.info.rss_bytes.unwrap() as i64;
        let grown = rss(&old) - rss(&young);
        // The counter of the kernel runs some pages late.
        assert!(account.rss_bytes.abs_diff(grown) < 1 << 20, "{name}: {} of {grown}", account.rss_bytes);
        let block = account.blocks.iter().find(|b| !b.objects).unwrap_or_else(|| panic!("{name}"));
        let native = (5500..6500).contains(&block.least) && (1950..=2050).contains(&block.count);
        assert!(native, "{name}: {block:?}");
        let unexplained = account.parts.iter().find(|p| p.part == "unexplained").map_or(0, |p| p.bytes);
        assert!(unexplained.abs() * 50 < account.rss_bytes, "{name}: {unexplained}");
    }
}
