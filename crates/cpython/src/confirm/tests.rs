//! Every build confirms its own layout and no other.

use super::*;
use crate::layout::{GcAt, TABLES};
use m5_process::{BufferMemory, Process};
use m5_testkit::{Target, pythons};
use proptest::prelude::*;

const IDLE: &str = "import gc, sys; gc.collect(); print('ready', flush=True); sys.stdin.read()";

/// Takes a build out of the tables, as if it had come out after this version of m5.
fn without(size: u64) -> Vec<Layout> {
    const NONE: &[u64] = &[];
    let forget = |l: &Layout| Layout { runtime_sizes: NONE, ..*l };
    TABLES.iter().map(|l| if l.runtime_sizes.contains(&size) { forget(l) } else { *l }).collect()
}

#[test]
fn an_unknown_build_is_read_only_as_far_as_it_confirms_itself() {
    for python in pythons() {
        let mut target = Target::start(&python, IDLE);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let (memory, found) = (process.memory(), crate::find(&process).unwrap());
        let known = choose(&memory, &found, TABLES).unwrap().unwrap();
        let unknown = choose(&memory, &found, &without(found.runtime_size)).unwrap().unwrap();
        let expected = if python.minor() >= (3, 13) { Confidence::Alias } else { Confidence::Fallback };
        assert_eq!(unknown.confidence, expected, "{}", python.name);
        assert_eq!((known.main, known.gc), (unknown.main, unknown.gc), "{}", python.name);
        assert_eq!(known.layout.generations, unknown.layout.generations, "{}", python.name);
        assert_eq!(known.layout.collecting, unknown.layout.collecting, "{}", python.name);

        let others: Vec<Layout> = TABLES.iter().filter(|l| l.minor != python.minor().1).copied().collect();
        let foreign = Found { version: None, ..found.clone() };
        let refused = choose(&memory, &foreign, &others).unwrap();
        // 3.9 and 3.10 keep everything that is read at the same places.
        let twins = [(3, 9), (3, 10)].contains(&python.minor());
        assert_eq!(refused.is_ok(), twins, "{}: {refused:?}", python.name);
    }
}

/// The size of a build that the tables do not know is no reason to refuse: it says itself where things are.
#[test]
fn an_unknown_build_that_confirms_itself_may_be_written_to() {
    for python in pythons() {
        let mut target = Target::start(&python, IDLE);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let (memory, found) = (process.memory(), crate::find(&process).unwrap());
        let unknown = choose(&memory, &found, &without(found.runtime_size)).unwrap().unwrap();
        assert_ne!(unknown.confidence, Confidence::Exact);
        let doubt = doubt_before_write(&memory, unknown.gc, &unknown.layout, unknown.confidence).unwrap();
        assert_eq!(doubt, None, "{}", python.name);
        let wrong = Layout { generations: unknown.layout.generations ^ 4, ..unknown.layout };
        let doubt = doubt_before_write(&memory, unknown.gc, &wrong, unknown.confidence).unwrap();
        assert!(matches!(doubt, Some(Doubt::Wrong(_))), "{}: {doubt:?}", python.name);
    }
}

/// Collecting without a pause is called that, and a moment between two collections is enough.
#[test]
fn an_unknown_build_that_collects_is_busy_until_it_does_not() {
    let program = "
import gc, sys, threading
class Long:
    def __del__(self): print('collecting', flush=True); sys.stdin.readline()
l = Long(); l.me = l; del l
gc.collect(); print('quiet', flush=True); sys.stdin.readline()
";
    for python in pythons() {
        let mut target = Target::start(&python, program);
        assert_eq!(target.line(), "collecting");
        let process = Process::open(target.pid()).unwrap();
        let (memory, found) = (process.memory(), crate::find(&process).unwrap());
        let refused = choose(&memory, &found, &without(found.runtime_size)).unwrap();
        assert_eq!(refused.err(), Some(Refusal::Busy), "{}", python.name);
        target.say("on");
        assert_eq!(target.line(), "quiet");
        let chosen = choose(&memory, &found, &without(found.runtime_size)).unwrap();
        assert!(chosen.is_ok(), "{}: {chosen:?}", python.name);
    }
}

#[test]
fn a_layout_whose_heads_lie_elsewhere_is_refused() {
    for python in pythons() {
        let mut target = Target::start(&python, IDLE);
        target.line();
        let process = Process::open(target.pid()).unwrap();
        let (memory, found) = (process.memory(), crate::find(&process).unwrap());
        let right = choose(&memory, &found, TABLES).unwrap().unwrap().layout;
        let GcAt::Interpreter(gc) = right.gc else { continue };
        let wrong = [
            Layout { generations: right.generations ^ 4, ..right },
            Layout { permanent: right.permanent + 8, ..right },
            Layout { garbage: right.garbage + 16, ..right },
            Layout { collecting: right.garbage, ..right },
            Layout { gc: GcAt::Interpreter(gc + 8), ..right },
        ];
        for layout in wrong.iter().filter(|l| l.generation0.is_some()) {
            let chosen = choose(&memory, &found, &[Layout { published: None, ..*layout }]).unwrap();
            assert!(chosen.is_err(), "{}: {chosen:?}", python.name);
        }
    }
}

#[test]
fn free_threaded_builds_and_unknown_minors_are_told_by_what_they_publish() {
    let mut bytes = vec![0; 1000];
    bytes[..8].copy_from_slice(b"xdebugpy");
    bytes[8..12].copy_from_slice(&0x0363_02f0u32.to_le_bytes());
    bytes[16] = 1;
    let file = "/usr/bin/python3.14t".to_owned();
    let found = Found { runtime: 0, runtime_size: 1000, file, version: None };
    let refused = choose(&BufferMemory::new(0, bytes.clone()), &found, TABLES).unwrap().unwrap_err();
    assert_eq!(refused, Refusal::FreeThreaded(Version(0x0363_02f0)));
    bytes[16] = 0;
    let refused = choose(&BufferMemory::new(0, bytes), &found, TABLES).unwrap().unwrap_err();
    let Refusal::Unknown(text) = refused else { panic!("{refused:?}") };
    assert!(text.contains("3.99.2") && text.contains("1000") && text.contains("no layout"), "{text}");
}

proptest! {
    #[test]
    fn foreign_bytes_are_refused_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 48..2000),
        which in 0usize..32,
        cookie in any::<bool>(),
    ) {
        let layout = TABLES[which % TABLES.len()];
        let mut bytes = bytes;
        if cookie {
            bytes[..8].copy_from_slice(b"xdebugpy");
            bytes[8..12].copy_from_slice(&(0x0300_00f0 | layout.minor << 16).to_le_bytes());
            bytes[16] = 0;
        }
        let file = "/usr/bin/python3".to_owned();
        let found = Found { runtime: 0, runtime_size: layout.runtime_sizes[0], file, version: None };
        if let Ok(chosen) = choose(&BufferMemory::new(0, bytes), &found, TABLES) {
            prop_assert!(chosen.is_err());
        }
    }
}
