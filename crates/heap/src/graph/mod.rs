//! From objects to a graph: references, roots, frames, what can be reached.

pub(crate) mod build;
pub(crate) mod column;
pub(crate) mod dict;
pub(crate) mod edges;
pub(crate) mod fading;
pub(crate) mod frames;
pub(crate) mod keepers;
pub(crate) mod model;
pub(crate) mod native;
pub(crate) mod reachability;
pub(crate) mod roots;
pub(crate) mod uncollectable;
