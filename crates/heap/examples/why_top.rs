//! scratch
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]
use m5_heap::*;
use std::collections::BTreeMap;
fn main() {
    let s = read_snapshot(std::path::Path::new(&std::env::args().nth(1).unwrap())).unwrap();
    let g = &s.graph;
    let d = Dominators::of(g);
    let mut pred: Vec<Vec<u32>> = vec![vec![]; g.len()];
    for o in 0..g.len() as u32 {
        for t in g.edges(o) {
            pred[*t as usize].push(o);
        }
    }
    let mut roots: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for r in &g.roots {
        roots.entry(r.object).or_default().push(format!("{:?} {}", r.kind, r.name));
    }
    let ty = |o: u32| g.types[g.type_id[o as usize] as usize].name.clone();
    let mut hist: BTreeMap<String, u32> = BTreeMap::new();
    for o in 0..g.len() as u32 {
        if ty(o) != "dict" || d.of_object(o) != Some(None) {
            continue;
        }
        let mut why: Vec<String> = pred[o as usize].iter().map(|p| ty(*p)).collect();
        why.sort();
        why.dedup();
        if let Some(r) = roots.get(&o) {
            why.insert(0, format!("ROOT {}", r[0].split(' ').next().unwrap()));
        }
        *hist.entry(why.join(",")).or_default() += 1;
    }
    let mut h: Vec<_> = hist.into_iter().collect();
    h.sort_by_key(|x| std::cmp::Reverse(x.1));
    for (w, n) in h.into_iter().take(25) {
        println!("{n} {w}");
    }
    // why types are top
    let mut hist: BTreeMap<String, u32> = BTreeMap::new();
    for o in 0..g.len() as u32 {
        if ty(o) != "type" || d.of_object(o) != Some(None) {
            continue;
        }
        let mut why: Vec<String> = pred[o as usize].iter().map(|p| ty(*p)).collect();
        why.sort();
        why.dedup();
        why.truncate(6);
        if let Some(r) = roots.get(&o) {
            why.insert(0, format!("ROOT {}", r[0]));
            why.truncate(1);
            why[0].truncate(24)
        }
        *hist.entry(why.join(",")).or_default() += 1;
    }
    let mut h: Vec<_> = hist.into_iter().collect();
    h.sort_by_key(|x| std::cmp::Reverse(x.1));
    for (w, n) in h.into_iter().take(25) {
        println!("T {n} {w}");
    }
}
