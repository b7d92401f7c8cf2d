//! Processes below their parents.

use std::collections::{HashMap, HashSet};

/// Items with their depth: each right below its parent where that is among them, those of one parent in the order
/// that they came in. `ids` names the pid of an item and that of its parent.
#[must_use]
pub fn below_parents<T>(items: &[T], ids: impl Fn(&T) -> (i32, i32)) -> Vec<(usize, &T)> {
    let listed: HashSet<i32> = items.iter().map(|item| ids(item).0).collect();
    let mut children: HashMap<i32, Vec<usize>> = HashMap::new();
    let mut waiting = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let (pid, parent) = ids(item);
        if parent != pid && listed.contains(&parent) {
            children.entry(parent).or_default().push(index);
        } else {
            waiting.push((0, index));
        }
    }
    waiting.reverse();
    let mut placed = vec![false; items.len()];
    let mut out = Vec::with_capacity(items.len());
    while let Some((depth, index)) = waiting.pop() {
        if std::mem::replace(&mut placed[index], true) {
            continue;
        }
        out.push((depth, &items[index]));
        let below = children.get(&ids(&items[index]).0).into_iter().flatten();
        waiting.extend(below.rev().map(|child| (depth + 1, *child)));
    }
    // Pids come back: what seems to be its own ancestor is listed all the same.
    out.extend(items.iter().zip(placed).filter(|(_, placed)| !placed).map(|(item, _)| (0, item)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_stands_right_below_its_parent() {
        let all = [(3, 1), (9, 2), (1, 0), (2, 1), (4, 3), (7, 7)];
        let order: Vec<(usize, i32)> = below_parents(&all, |p| *p).iter().map(|(d, p)| (*d, p.0)).collect();
        assert_eq!(order, [(0, 1), (1, 3), (2, 4), (1, 2), (2, 9), (0, 7)]);
    }

    proptest! {
        #[test]
        fn none_is_lost_and_none_comes_twice(all in prop::collection::vec((0..12_i32, 0..12_i32), 0..30)) {
            let mut out: Vec<(i32, i32)> = below_parents(&all, |p| *p).into_iter().map(|(_, p)| *p).collect();
            let mut all = all;
            out.sort_unstable();
            all.sort_unstable();
            prop_assert_eq!(out, all);
        }
    }
}
