//! A prefork tree for people: what is shared, what was copied and why, and what to do about it.

use crate::heap::phrases::{bytes, thousands};
use crate::text::{Align, Style, Table};
use crate::texts::Heap;
use m5_heap::{Inherited, Member, ProcessTree};

/// What the collector or counting copied is worth a word from this share of the workers' private memory on.
const WORTH: f64 = 0.05;
/// And from so many bytes on.
const LEAST: u64 = 1 << 20;
/// Workers have hardly inherited anything where their own memory is so many times what they have from the parent.
const ALONE: u64 = 3;

/// The processes, then what their copies say.
pub(crate) fn tree_text(tree: &ProcessTree, style: Style) -> String {
    let lang = style.lang;
    if tree.workers.is_empty() {
        return format!("  {}\n", lang.say(Heap::TreeAlone));
    }
    let mut table = Table::new(&[Align::Right; 9], 2);
    let heads = [
        Heap::TreePid,
        Heap::TreeRss,
        Heap::TreePss,
        Heap::TreePrivate,
        Heap::TreeShared,
        Heap::TreeCollector,
        Heap::TreeCounts,
        Heap::TreeChanged,
        Heap::TreeOwn,
    ];
    table.row(heads.map(|h| style.dim(lang.say(h))));
    for member in std::iter::once(&tree.parent).chain(&tree.workers) {
        table.row(row(member));
    }
    let mut out = table.render();
    for worker in &tree.workers {
        if let Some(reason) = &worker.reason {
            out.push_str(&format!("  PID {}: {reason}\n", worker.pid));
        }
    }
    for line in advice(tree, style) {
        out.push_str(&format!("  → {}\n", style.bold(&line)));
    }
    out
}

fn row(member: &Member) -> [String; 9] {
    let known = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), bytes);
    let part = |of: fn(&Inherited) -> u64| known(member.inherited.as_ref().map(of));
    [
        member.pid.to_string(),
        known(member.rss_bytes),
        known(member.pss_bytes),
        known(member.private_bytes),
        part(|i| i.shared_bytes),
        part(|i| i.collector_bytes),
        part(|i| i.counts_bytes),
        part(|i| i.changed_bytes + i.native_bytes),
        part(|i| i.own_bytes),
    ]
}

/// What the copies say, the largest part first.
fn advice(tree: &ProcessTree, style: Style) -> Vec<String> {
    let lang = style.lang;
    let sum = tree.total();
    let copied = sum.collector_bytes + sum.counts_bytes + sum.changed_bytes + sum.native_bytes;
    let worth = |part: u64| part >= LEAST && part as f64 > WORTH * (copied + sum.own_bytes) as f64;
    let count = thousands(tree.workers.iter().filter(|w| w.inherited.is_some()).count() as u64);
    let mut found: Vec<(u64, String)> = Vec::new();
    if worth(sum.collector_bytes) {
        let text = lang.fill(Heap::TreeFreeze, &[&bytes(sum.collector_bytes), &count]);
        found.push((sum.collector_bytes, text));
    }
    if worth(sum.counts_bytes) {
        found.push((sum.counts_bytes, lang.fill(Heap::TreeCounted, &[&bytes(sum.counts_bytes), &count])));
    }
    if sum.own_bytes > ALONE * (sum.shared_bytes + copied) {
        found.push((sum.own_bytes, lang.fill(Heap::TreePreload, &[&bytes(sum.own_bytes), &count])));
    }
    if found.is_empty() && sum.shared_bytes > 0 {
        found.push((0, lang.fill(Heap::TreeFine, &[&bytes(sum.shared_bytes), &count])));
    }
    found.sort_by_key(|f| std::cmp::Reverse(f.0));
    found.into_iter().map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;

    fn tree(inherited: Inherited) -> ProcessTree {
        let member = |pid, inherited: Option<Inherited>| Member {
            pid,
            rss_bytes: Some(64 << 20),
            pss_bytes: Some(20 << 20),
            private_bytes: Some(8 << 20),
            inherited,
            reason: (pid == 12).then(|| "it runs a program of its own, not a copy of the parent".to_owned()),
        };
        ProcessTree {
            parent: member(10, None),
            workers: vec![member(11, Some(inherited)), member(12, None)],
            frozen_objects: Some(0),
        }
    }

    fn text(inherited: Inherited, lang: Lang) -> String {
        tree_text(&tree(inherited), Style { lang, color: false })
    }

    #[test]
    fn copies_have_a_cause_and_a_remedy() {
        let some = Inherited { shared_bytes: 40 << 20, ..Inherited::default() };
        let marked = Inherited { collector_bytes: 30 << 20, counts_bytes: 3 << 20, ..some };
        insta::assert_snapshot!(text(marked, Lang::En));
        insta::assert_snapshot!(text(marked, Lang::Zh));
        assert!(text(some, Lang::En).contains("still shared") && !text(some, Lang::En).contains("gc.freeze"));
        let alone = Inherited { own_bytes: 300 << 20, ..some };
        assert!(text(alone, Lang::En).contains("--preload"));
        let nobody = ProcessTree { workers: Vec::new(), ..tree(some) };
        assert!(tree_text(&nobody, Style::default()).contains("no children"));
    }
}
