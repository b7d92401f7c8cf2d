//! References as the panel's edges: what kind each is, and what it is called.

use super::groups::{Group, Members};
use super::numbers::Numbers;
use super::plan::{NODE_FIELDS, Plan};
use crate::shared::strings::Strings;
use m5_heap::{Class, EdgeName, EdgeNamer, classes};
use std::io::{self, Write};

const CONTEXT: u64 = 0;
const ELEMENT: u64 = 1;
const PROPERTY: u64 = 2;
const INTERNAL: u64 = 3;
const WEAK: u64 = 6;

pub(crate) struct Edges<'a> {
    plan: &'a Plan<'a>,
    classes: Vec<Class>,
    strings: &'a mut Strings,
    numbers: Numbers<'a>,
}

impl<'a> Edges<'a> {
    pub(crate) fn new(plan: &'a Plan<'a>, strings: &'a mut Strings, out: &'a mut dyn Write) -> Self {
        Self { plan, classes: classes(&plan.snapshot.graph), strings, numbers: Numbers::new(out) }
    }

    /// Writes all of them, in the order of the nodes that they leave.
    pub(crate) fn write(mut self) -> io::Result<()> {
        let plan = self.plan;
        for i in 0..plan.groups.len() as u64 {
            self.edge(ELEMENT, i + 1, i + 1)?;
        }
        for group in &plan.groups {
            self.group(group)?;
        }
        for object in 0..plan.snapshot.graph.len() as u32 {
            self.object(object)?;
        }
        self.numbers.finish()
    }

    /// One edge to the node with this number.
    fn edge(&mut self, kind: u64, name: u64, to: u64) -> io::Result<()> {
        self.numbers.row(&[kind, name, to * NODE_FIELDS])
    }

    fn group(&mut self, group: &Group) -> io::Result<()> {
        let plan = self.plan;
        match &group.members {
            Members::Roots(numbers) => {
                for number in numbers {
                    let root = &plan.snapshot.graph.roots[*number];
                    let kind = if plan.keeping.root(*number) { PROPERTY } else { WEAK };
                    let name = self.strings.number(&root.name);
                    self.edge(kind, name, plan.first_object() + u64::from(root.object))?;
                }
            }
            Members::Garbage(objects) => {
                for (i, object) in (0..).zip(objects) {
                    self.edge(ELEMENT, i, plan.first_object() + u64::from(*object))?;
                }
            }
        }
        Ok(())
    }

    fn object(&mut self, from: u32) -> io::Result<()> {
        let plan = self.plan;
        let graph = &plan.snapshot.graph;
        let mut position = 0;
        for to in graph.edges(from) {
            let (kind, name) = self.label(from, *to, &mut position);
            self.edge(kind, name, plan.first_object() + u64::from(*to))?;
        }
        for piece in plan.rests.range(from) {
            let name = self.strings.number("bytes beyond 4 GiB");
            self.edge(INTERNAL, name, plan.first_rest() + piece as u64)?;
        }
        Ok(())
    }

    /// Kind and name of a reference; `position` counts items.
    fn label(&mut self, from: u32, to: u32, position: &mut u64) -> (u64, u64) {
        let plan = self.plan;
        let name = plan.snapshot.names.name(from, to);
        let garbage = !plan.keeping.reached(from) && !plan.keeping.reached(to);
        if !plan.keeping.reference(from, to) && !garbage {
            let text = name.map_or_else(|| self.nameless(from, to).to_owned(), words);
            return (WEAK, self.strings.number(&text));
        }
        match name {
            Some(EdgeName::Attribute(name) | EdgeName::Key(name)) => (PROPERTY, self.strings.number(&name)),
            Some(EdgeName::Local(name)) => (CONTEXT, self.strings.number(&name)),
            Some(EdgeName::Field(name)) => (INTERNAL, self.strings.number(&name)),
            Some(EdgeName::Index(index)) => {
                *position = index.saturating_add(1);
                (ELEMENT, index)
            }
            Some(EdgeName::Member) | None => match self.nameless(from, to) {
                "item" if self.class(from) == Class::Sequence => {
                    *position += 1;
                    (ELEMENT, *position - 1)
                }
                words => (INTERNAL, self.strings.number(words)),
            },
        }
    }

    /// What a reference is as far as its ends say.
    fn nameless(&self, from: u32, to: u32) -> &'static str {
        let graph = &self.plan.snapshot.graph;
        let own = graph.type_id.get(from as usize).and_then(|t| graph.types.get(*t as usize));
        if own.is_some_and(|t| Some(&t.address) == graph.address.get(to as usize)) {
            return "__class__";
        }
        match self.class(from) {
            Class::Sequence | Class::Dict => "item",
            Class::Module | Class::Type | Class::Instance | Class::Plain => "attribute",
            Class::Function | Class::Execution | Class::Plumbing => "field",
        }
    }

    fn class(&self, object: u32) -> Class {
        let kind = self.plan.snapshot.graph.type_id.get(object as usize);
        kind.and_then(|t| self.classes.get(*t as usize)).copied().unwrap_or(Class::Instance)
    }
}

fn words(name: EdgeName) -> String {
    match name {
        EdgeName::Attribute(text) | EdgeName::Key(text) | EdgeName::Local(text) | EdgeName::Field(text) => {
            text
        }
        EdgeName::Index(index) => index.to_string(),
        EdgeName::Member => "item".to_owned(),
    }
}
