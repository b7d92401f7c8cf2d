//! Torn and corrupted images: whatever the bytes say, the analysis ends, and soon, without a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{
    Accounting, Analysis, Anchor, CaptureOptions, EdgeNamer, Image, Pages, ReadOnly, Segment, capture,
};
use m5_target::{LiveMemory, Mapping, Memory, Process, Result};
use m5_testkit::{Target, pythons};
use proptest::prelude::*;
use std::sync::OnceLock;

/// Containers of every kind, so that their links can be cut.
const PROGRAM: &str = "
import collections, functools, sys
class P:
    def __init__(self, i): self.a, self.b = i, [i]
@functools.lru_cache(None)
def f(i): return [i]
def g():
    yield 1
keep = [P(i) for i in range(300)], {str(i): i for i in range(500)}, set(map(str, range(200)))
keep += collections.deque(range(1000)), collections.OrderedDict((i, str(i)) for i in range(300)), [f(i) for i in range(100)]
gens = [g() for i in range(20)]
[next(x) for x in gens]
print('ready', flush=True)
sys.stdin.read()
";

#[derive(Debug)]
struct Constants(LiveMemory);

impl ReadOnly for Constants {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        self.0.read(addr, buf)
    }
}

struct Sound {
    _target: Target,
    memory: LiveMemory,
    anchor: Anchor,
    segments: Vec<(u64, Vec<u8>, u32)>,
    maps: Vec<Mapping>,
}

/// One sound image of the newest and of the oldest interpreter.
fn sound(which: usize) -> &'static Sound {
    static IMAGES: OnceLock<Vec<Sound>> = OnceLock::new();
    let images = IMAGES.get_or_init(|| {
        let all = pythons();
        [all.first().unwrap(), all.last().unwrap()]
            .into_iter()
            .map(|python| {
                let mut target = Target::start(python, PROGRAM);
                assert_eq!(target.line(), "ready");
                let process = Process::open(target.pid()).unwrap();
                let anchor = Anchor::of(&process).unwrap();
                let image = capture(&process, &CaptureOptions::default()).unwrap().image;
                let copy = |s: &Segment| (s.start, s.bytes.clone(), s.mapping);
                let segments = image.segments().iter().map(copy).collect();
                let maps = image.maps().to_vec();
                Sound { memory: process.memory(), _target: target, anchor, segments, maps }
            })
            .collect()
    });
    &images[which % images.len()]
}

/// What to write where: positions and values are reduced to what exists.
#[derive(Debug, Clone)]
enum Wound {
    Number(u64, u64),
    Pointer(u64, u64),
    Zeroes(u64, u16),
    Cut(u64),
}

fn wound() -> impl Strategy<Value = Wound> {
    prop_oneof![
        (any::<u64>(), any::<u64>()).prop_map(|(at, value)| Wound::Number(at, value)),
        (any::<u64>(), any::<u64>()).prop_map(|(at, to)| Wound::Pointer(at, to)),
        (any::<u64>(), any::<u16>()).prop_map(|(at, len)| Wound::Zeroes(at, len)),
        any::<u64>().prop_map(Wound::Cut),
    ]
}

fn inflict(segments: &mut [(u64, Vec<u8>, u32)], wound: &Wound) {
    let count = segments.len();
    let place = |at: u64| (at as usize % count, (at >> 8) as usize);
    match *wound {
        Wound::Number(at, value) => put(&mut segments[place(at).0].1, place(at).1, value),
        Wound::Pointer(at, to) => {
            let target = &segments[place(to).0];
            let value = target.0 + (place(to).1 % target.1.len().max(8)) as u64 / 8 * 8;
            put(&mut segments[place(at).0].1, place(at).1, value);
        }
        Wound::Zeroes(at, len) => {
            let bytes = &mut segments[place(at).0].1;
            let from = place(at).1 % bytes.len().max(1);
            let to = (from + len as usize).min(bytes.len());
            bytes[from..to].fill(0);
        }
        Wound::Cut(at) => {
            let bytes = &mut segments[place(at).0].1;
            let left = place(at).1 % bytes.len().max(1);
            bytes.truncate(left);
        }
    }
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    if bytes.len() >= 8 {
        let at = at % (bytes.len() - 7) / 8 * 8;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 0, ..ProptestConfig::default() })]
    #[test]
    fn no_image_is_too_broken(which in 0usize..2, wounds in proptest::collection::vec(wound(), 0..400)) {
        let sound = sound(which);
        let mut segments = sound.segments.clone();
        for wound in &wounds {
            inflict(&mut segments, wound);
        }
        let segments =
            segments.into_iter().map(|(start, bytes, mapping)| Segment { start, bytes, mapping }).collect();
        let image = Image::new(segments, sound.maps.clone(), Box::new(Constants(sound.memory)));
        if let Ok(analysis) = Analysis::of(&image, sound.anchor.clone()) {
            let graph = &analysis.graph;
            prop_assert!(graph.edge_to.iter().all(|e| (*e as usize) < graph.len()));
            prop_assert_eq!(graph.edge_start.len(), graph.len() + 1);
            prop_assert!(graph.address.windows(2).all(|w| w[0] < w[1]));
            let namer = analysis.namer(&image);
            for object in (0..graph.len() as u32).step_by(97) {
                for to in graph.edges(object).iter().take(3) {
                    let _ = (namer.name(object, *to), namer.items(object));
                }
            }
            let _ = Accounting::of(&image, &analysis, &Pages::default());
        }
    }
}
