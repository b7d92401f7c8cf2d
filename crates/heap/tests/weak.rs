//! What a weak dictionary or set holds while its key waits for the collector goes with the key: nobody is accused of it.
//! Where a value leads back to its key, it stays for good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{CaptureOptions, Cause, Diff, Redaction, diff, take_snapshot};
use m5_process::Process;
use m5_testkit::{Python, Target, minor_versions};

const CONTAINERS: &str = "
import gc, sys, weakref
gc.disable()
class Key: pass
class Value:
    def __init__(self): self.payload = bytearray(200)
by_key, by_name, members = weakref.WeakKeyDictionary(), weakref.WeakValueDictionary(), weakref.WeakSet()
";

const RUN: &str = "
print('ready', flush=True)
for _ in sys.stdin:
    grow()
    print('grown', flush=True)
";

fn grown(python: &Python, grow: &str) -> Diff {
    let mut target = Target::start(python, &format!("{CONTAINERS}{grow}{RUN}"));
    assert_eq!(target.line(), "ready");
    let process = Process::open(target.pid()).unwrap();
    let mut taken = Vec::new();
    for _ in 0..3 {
        target.say("go");
        assert_eq!(target.line(), "grown");
        taken.push(take_snapshot(&process, &CaptureOptions::default(), &Redaction::new(false)).unwrap());
    }
    diff(&taken[1], &taken[2])
}

const FADES: &str = "
def grow():
    for i in range(1000):
        key = Key()
        key.itself = key
        by_key[key] = Value()
        by_name['%d of %d' % (i, id(key))] = key
        members.add(key)
";

#[test]
fn what_goes_with_the_next_collection_waits_for_the_collector() {
    for python in minor_versions() {
        let diff = grown(&python, FADES);
        let causes: Vec<_> = diff.culprits.iter().map(|c| (c.holder.cause, c.type_name.as_str())).collect();
        assert!(causes.iter().all(|(cause, _)| *cause == Cause::Garbage), "{}: {causes:?}", python.name);
        let objects: i64 = diff.culprits.iter().map(|c| c.objects).sum();
        // Key, value, its payload, and what each container knows the key by.
        assert!(objects >= 6000, "{}: {objects} {:?}", python.name, diff.culprits);
    }
}

const STAYS: &str = "
def grow():
    for _ in range(1000):
        key = Key()
        key.itself = key
        by_key[key] = value = Value()
        value.key = key
    gc.collect()
";

#[test]
fn a_value_that_leads_back_to_its_key_is_held_for_good() {
    for python in minor_versions() {
        let diff = grown(&python, STAYS);
        let worst = diff.culprits.first().unwrap_or_else(|| panic!("{}: nothing grew", python.name));
        assert_eq!(worst.holder.cause, Cause::Held, "{}: {worst:?}", python.name);
        let place = format!("{} {}", worst.holder.name, worst.holder.path);
        assert!(place.contains("by_key"), "{}: {place}", python.name);
        assert!(worst.objects >= 3000, "{}: {worst:?}", python.name);
    }
}
