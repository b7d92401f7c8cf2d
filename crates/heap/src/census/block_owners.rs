//! Memory blocks that belong to objects of unknown extension types and to the state of modules. Buffers that the size of an
//! object counts already are none of them.
//!
//! Only the first word that points to the very beginning of a block owns it, so that no block is read as
//! part of two objects.

use crate::census::Census;
use crate::census::blocks::{block, holds_object};
use crate::census::kind::Kind;
use crate::graph::dict::word;
use crate::graph::edges::BlockOwners;
use crate::image::Image;
use m5_process::LOWEST_ADDRESS;
use rustc_hash::FxHashSet;

/// Larger blocks are numbers, not references.
const LARGEST: u64 = 16 << 20;

/// Assigns blocks to objects.
pub(crate) fn assign(image: &Image, census: &Census) -> BlockOwners {
    let mut owners = BlockOwners::default();
    let mut taken: FxHashSet<u64> = FxHashSet::default();
    for object in 0..census.len() as u32 {
        let Some(desc) = census.desc(object) else { continue };
        // A Python class adds no pointers to blocks; a module keeps the state of its library.
        let from = match desc.kind {
            Kind::Plain if !desc.exact || desc.name == "module" => 16 + image.shift() as usize,
            // NumPy's classes of data types keep their tables behind the fields of a class.
            Kind::Type if desc.basic_size > desc.covered && !desc.exact => desc.covered as usize,
            _ => continue,
        };
        let at = census.address.get(object as usize).copied().unwrap_or(0);
        let fields = image.slice(at, desc.basic_size as usize).unwrap_or(&[]);
        let counted: Vec<u64> =
            desc.outside.iter().flat_map(|o| o.buffers(image, at)).map(|(buffer, _)| buffer).collect();
        for offset in (from..fields.len().saturating_sub(7)).step_by(8) {
            let pointer = word(fields, offset);
            if pointer < LOWEST_ADDRESS || !pointer.is_multiple_of(8) || taken.contains(&pointer) {
                continue;
            }
            if counted.contains(&pointer) {
                continue;
            }
            let Some(bytes) = block(image, census, pointer).filter(|b| *b <= LARGEST) else {
                continue;
            };
            if !holds_object(image, census, pointer, bytes) && taken.insert(pointer) {
                owners.entry(object).or_default().push((pointer, bytes));
            }
        }
    }
    owners
}
