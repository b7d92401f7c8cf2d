//! Holdings as stacks: each byte once, below the chain of those who hold it.

use m5_heap::{Holding, Summary};

/// A chain of holders, outermost first, and the bytes that are the last one's own.
pub(super) struct Stack {
    /// Names, outermost first.
    pub(super) frames: Vec<String>,
    /// Bytes.
    pub(super) bytes: u64,
}

/// The stacks of a summary; their bytes add up to those of all objects.
pub(super) fn stacks(summary: &Summary) -> Vec<Stack> {
    let mut out = Vec::new();
    let mut frames = Vec::new();
    for holding in &summary.holdings {
        descend(holding, &mut frames, &mut out);
    }
    let named: u64 = out.iter().map(|s| s.bytes).sum();
    let rest = summary.bytes.saturating_sub(named).saturating_sub(summary.garbage.bytes);
    for (name, bytes) in [("(garbage)", summary.garbage.bytes), ("(small holdings)", rest)] {
        if bytes > 0 {
            out.push(Stack { frames: vec![name.to_owned()], bytes });
        }
    }
    out
}

fn descend(holding: &Holding, frames: &mut Vec<String>, out: &mut Vec<Stack>) {
    let count = if holding.objects > 1 { format!(" ×{}", holding.objects) } else { String::new() };
    let kind =
        if holding.name == holding.type_name { String::new() } else { format!(" ({})", holding.type_name) };
    frames.push(format!("{}{kind}{count}", holding.name));
    let parts: u64 = holding.parts.iter().map(|p| p.retained_bytes).sum();
    let own = holding.retained_bytes.saturating_sub(parts);
    if own > 0 {
        out.push(Stack { frames: frames.clone(), bytes: own });
    }
    for part in &holding.parts {
        descend(part, frames, out);
    }
    frames.pop();
}
