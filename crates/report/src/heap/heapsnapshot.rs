//! V8's heap snapshot: opens in the memory panel of Chrome's developer tools. Python's classes stand where
//! JavaScript's constructors do; a root object refers to every root by its name.

use m5_heap::{EdgeName, EdgeNamer, HeapGraph, Snapshot, display_type};
use std::collections::BTreeMap;
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
const NODE_FIELDS: u64 = 7;
const OBJECT: u64 = 3;
const SYNTHETIC: u64 = 9;
const ELEMENT: u64 = 1;
const PROPERTY: u64 = 2;

/// Writes the snapshot; names of references as far as the snapshot keeps them.
///
/// # Errors
/// Those of `out`.
pub fn heapsnapshot(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let graph = &snapshot.graph;
    let mut strings = Strings::default();
    let types: Vec<u64> = graph.types.iter().map(|t| strings.number(display_type(&t.name))).collect();
    let edges = graph.roots.len() + graph.edge_to.len();
    write!(
        out,
        r#"{{"snapshot":{{"meta":{META},"node_count":{},"edge_count":{edges},"trace_function_count":0}},"#,
        graph.len() + 1
    )?;
    out.write_all(b"\"nodes\":[")?;
    let root = strings.number("(roots)");
    write!(out, "{SYNTHETIC},{root},1,0,{},0,0", graph.roots.len())?;
    for object in 0..graph.len() {
        let kind = graph.type_id.get(object).and_then(|t| types.get(*t as usize)).copied().unwrap_or(0);
        let degree = graph.edges(object as u32).len();
        // Ids are odd, as V8's are, and 1 is the root's.
        write!(out, ",\n{OBJECT},{kind},{},{},{degree},0,0", object * 2 + 3, graph.size[object])?;
    }
    out.write_all(b"],\"edges\":[")?;
    write_edges(snapshot, &mut strings, out)?;
    out.write_all(
        b"],\"trace_function_infos\":[],\"trace_tree\":[],\"samples\":[],\"locations\":[],\"strings\":",
    )?;
    serde_json::to_writer(&mut *out, &strings.all)?;
    out.write_all(b"}\n")
}

fn write_edges(snapshot: &Snapshot, strings: &mut Strings, out: &mut dyn Write) -> io::Result<()> {
    let graph: &HeapGraph = &snapshot.graph;
    let mut first = true;
    let mut edge = |out: &mut dyn Write, kind: u64, name: u64, to: u32| {
        let comma = if std::mem::take(&mut first) { "" } else { ",\n" };
        write!(out, "{comma}{kind},{name},{}", (u64::from(to) + 1) * NODE_FIELDS)
    };
    for root in &graph.roots {
        edge(out, PROPERTY, strings.number(&root.name), root.object)?;
    }
    for from in 0..graph.len() as u32 {
        for (i, to) in graph.edges(from).iter().enumerate() {
            match snapshot.names.name(from, *to) {
                Some(EdgeName::Attribute(name) | EdgeName::Key(name)) => {
                    edge(out, PROPERTY, strings.number(&name), *to)?;
                }
                Some(EdgeName::Local(name) | EdgeName::Field(name)) => {
                    edge(out, PROPERTY, strings.number(&format!("<{name}>")), *to)?;
                }
                Some(EdgeName::Index(index)) => edge(out, ELEMENT, index, *to)?,
                Some(EdgeName::Member) | None => edge(out, ELEMENT, i as u64, *to)?,
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Strings {
    all: Vec<String>,
    numbers: BTreeMap<String, u64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample_snapshot;
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_invariants_that_chrome_relies_on() {
        let snapshot = sample_snapshot();
        let mut out = Vec::new();
        heapsnapshot(&snapshot, &mut out).unwrap();
        let json: Value = serde_json::from_slice(&out).unwrap();
        let numbers = |name: &str| -> Vec<u64> {
            json[name].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
        };
        let (nodes, edges) = (numbers("nodes"), numbers("edges"));
        let strings = json["strings"].as_array().unwrap();
        let count = |name: &str| json["snapshot"][name].as_u64().unwrap();
        assert_eq!(nodes.len() as u64, count("node_count") * NODE_FIELDS);
        assert_eq!(edges.len() as u64, count("edge_count") * 3);
        let meta = &json["snapshot"]["meta"];
        assert_eq!(
            meta["node_fields"].as_array().unwrap().len(),
            meta["node_types"].as_array().unwrap().len()
        );
        let mut ids = Vec::new();
        let mut degree = 0;
        for node in nodes.chunks(NODE_FIELDS as usize) {
            assert!((node[1] as usize) < strings.len());
            ids.push(node[2]);
            degree += node[4];
        }
        assert_eq!(degree, count("edge_count"));
        ids.dedup();
        assert_eq!(ids.len() as u64, count("node_count"));
        for edge in edges.chunks(3) {
            assert!(edge[2] % NODE_FIELDS == 0 && edge[2] < nodes.len() as u64);
            assert!(edge[0] != PROPERTY || (edge[1] as usize) < strings.len());
        }
        assert_eq!(nodes.chunks(7).map(|n| n[3]).sum::<u64>(), snapshot.graph.size.iter().sum::<u64>());
        assert!(strings.iter().any(|s| s == "history"));
    }
}
