//! The documents: plain values with a schema name, the same whether they are shown, stored or sent.
//! Bytes and seconds throughout; what was not measured is absent, never zero.

mod baseline;
mod criteria;
mod derived;
mod list;
mod pauses;
mod read;
mod samples;

pub use baseline::{
    BASELINE_SCHEMA, Baseline, ConnectionsAt, End, Interpreter, ProcessRecord, Recorded, RollupAt,
};
pub use criteria::{Criterion, Lack};
pub use derived::{Collections, Derived, GcFigures, Leak, LeakKind, Level, MemoryFigures, Severity};
pub use list::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
pub use pauses::{GenerationTotals, PauseLog};
pub use read::{ReadError, read_baseline};
pub use samples::{Sample, Samples};
