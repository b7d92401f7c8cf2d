//! Who holds what: a good path from a named root to every object, and its name in words.

mod class;
mod describe;
mod group;
mod paths;

pub use class::{Class, classes};
pub use describe::{Cause, Describer, Holder, cause, display_type};
pub use group::{ByType, HolderGroup, TypeHolders, group_holders};
pub use paths::{Held, PathTree};
