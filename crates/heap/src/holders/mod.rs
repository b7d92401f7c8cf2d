//! Who holds what: a good path from a named root to every object, and its name in words.

pub(crate) mod class;
mod describe;
mod group;
mod holder;
mod paths;

pub use class::{Class, classes};
pub use describe::Describer;
pub use group::{ByType, HolderGroup, TypeHolders, group_holders};
pub use holder::{Cause, Holder, cause, display_type};
pub use paths::{Held, PathTree};
