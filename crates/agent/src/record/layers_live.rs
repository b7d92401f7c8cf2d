//! Small programs that leak in one layer each, watched from outside on every interpreter: the layer that is named
//! must be theirs. A step of the program is a minute of the recording.

use super::member::Member;
use crate::derive::derive;
use m5_process::{Cgroups, Process, SocketTables};
use m5_report::doc::{Derived, End, Recorded};
use m5_stats::{Growing, Layer, Objectives};
use m5_testkit::{Python, Target, pythons};

/// Steps, each a minute: enough for a verdict.
const STEPS: usize = 60;

/// What all programs share: a step for each line, then the answer.
fn program(prepare: &str, step: &str) -> String {
    format!(
        "import gc, sys, os, socket\n{prepare}\ndef step(i):\n    {step}\n    gc.collect()\nkept = []\n\
         for i in range({STEPS} + 1):\n    step(i)\n    print(i, flush=True)\n    sys.stdin.readline()\n"
    )
}

fn watch(python: &Python, prepare: &str, step: &str) -> Derived {
    let mut target = Target::start(python, &program(prepare, step));
    target.line();
    let process = Process::open(target.pid()).unwrap();
    let mut member = Member::open(&process, &None).unwrap();
    for i in 0..STEPS {
        let mut spent = 0;
        member.sample(
            i as f64 * 60.0,
            Some(&mut SocketTables::default()),
            &mut Cgroups::default(),
            &mut spent,
        );
        target.say("on");
        target.line();
    }
    let record = member.finish(STEPS as f64 * 60.0);
    let recorded = Recorded {
        ended_early: false,
        // It ran for long before: no warm-up is left out.
        started_unix_seconds: record.started_unix_seconds + 86_400.0,
        observed_seconds: STEPS as f64 * 60.0,
        requested_seconds: STEPS as f64 * 60.0,
        interval_seconds: 60.0,
        rounds_due: STEPS as u64,
        rounds_taken: STEPS as u64,
        end: End::Complete,
        load: None,
    };
    derive(&record, &recorded, &Objectives::default())
}

/// Interpreters of each kind of collector and allocator, with and without the names of static variables.
fn some() -> Vec<Python> {
    let mut seen = Vec::new();
    let new = |python: &Python| {
        let kind = (python.version.1, python.name.starts_with("/usr"));
        let new = matches!(kind.0, 8 | 11..) && !seen.contains(&kind);
        seen.push(kind);
        new
    };
    let mut pythons = pythons();
    let everything = pythons.len() < 3;
    pythons.retain({
        let mut new = new;
        move |python| everything || new(python)
    });
    pythons
}

/// The layers named on each interpreter.
fn named(prepare: &str, step: &str, check: impl Fn(&Python, &[Growing], &Derived)) {
    for python in some() {
        let derived = watch(&python, prepare, step);
        println!("{}: {:?}", python.name, derived.layers);
        for (name, a) in &derived.growth {
            println!("    {name} {:?} {:?} {:?} {:?}", a.verdict, a.level, a.slope, a.growth_probability);
        }
        check(&python, &derived.layers, &derived);
    }
}

fn only(layer: Layer) -> impl Fn(&Python, &[Growing], &Derived) {
    move |python, layers, _| {
        assert_eq!(layers.iter().map(|g| g.layer).collect::<Vec<_>>(), [layer], "{}", python.name);
    }
}

#[test]
fn dictionaries_grow_the_collectors_heap() {
    named("", "kept.extend({'a': j, 'b': [j]} for j in range(1000))", only(Layer::GcHeap));
}

#[test]
fn small_strings_grow_what_the_collector_does_not_track() {
    named("", "kept.extend(b'%040d' % (i * 3000 + j) for j in range(3000))", only(Layer::Untracked));
}

/// What a program does that never collects.
const NEVER: &str = "gc.disable()\ngc.collect = lambda: 0";

#[test]
fn without_any_collection_what_is_tracked_is_counted_all_the_same() {
    let tracked = "kept.extend({'a': j, 'b': [j]} for j in range(1000))";
    named(NEVER, tracked, only(Layer::GcHeap));
    let untracked = "kept.extend(b'%040d' % (i * 3000 + j) for j in range(3000))";
    named(NEVER, untracked, only(Layer::Untracked));
}

#[test]
fn large_bytes_are_told_from_native_memory() {
    let step = "kept.extend(bytes([65 + i % 26]) * 20_000 for j in range(10))";
    named("", step, |python, layers, derived| {
        let counted = derived.growth.contains_key("large_blocks");
        let expected = if counted { Layer::Untracked } else { Layer::UntrackedOrNative };
        assert_eq!(layers.iter().map(|g| g.layer).collect::<Vec<_>>(), [expected], "{}", python.name);
    });
}

#[test]
fn memory_of_native_code_is_named_native() {
    let prepare = "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\n\
                   libc.malloc.argtypes = [ctypes.c_size_t]";
    let step = "[ctypes.memset(libc.malloc(2000), 1, 2000) for _ in range(150)]";
    named(prepare, step, |python, layers, derived| {
        let counted = derived.growth.contains_key("large_blocks");
        let expected = if counted { Layer::Native } else { Layer::UntrackedOrNative };
        assert_eq!(layers.iter().map(|g| g.layer).collect::<Vec<_>>(), [expected], "{}", python.name);
    });
}

#[test]
fn arenas_that_a_few_objects_pin_are_fragments() {
    // Each step needs more for a moment than the one before, and leaves a few objects in what was new; as many
    // others go, here and there.
    let prepare = "dense = [b'%020d' % j for j in range(20_000)]";
    // Every step takes as much time, so that the load is no explanation.
    let step = "for j in range(1500 * (61 - i)): b'%040d' % j\n    \
                more = [b'%040d' % j for j in range(1500 * (i + 1))]\n    \
                pins = more[1500 * i::250]\n    kept.extend(pins)\n    \
                del more, dense[i::len(dense) // len(pins)], pins";
    named(prepare, step, only(Layer::Fragmentation));
}

#[test]
fn descriptors_and_sockets_have_layers_of_their_own() {
    named("", "kept.extend(os.open('/dev/null', os.O_RDONLY) for _ in range(2))", only(Layer::Fds));
    named("", "kept.extend(socket.socket().detach() for _ in range(2))", only(Layer::Sockets));
}

#[test]
fn a_peer_whose_connections_were_never_closed_is_named() {
    let prepare = "server = socket.create_server(('127.0.0.1', 0))\n\
                   def lost():\n    client = socket.create_connection(server.getsockname())\n    \
                   ours, _ = server.accept()\n    ours.close()\n    return client.detach()";
    named(prepare, "kept.extend(lost() for _ in range(2))", |python, layers, derived| {
        assert_eq!(layers[0].layer, Layer::Sockets, "{}", python.name);
        let leak = derived.leak_detection.iter().find(|l| l.what.as_deref() == Some("CLOSE_WAIT"));
        let leak = leak.unwrap_or_else(|| panic!("{}: {:?}", python.name, derived.leak_detection));
        assert!(leak.peer.as_deref().is_some_and(|p| p.starts_with("127.0.0.1:")), "{leak:?}");
    });
}

#[test]
fn nothing_that_grows_is_named_of_a_flat_process() {
    named("kept = [b'%d' % j for j in range(50_000)]", "list(range(5000))", |python, layers, _| {
        assert!(layers.is_empty(), "{}: {layers:?}", python.name);
    });
}
