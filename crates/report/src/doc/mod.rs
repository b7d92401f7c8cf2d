//! The documents: plain values with a schema name, the same whether they are shown, stored or sent.
//! Bytes and seconds throughout; what was not measured is absent, never zero.

mod fleet;
mod list;

pub use fleet::{FLEET_SCHEMA, Fleet, Group, Instance};
pub use list::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
