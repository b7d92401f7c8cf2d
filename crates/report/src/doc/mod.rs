//! The documents: plain values with a schema name, the same whether they are shown, stored or sent.
//! Bytes and seconds throughout; what was not measured is absent, never zero.

mod application;
mod baseline;
mod comparison;
mod criteria;
mod derived;
mod fleet;
mod gc;
mod health;
mod list;
mod long_pauses;
mod pauses;
mod process;
mod read;
mod runs;
mod samples;
mod stress;

pub use application::{Application, Said};
pub use baseline::{
    BASELINE_SCHEMA, Baseline, ConnectionsAt, End, Interpreter, LoadRecord, ProcessRecord, Recorded, RollupAt,
};
pub use comparison::{COMPARE_SCHEMA, Comparison, Metric, Side};
pub use criteria::{Criterion, Lack};
pub use derived::{Collections, Derived, GcFigures, Leak, LeakKind, Level, MemoryFigures, Severity};
pub use fleet::{FLEET_SCHEMA, Fleet, Group, Instance};
pub use gc::{Bucket, GC_SCHEMA, GcReport, Moment, Optimization, Trial, histogram};
pub use health::{CHECK_SCHEMA, Check, CheckedProcess, HEALTH_SCHEMA, Health};
pub use list::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
pub use long_pauses::{LongPause, LongPauses};
pub use pauses::{GenerationTotals, PauseLog};
pub use process::{FdTarget, PROCESS_SCHEMA, ProcessSnapshot};
pub use read::{ReadError, read_baseline, read_runs, schema};
pub use runs::{LEAKS_SCHEMA, Leaks, RUNS_SCHEMA, Run, Runs, Worker};
pub use samples::{Sample, Samples};
pub use stress::{Anomaly, STRESS_SCHEMA, Segment, Stress, StressCheck, StressPlan, read_stress};
