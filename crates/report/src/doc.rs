//! The documents: plain values with a schema name, the same whether they are shown, stored or sent.
//! Bytes and seconds throughout; what was not measured is absent, never zero.

pub use crate::baseline::derived::{
    Collections, Derived, GcFigures, Leak, LeakKind, Level, MemoryFigures, Severity,
};
pub use crate::baseline::doc::{
    BASELINE_SCHEMA, Baseline, ConnectionsAt, End, Interpreter, LoadRecord, ProcessRecord, Recorded, RollupAt,
};
pub use crate::baseline::read::{ReadError, read_baseline, read_runs, schema};
pub use crate::baseline::samples::{Number, Sample, Samples};
pub use crate::comparison::doc::{COMPARE_SCHEMA, Comparison, Metric, Side};
pub use crate::fleet::doc::{FLEET_SCHEMA, Fleet, Group, Instance};
pub use crate::health::doc::{CHECK_SCHEMA, Check, CheckedProcess, HEALTH_SCHEMA, Health};
pub use crate::html::doc::{
    PAGE_SCHEMA, Page, PageObjectives, PagePauses, PageProcess, PageSamples, Sentence, floors, thinned,
};
pub use crate::list::doc::{LIST_SCHEMA, ListedProcess, ProcessList, Unread};
pub use crate::m5mem_page::doc::{Application, ApplicationValue};
pub use crate::objectives::doc::{Criterion, Lack, ObjectivesFrom};
pub use crate::pauses::doc::{Bucket, GC_SCHEMA, GcReport, Moment, Optimization, Trial, histogram};
pub use crate::pauses::log::{GenerationTotals, InterpreterPauses, PauseLog};
pub use crate::pauses::long_pauses::{LongPause, LongPauses};
pub use crate::pauses::thin::mix;
pub use crate::pauses::world::{Lengths, WorldLog};
pub use crate::process::doc::{FdTarget, PROCESS_SCHEMA, ProcessSnapshot};
pub use crate::runs::doc::{Kept, LEAKS_SCHEMA, Leaks, RUNS_SCHEMA, Run, Runs, Worker};
pub use crate::stress::doc::{Anomaly, STRESS_SCHEMA, Segment, Stress, StressCheck, StressPlan, read_stress};
pub use crate::why::doc::{Finding, Unseen, WHY_SCHEMA, Weight, What, Why};
pub use crate::why::judge::Seen;
