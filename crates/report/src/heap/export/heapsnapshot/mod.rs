//! V8's heap snapshot: opens in the memory panel of Chrome's developer tools. Python's classes stand where
//! JavaScript's constructors do; a node for each kind of root, below the root of all, says why things live.
//!
//! The panel computes retained sizes by a dominator tree of its own, over every reference that is not weak. So
//! that it finds what m5 finds, references that keep nothing by m5's rules are weak, and what no root reaches
//! hangs below a node of its own. `tests/exports/` compares the two in the real panel.

mod edges;
mod groups;
mod ids;
mod numbers;
mod plan;
mod rest;

use crate::shared::strings::Strings;
use edges::Edges;
use groups::groups;
use ids::Ids;
use m5_heap::{Keeping, Snapshot, display_type};
use numbers::Numbers;
use plan::Plan;
use rest::Rests;
use std::borrow::Cow;
use std::io::{self, Write};

const META: &str = concat!(
    r#"{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"#,
    r#""node_types":[["hidden","array","string","object","code","closure","regexp","number","native","#,
    r#""synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"#,
    r#""string","number","number","number","number","number"],"#,
    r#""edge_fields":["type","name_or_index","to_node"],"#,
    r#""edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"#,
    r#""string_or_number","node"],"#,
    r#""trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],"#,
    r#""trace_node_fields":["id","function_info_index","count","size","children"],"#,
    r#""sample_fields":["timestamp_us","last_assigned_id"],"#,
    r#""location_fields":["object_index","script_id","line","column"]}"#
);
const OBJECT: u64 = 3;
const SYNTHETIC: u64 = 9;

/// Writes the snapshot; names of references as far as the snapshot keeps them.
///
/// # Errors
/// Those of `out`.
pub fn heapsnapshot(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let keeping = Keeping::of(&snapshot.graph);
    let groups = groups(&snapshot.graph, &keeping);
    let plan = Plan { snapshot, keeping, groups, rests: Rests::of(&snapshot.graph) };
    let mut strings = Strings::default();
    let (nodes, edges) = (plan.node_count(), plan.edge_count());
    write!(
        out,
        r#"{{"snapshot":{{"meta":{META},"node_count":{nodes},"edge_count":{edges},"trace_function_count":0}},"#
    )?;
    out.write_all(b"\"nodes\":[")?;
    write_nodes(&plan, &mut strings, out)?;
    out.write_all(b"],\"edges\":[")?;
    Edges::new(&plan, &mut strings, out).write()?;
    out.write_all(
        b"],\"trace_function_infos\":[],\"trace_tree\":[],\"samples\":[],\"locations\":[],\"strings\":",
    )?;
    serde_json::to_writer(&mut *out, strings.all())?;
    out.write_all(b"}\n")
}

/// The name of a class. Names that mean something to the panel say that they are Python's: it groups instances of
/// `Object` by their attributes, and names in angle brackets by the first word.
fn class_name(name: &str) -> Cow<'_, str> {
    if name == "Object" || name.starts_with('<') || name.starts_with("Detached <") {
        return format!("Python {name}").into();
    }
    name.into()
}

fn write_nodes(plan: &Plan<'_>, strings: &mut Strings, out: &mut dyn Write) -> io::Result<()> {
    let graph = &plan.snapshot.graph;
    let ids = Ids::of(&graph.address);
    let classes: Vec<u64> =
        graph.types.iter().map(|t| strings.number(&class_name(display_type(&t.name)))).collect();
    let class = |object: usize| graph.type_id.get(object).and_then(|t| classes.get(*t as usize)).copied();
    let unknown = strings.number("?");
    let mut numbers = Numbers::new(out);
    let mut node = |kind, name, id, size, degree| numbers.row(&[kind, name, id, size, degree, 0, 0]);
    node(SYNTHETIC, strings.number("(roots)"), ids::ROOT, 0, plan.groups.len() as u64)?;
    for (i, group) in (1..).zip(&plan.groups) {
        node(SYNTHETIC, strings.number(group.name), ids::group(i), 0, group.len() as u64)?;
    }
    for object in 0..graph.len() {
        let degree = graph.edges(object as u32).len() as u64 + plan.rests.of_object(object as u32);
        let size = graph.size[object].min(rest::LARGEST);
        node(OBJECT, class(object).unwrap_or(unknown), ids.id(graph.address[object]), size, degree)?;
    }
    for piece in plan.rests.pieces() {
        let object = piece.object as usize;
        let id = ids.piece(graph.address[object], piece.number);
        node(OBJECT, class(object).unwrap_or(unknown), id, piece.bytes, 0)?;
    }
    numbers.finish()
}

#[cfg(test)]
mod tests;
