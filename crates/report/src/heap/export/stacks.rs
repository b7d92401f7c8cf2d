//! Holdings as stacks: each byte once, below the chain of those who hold it.

use m5_heap::{Holding, Summary};

/// A holder: its name with its type, and how many objects it stands for.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) name: String,
    pub(crate) objects: u64,
}

/// A chain of holders, outermost first, with the objects and bytes that are the last one's own.
pub(crate) struct Stack {
    pub(crate) frames: Vec<Frame>,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// The stacks of a summary; their objects and bytes add up to all there are.
pub(crate) fn stacks(summary: &Summary) -> Vec<Stack> {
    let mut out = Vec::new();
    let mut frames = Vec::new();
    for holding in &summary.holdings {
        descend(holding, &mut frames, &mut out);
    }
    let sum = |of: fn(&Stack) -> u64| out.iter().map(of).sum::<u64>();
    let garbage = &summary.garbage;
    let rest = |all: u64, named: u64, garbage: u64| all.saturating_sub(named).saturating_sub(garbage);
    let bytes = rest(summary.bytes, sum(|s| s.bytes), garbage.bytes);
    let objects = rest(summary.objects, sum(|s| s.objects), garbage.objects);
    for (name, objects, bytes) in
        [("(garbage)", garbage.objects, garbage.bytes), ("(small holdings)", objects, bytes)]
    {
        // Attributes that are shown with their owner leave objects without bytes.
        if objects + bytes > 0 {
            out.push(Stack { frames: vec![Frame { name: name.to_owned(), objects: 1 }], objects, bytes });
        }
    }
    out
}

fn descend(holding: &Holding, frames: &mut Vec<Frame>, out: &mut Vec<Stack>) {
    let kind =
        if holding.name == holding.type_name { String::new() } else { format!(" ({})", holding.type_name) };
    frames.push(Frame { name: format!("{}{kind}", holding.name), objects: holding.objects });
    let parts: u64 = holding.parts.iter().map(|p| p.retained_bytes).sum();
    let bytes = holding.retained_bytes.saturating_sub(parts);
    if bytes > 0 {
        out.push(Stack { frames: frames.clone(), objects: holding.objects, bytes });
    }
    for part in &holding.parts {
        descend(part, frames, out);
    }
    frames.pop();
}
