//! What every thread and every asyncio task of a process does now: `m5 dump`.

pub(crate) mod doc;
pub(crate) mod text;
pub(crate) mod words;

pub use doc::{DUMP_SCHEMA, Dump, DumpedTask, DumpedThread, GilSeen};
pub use text::text;
