//! Sound images of small programs and the wounds that tests and fuzzers inflict on them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{
    Accounting, Analysis, Anchor, CaptureOptions, Dominators, EdgeNamer, Image, Pages, PathTree, ReadOnly,
    Redaction, Retained, Segment, StoredNames, capture,
};
use m5_process::{LiveMemory, Mapping, Memory, Process, Result};
use m5_testkit::{Python, Target};

/// Containers of every kind, so that their links can be cut.
const PROGRAM: &str = "
import collections, functools, sys
class P:
    def __init__(self, i): self.a, self.b = i, [i]
class S:
    __slots__ = 'x', 'y'
    def __init__(self, i): self.x, self.y = i, 'é' * i
@functools.lru_cache(None)
def f(i): return [i]
def g():
    yield 1
keep = [P(i) for i in range(100)], {str(i): i for i in range(500)}, set(map(str, range(200)))
keep += collections.deque(range(1000)), collections.OrderedDict((i, str(i)) for i in range(100)), [f(i) for i in range(100)]
keep += [S(i) for i in range(50)], [10 ** i for i in range(100)], bytearray(5000), frozenset(range(40)), (1, (2, (3,)))
gens = [g() for i in range(20)]
[next(x) for x in gens]
print('ready', flush=True)
sys.stdin.read()
";

/// What never changes is read from the process itself.
#[derive(Debug)]
struct Constants(LiveMemory);

impl ReadOnly for Constants {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<()> {
        self.0.read(addr, buf)
    }
}

/// An image that nothing is wrong with.
pub(crate) struct Sound {
    _target: Target,
    memory: LiveMemory,
    anchor: Anchor,
    segments: Vec<(u64, Vec<u8>, u32)>,
    maps: Vec<Mapping>,
    /// Where objects begin, and what lies around the state of the interpreter.
    places: Vec<u64>,
}

impl Sound {
    /// Starts the program and takes its image.
    pub(crate) fn of(python: &Python) -> Self {
        let mut target = Target::start(python, PROGRAM);
        assert_eq!(target.line(), "ready");
        let process = Process::open(target.pid()).unwrap();
        let anchor = Anchor::of(&process).unwrap();
        let image = capture(&process, &CaptureOptions::default()).unwrap().image;
        let copy = |s: &Segment| (s.start, s.bytes.to_vec(), s.mapping);
        let segments = image.segments().iter().map(copy).collect();
        let mut places = Analysis::of(&image, anchor.clone()).unwrap().graph.address.to_vec();
        // The interpreter's own fields are few: they count as much as all objects of a kind.
        let state = anchor.interpreters.iter().flat_map(|at| (0..16 << 10).step_by(96).map(move |i| at + i));
        places.extend(state);
        let maps = image.maps().to_vec();
        Self { memory: process.memory(), _target: target, anchor, segments, maps, places }
    }

    /// The image with a wound for every eight bytes of `plan`.
    pub(crate) fn wounded(&self, plan: &[u8]) -> Image {
        let mut segments = self.segments.clone();
        for wound in plan.as_chunks::<8>().0 {
            self.inflict(&mut segments, u64::from_le_bytes(*wound));
        }
        let segments = segments
            .into_iter()
            .map(|(start, bytes, mapping)| Segment { start, bytes: bytes.into(), mapping, left_out: false })
            .collect();
        Image::new(segments, self.maps.clone(), Box::new(Constants(self.memory)))
    }

    /// Bits of a plan: what to do (4), to which word of the object (4), to which object (24), with what (32).
    fn inflict(&self, segments: &mut [(u64, Vec<u8>, u32)], plan: u64) {
        let object = self.places[(plan >> 8 & 0xff_ffff) as usize % self.places.len()];
        let at = object.wrapping_add((plan >> 4 & 15) * 8).wrapping_sub(16);
        let with = plan >> 32;
        let other = self.places[with as usize % self.places.len()];
        let value = match plan & 15 {
            0 => with,
            1 => with & 0xff,
            2 => u64::MAX - (with & 0xff),
            3 => 1 << (with & 63),
            4 => (1 << (with & 63)) - 1,
            5 => object,
            6 => at,
            7 | 8 => other,
            9 => other.wrapping_add(with >> 24 & 0x38),
            10 => other | 1,
            11 => segments[with as usize % segments.len()].0,
            12 => with.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            13 => return cut(segments, with),
            14 => return zero(segments, at, with as usize & 0xfff),
            _ => 0,
        };
        put(segments, at, &value.to_le_bytes());
    }

    /// Everything that is made of an image; it ends, and what it says fits together.
    pub(crate) fn examine(&self, image: &Image) {
        let Ok(analysis) = Analysis::of(image, self.anchor.clone()) else { return };
        let graph = &analysis.graph;
        assert!(graph.edge_to.iter().all(|e| (*e as usize) < graph.len()));
        assert_eq!(graph.edge_start.len(), graph.len() + 1);
        assert!(graph.address.windows(2).all(|w| w[0] < w[1]));
        let namer = analysis.namer(image);
        for object in (0..graph.len() as u32).step_by(97) {
            for to in graph.edges(object).iter().take(3) {
                let _ = (namer.name(object, *to), namer.items(object));
            }
        }
        let tree = Dominators::of(graph);
        let retained = Retained::of(graph, &tree);
        assert_eq!(retained.bytes.len(), graph.len());
        let _ = StoredNames::collect(graph, &PathTree::of(graph), &namer, &Redaction::new(false));
        let _ = Accounting::of(image, &analysis, &Pages::default());
    }
}

fn find(segments: &mut [(u64, Vec<u8>, u32)], at: u64) -> Option<&mut [u8]> {
    let index = segments.partition_point(|s| s.0 <= at).checked_sub(1)?;
    let (start, bytes, _) = &mut segments[index];
    bytes.get_mut((at - *start) as usize..)
}

fn put(segments: &mut [(u64, Vec<u8>, u32)], at: u64, value: &[u8]) {
    if let Some(bytes) = find(segments, at)
        && let Some(slot) = bytes.get_mut(..value.len())
    {
        slot.copy_from_slice(value);
    }
}

fn zero(segments: &mut [(u64, Vec<u8>, u32)], at: u64, len: usize) {
    if let Some(bytes) = find(segments, at) {
        let len = len.min(bytes.len());
        bytes[..len].fill(0);
    }
}

fn cut(segments: &mut [(u64, Vec<u8>, u32)], with: u64) {
    let count = segments.len();
    let bytes = &mut segments[with as usize % count].1;
    let left = (with >> 8) as usize % bytes.len().max(1);
    bytes.truncate(left);
}
