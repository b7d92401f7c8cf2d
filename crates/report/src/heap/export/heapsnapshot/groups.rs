//! Kinds of roots as nodes below the root of all, so that whoever follows retainers ends at a reason.

use m5_heap::{HeapGraph, Keeping, RootKind};

const KINDS: [(RootKind, &str); 7] = [
    (RootKind::Module, "(modules)"),
    (RootKind::Frame, "(frames of threads)"),
    (RootKind::Interpreter, "(the interpreter)"),
    (RootKind::Static, "(static objects)"),
    (RootKind::Native, "(native memory)"),
    (RootKind::Uncollectable, "(garbage that is never collected)"),
    (RootKind::Unexplained, "(held by nobody that was found)"),
];

/// One kind with what lives by it.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) members: Members,
}

pub(crate) enum Members {
    /// Numbers of roots.
    Roots(Vec<usize>),
    /// Objects that no root reaches. Each hangs here by itself, since none of them keeps another.
    Garbage(Vec<u32>),
}

impl Group {
    pub(crate) fn len(&self) -> usize {
        match &self.members {
            Members::Roots(roots) => roots.len(),
            Members::Garbage(objects) => objects.len(),
        }
    }
}

/// All kinds that a graph has.
pub(crate) fn groups(graph: &HeapGraph, keeping: &Keeping<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for (kind, name) in KINDS {
        let of_kind = graph.roots.iter().enumerate().filter(|(_, root)| root.kind == kind);
        groups.push(Group { name, members: Members::Roots(of_kind.map(|(number, _)| number).collect()) });
    }
    let garbage = (0..graph.len() as u32).filter(|object| !keeping.reached(*object));
    groups.push(Group { name: "(garbage)", members: Members::Garbage(garbage.collect()) });
    groups.retain(|group| group.len() > 0);
    groups
}
