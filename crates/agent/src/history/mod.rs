//! What was sampled, kept for weeks in a bounded file: written by those who watch for days, read back as a
//! recording. Why SQLite, and what thinning keeps: `docs/adr/0012`.

mod block;
mod error;
mod feed;
mod limits;
mod lock;
mod read;
mod recent;
mod rows;
mod schema;
mod store;
mod thin;

pub use block::Block;
pub use error::HistoryError;
pub use feed::History;
pub use limits::Limits;
pub use read::{Query, read};
pub use store::{Entry, Head, Session, Store, file};
