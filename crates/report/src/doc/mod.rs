//! The documents: plain values with a schema name, the same whether they are shown, stored or sent.
//! Bytes and seconds throughout; what was not measured is absent, never zero.

mod list;

pub use list::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
