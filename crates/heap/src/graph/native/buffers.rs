//! Blocks that are buffers of objects whose layout is known: what they refer to was counted with the object.

use crate::census::blocks;
use crate::census::kind::Kind;
use crate::census::types::TypeDesc;
use crate::graph::edges::Walker;
use m5_cpython::layout::objects::{Managed, type_fields as tf};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

/// Chunks of the C library that are such buffers.
pub(super) fn large(walker: &Walker<'_>) -> FxHashSet<u64> {
    let census = walker.census;
    let is_chunk = |at: u64| {
        let arena = census.taken.partition_point(|(start, _)| *start <= at).checked_sub(1);
        let small = arena.and_then(|a| census.taken.get(a)).is_some_and(|(_, end)| at < *end);
        !small && blocks::chunk(census, at).is_some()
    };
    let mut out: FxHashSet<u64> = gather(walker, is_chunk);
    out.extend(walker.owners.values().flatten().map(|(block, _)| *block));
    out
}

/// Those among `blocks` that are such buffers.
pub(crate) fn among(walker: &Walker<'_>, blocks: &FxHashSet<u64>) -> FxHashSet<u64> {
    if blocks.is_empty() { FxHashSet::default() } else { gather(walker, |at| blocks.contains(&at)) }
}

fn gather(walker: &Walker<'_>, wanted: impl Fn(u64) -> bool + Sync) -> FxHashSet<u64> {
    let of = |object: u32| {
        let mut out = Vec::new();
        let census = walker.census;
        if let (Some(at), Some(desc)) = (census.address.get(object as usize), census.desc(object)) {
            each(walker, *at, desc, &mut |buffer| {
                if wanted(buffer) {
                    out.push(buffer);
                }
            });
        }
        out
    };
    (0..walker.census.len() as u32).into_par_iter().flat_map_iter(of).collect()
}

/// Hands out the buffers of an object.
fn each(walker: &Walker<'_>, at: u64, desc: &TypeDesc, see: &mut impl FnMut(u64)) {
    let (image, layout) = (walker.image, walker.anchor.layout);
    let word = |offset: u64| image.word_at(at, offset).unwrap_or(0);
    match desc.kind {
        Kind::List => see(word(24).wrapping_sub(layout.list_head())),
        Kind::Dict => {
            see(word(32));
            values_block(walker, word(40), see);
        }
        Kind::OrderedDict => {
            see(word(32));
            values_block(walker, word(40), see);
            // Its nodes by place in the table, and one after the other.
            see(word(64));
            let mut node = word(48);
            for _ in 0..word(16) {
                let Some(next) = image.word_in(node, 16).filter(|_| node != 0) else { break };
                see(node);
                node = next;
            }
        }
        Kind::Set => see(word(40)),
        Kind::Deque => {
            const NEXT: u64 = 8 + 64 * 8;
            let (mut block, last) = (word(24), word(32));
            for _ in 0..=word(16) / 64 + 1 {
                see(block);
                if block == last || block == 0 {
                    break;
                }
                block = image.word_in(block, NEXT).unwrap_or(0);
            }
        }
        Kind::Type => see(word(u64::from(layout.cached_keys))),
        Kind::NdArray => {
            see(word(16));
            see(word(32));
        }
        Kind::ByteArray => see(word(32)),
        Kind::Str => {
            // Its text where it is apart, and a copy in UTF-8.
            see(word(u64::from(layout.str_compact)));
            see(word(u64::from(layout.str_ascii) + 8));
        }
        _ => {}
    }
    for (buffer, _) in desc.outside.iter().flat_map(|o| o.buffers(image, at)) {
        see(buffer);
    }
    if desc.flags & tf::MANAGED_DICT != 0 {
        let back = |offset: u64| image.word(at.wrapping_sub(offset)).unwrap_or(0);
        match layout.managed {
            Managed::ValuesAndDict => values_block(walker, back(32), see),
            Managed::Tagged if back(24) & 1 != 0 => values_block(walker, back(24).wrapping_add(1), see),
            _ => {}
        }
    }
}

/// Values of attributes: from 3.11 on with a few bytes before the first.
fn values_block(walker: &Walker<'_>, values: u64, see: &mut impl FnMut(u64)) {
    if values == 0 {
        return;
    }
    see(values);
    let before = walker.image.byte(values.wrapping_sub(1)).unwrap_or(0);
    see(values.wrapping_sub(u64::from(before)));
}
