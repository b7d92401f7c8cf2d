//! What m5 reads from outside against what Python says inside, object by object, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Accounting, Analysis, Anchor, CaptureOptions, HeapGraph, capture};
use m5_process::Process;
use m5_testkit::{Python, Target, all_pythons, free_threaded_pythons, pythons};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Objects of many kinds; then, for each one that can be reached: its address, size, type and referents.
const PROGRAM: &str = include_str!("truth.py");

struct Truth {
    size: u64,
    type_name: String,
    referents: Vec<u64>,
    tracked: bool,
}

fn truth(target: &mut Target) -> HashMap<u64, Truth> {
    let count: usize = target.line().parse().unwrap();
    let line = |_| {
        let line = target.line();
        let fields: Vec<&str> = line.split('\t').collect();
        let words = fields.get(4).copied().unwrap_or("").split(',');
        let truth = Truth {
            size: fields[1].parse().unwrap(),
            tracked: fields[2] == "1",
            type_name: fields[3].to_owned(),
            referents: words.filter(|w| !w.is_empty()).map(|w| w.parse().unwrap()).collect(),
        };
        (fields[0].parse().unwrap(), truth)
    };
    (0..count).map(line).collect()
}

/// The same for programs with large libraries.
const LIBRARIES: &str = include_str!("libraries.py");

#[derive(Default)]
struct Score {
    edges: u64,
    real: u64,
    found: u64,
    tracked: u64,
    tracked_found: u64,
    type_right: u64,
    size_right: u64,
    referents: u64,
    recalled: u64,
    wrong_sizes: BTreeMap<String, (u64, u64, u64)>,
    missing: BTreeMap<String, u64>,
    misnamed: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
}

/// References that Python tells of twice, or of another object than the one that holds them.
struct Otherwise<'a> {
    graph: &'a HeapGraph,
    /// Who refers to each dictionary.
    owners: HashMap<u64, Vec<u64>>,
}

impl<'a> Otherwise<'a> {
    fn of(graph: &'a HeapGraph, truth: &HashMap<u64, Truth>) -> Self {
        let mut owners: HashMap<u64, Vec<u64>> = HashMap::new();
        for (address, said) in truth {
            let dicts =
                said.referents.iter().filter(|r| truth.get(r).is_some_and(|t| t.type_name == "?dict"));
            dicts.for_each(|dict| owners.entry(*dict).or_default().push(*address));
        }
        Self { graph, owners }
    }

    fn refers(&self, from: u32, to: u64) -> bool {
        self.graph.edges(from).iter().any(|e| self.graph.address[*e as usize] == to)
    }

    /// Whether the reference is held by the instance whose dictionary tells of it too (attributes lie in the instance, some
    /// releases of 3.13 and later), or by an entry of the cache.
    fn holds(&self, (address, said): (&u64, &Truth), object: u32, referent: u64) -> bool {
        if said.type_name.ends_with("_lru_cache_wrapper") {
            return self.graph.edges(object).iter().any(|entry| self.refers(*entry, referent));
        }
        let owners = self.owners.get(address).filter(|_| said.type_name == "?dict");
        let owners = owners.into_iter().flatten().filter_map(|owner| self.graph.at(*owner));
        owners.into_iter().any(|owner| self.refers(owner, referent))
    }
}

fn compare(graph: &HeapGraph, truth: &HashMap<u64, Truth>) -> Score {
    let mut score = Score::default();
    let otherwise = Otherwise::of(graph, truth);
    for (address, said) in truth {
        score.tracked += u64::from(said.tracked);
        let Some(object) = graph.at(*address) else {
            *score.missing.entry(said.type_name.clone()).or_default() += 1;
            continue;
        };
        score.found += 1;
        score.tracked_found += u64::from(said.tracked);
        let name = &graph.types[graph.type_id[object as usize] as usize].name;
        // Of static types Python tells only the last part of the name.
        let right = match said.type_name.strip_prefix('?') {
            Some(last) => name.rsplit('.').next() == Some(last),
            None => *name == said.type_name,
        };
        score.type_right += u64::from(right);
        if !right {
            *score.misnamed.entry(format!("{name} for {}", said.type_name)).or_default() += 1;
        }
        if graph.size[object as usize] == said.size {
            score.size_right += 1;
        } else {
            let entry = score.wrong_sizes.entry(said.type_name.clone()).or_default();
            *entry = (entry.0 + 1, graph.size[object as usize], said.size);
        }
        let among: HashSet<u64> = said.referents.iter().copied().collect();
        let targets = graph.edges(object).iter().map(|e| graph.address[*e as usize]);
        // Python does not tell of every reference to what can be in no cycle.
        for target in targets.filter(|t| truth.get(t).is_some_and(|t| t.tracked)) {
            score.edges += 1;
            score.real += u64::from(among.contains(&target));
        }
        let to: HashSet<u64> = graph.edges(object).iter().map(|e| graph.address[*e as usize]).collect();
        for referent in said.referents.iter().filter(|r| truth.contains_key(r)) {
            score.referents += 1;
            if to.contains(referent) || otherwise.holds((address, said), object, *referent) {
                score.recalled += 1;
            } else {
                let of = truth.get(referent).map_or("", |t| &t.type_name);
                let seen = if graph.at(*referent).is_some() { "" } else { " (missing)" };
                *score.lost.entry(format!("{} to {of}{seen}", said.type_name)).or_default() += 1;
            }
        }
    }
    score
}

fn check(python: &Python) {
    let mut target = Target::start(python, PROGRAM);
    let truth = truth(&mut target);
    let process = Process::open(target.pid()).unwrap();
    let anchor = Anchor::of(&process).unwrap();
    let taken = capture(&process, &CaptureOptions::default()).unwrap();
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    // The table of interned strings holds nothing, whatever the collector of 3.14 and later is told.
    let interned = analysis.census.interned.map(|o| analysis.graph.address[o as usize]);
    let mut truth = truth;
    truth.retain(|address, _| Some(*address) != interned);
    let (largest, mapped) =
        (analysis.graph.size.iter().max(), taken.image.maps().iter().map(|m| m.end - m.start).sum());
    let of = |size: &u64| {
        let object = analysis.graph.size.iter().position(|s| s == size).unwrap_or(0);
        &analysis.graph.types[analysis.graph.type_id[object] as usize].name
    };
    let name = largest.map(of);
    assert!(largest < Some(&mapped), "{}: {name:?} of {largest:?} bytes, more than there are", python.name);
    let score = compare(&analysis.graph, &truth);
    let share = |a: u64, b: u64| a as f64 / b as f64;
    let total = truth.len() as u64;
    println!(
        "{}: {total} objects, found {:.4}, tracked {:.4}, types {:.4}, sizes {:.4}, referents {:.4} of {}, counts {:?}",
        python.name,
        share(score.found, total),
        share(score.tracked_found, score.tracked),
        share(score.type_right, score.found),
        share(score.size_right, score.found),
        share(score.recalled, score.referents),
        score.referents,
        analysis.check.refcounts_explained(),
    );
    println!(
        "  sizes {:?}\n  missing {:?}\n  lost {:?}\n  misnamed {:?}",
        score.wrong_sizes, score.missing, score.lost, score.misnamed
    );
    assert!(score.missing.is_empty(), "{}: {:?}", python.name, score.missing);
    assert!(share(score.type_right, score.found) > 0.999);
    // Left out: code that a debugger or a profiler put something beside.
    let known = |name: &str| name == "?code";
    let wrong: Vec<_> = score.wrong_sizes.iter().filter(|(name, _)| !known(name)).collect();
    assert!(wrong.is_empty(), "{}: type: count, bytes here, bytes there: {wrong:?}", python.name);
    assert!(share(score.recalled, score.referents) > 0.9995, "{}: {:?}", python.name, score.lost);
    assert_eq!((analysis.check.bad_pools, analysis.check.nowhere), (0, 0), "{}", python.name);
}

/// A Python with pandas, SQLAlchemy and Django: the one that `M5_LIBRARIES` names, else one made for the purpose.
fn with_libraries(dir: &Path) -> PathBuf {
    if let Some(python) = std::env::var_os("M5_LIBRARIES") {
        return python.into();
    }
    let plain = |p: &&Python| p.executable().is_some() && (10..=13).contains(&p.minor().1);
    let python = pythons().iter().rfind(plain).unwrap().executable().unwrap().to_owned();
    let run = |command: &mut Command| assert!(command.status().unwrap().success());
    run(Command::new(python).args(["-m", "venv"]).arg(dir));
    let pip = ["install", "--quiet", "pandas", "SQLAlchemy", "Django"];
    run(Command::new(dir.join("bin/python")).args(["-m", "pip"]).args(pip));
    dir.join("bin/python")
}

/// Behind `M5_SLOW=1`: it installs packages.
#[test]
fn large_libraries_agree_with_python() {
    if std::env::var_os("M5_SLOW").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let emit = &PROGRAM[PROGRAM.find("def emit").unwrap()..];
    let mut command = Command::new(with_libraries(dir.path()));
    command.args(["-u", "-c", &format!("import gc, sys\n{LIBRARIES}\n{emit}")]);
    let mut target = Target::spawn(command);
    let truth = truth(&mut target);
    let process = Process::open(target.pid()).unwrap();
    let anchor = Anchor::of(&process).unwrap();
    let taken = capture(&process, &CaptureOptions::default()).unwrap();
    let analysis = Analysis::of(&taken.image, anchor).unwrap();
    let score = compare(&analysis.graph, &truth);
    let share = |a: u64, b: u64| a as f64 / b as f64;
    let (recall, precision) = (share(score.recalled, score.referents), share(score.real, score.edges));
    let explained = Accounting::of(&taken.image, &analysis, &taken.pages).explained;
    println!(
        "{} objects, found {:.5}; referents {}, recall {recall:.5}, precision {precision:.5}; counts {:?}, RSS {explained:?}",
        truth.len(),
        share(score.found, truth.len() as u64),
        score.referents,
        analysis.check.refcounts_explained(),
    );
    let mut lost: Vec<_> = score.lost.into_iter().collect();
    lost.sort_by_key(|l| std::cmp::Reverse(l.1));
    println!("  lost {:?}\n  missing {:?}", &lost[..lost.len().min(12)], score.missing);
    // What pandas says of its own objects is the sum of others'.
    let wrong: Vec<_> = score.wrong_sizes.iter().filter(|(name, _)| name.starts_with("numpy.")).collect();
    assert!(wrong.is_empty(), "type: count, bytes here, bytes there: {wrong:?}");
    assert!(share(score.found, truth.len() as u64) > 0.999);
    assert!(recall > 0.99 && precision > 0.95 && explained > Some(0.99));
}

/// Arrays whose elements have references among other fields; for each, what it refers to.
const STRUCTURED: &str = "
import sys
try:
    import numpy
except ImportError:
    print(0, flush=True)
    sys.exit()
class Order: pass
aside = {'names': ['who', 'size'], 'formats': [object, 'i4'], 'offsets': [8, 0], 'itemsize': 24}
shapes = [
    ([('price', 'f8'), ('who', object)], [lambda a: a['who']]),
    ([('flag', 'i1'), ('inner', [('size', 'i4'), ('who', object)])], [lambda a: a['inner']['who']]),
    ([('many', object, (3,))], [lambda a, k=k: a['many'][:, k] for k in range(3)]),
    (aside, [lambda a: a['who']]),
    ([(('a title', 'who'), object)], [lambda a: a['who']]),
    ([('pairs', [('who', object), ('size', 'i8')], (2,))], [lambda a, k=k: a['pairs']['who'][:, k] for k in range(2)]),
]
arrays = []
for dtype, leaves in shapes:
    array = numpy.zeros(20, dtype=dtype)
    ids = []
    for leaf in leaves:
        for i in range(len(array)):
            order = Order()
            leaf(array)[i] = order
            ids.append(id(order))
    arrays.append((array, ids))
print(len(arrays), flush=True)
for array, ids in arrays:
    print(id(array), ','.join(map(str, sorted(ids))), flush=True)
sys.stdin.read()
";

/// On the interpreter of the tests in Python, which has NumPy.
#[test]
fn references_in_structured_arrays_lie_where_their_dtype_says() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    if !python.exists() {
        return;
    }
    let mut command = Command::new(python);
    let mut target = Target::spawn({
        command.args(["-u", "-c", STRUCTURED]);
        command
    });
    let count: usize = target.line().parse().unwrap();
    let said: Vec<(u64, Vec<u64>)> = (0..count)
        .map(|_| {
            let line = target.line();
            let (array, ids) = line.split_once(' ').unwrap();
            (array.parse().unwrap(), ids.split(',').map(|id| id.parse().unwrap()).collect())
        })
        .collect();
    let process = Process::open(target.pid()).unwrap();
    let anchor = Anchor::of(&process).unwrap();
    let taken = capture(&process, &CaptureOptions::default()).unwrap();
    let graph = Analysis::of(&taken.image, anchor).unwrap().graph;
    for (i, (array, ids)) in said.iter().enumerate() {
        let order = |o: &&u32| graph.types[graph.type_id[**o as usize] as usize].name == "__main__.Order";
        let edges = graph.edges(graph.at(*array).unwrap());
        let mut held: Vec<u64> = edges.iter().filter(order).map(|o| graph.address[*o as usize]).collect();
        held.sort_unstable();
        assert_eq!(&held, ids, "shape {i}");
    }
}

#[test]
fn objects_types_sizes_and_references_agree_with_python() {
    let only = std::env::var("M5_PYTHON").ok();
    for python in every().iter().filter(|p| only.as_ref().is_none_or(|o| p.name.contains(o.as_str()))) {
        check(python);
    }
}

/// With the GIL and without. The objects of static builds for musl are not all found yet.
fn every() -> Vec<Python> {
    let with = all_pythons().into_iter().filter(|p| !p.musl);
    // One musl stands for all: mimalloc is the same there.
    let without = free_threaded_pythons().into_iter().filter(|p| !p.musl || p.minor() == (3, 14));
    with.chain(without).collect()
}
