//! Text for a terminal: values and a language in, lines out.

pub use crate::baseline::growth_text::growth_evidence;
pub use crate::baseline::layer_text::layer_line;
pub use crate::baseline::text::baseline;
pub use crate::comparison::text::compare;
pub use crate::fleet::text::fleet;
pub use crate::health::text::{check, health};
pub use crate::list::text::{beside_worker, command, list};
pub use crate::objectives::settings::settings;
pub use crate::objectives::text::{objective, objectives, objectives_from, summary};
pub(crate) use crate::pauses::optimization_text::optimization;
pub use crate::pauses::source_text::{place, remedy, why};
pub use crate::pauses::text::{finding_lines, gc_report};
pub(crate) use crate::process::executed_text::executed;
pub(crate) use crate::process::text::mapped;
pub use crate::process::text::process;
pub use crate::runs::text::{FIELDS as RUN_FIELDS, leaks, runs};
pub use crate::shared::style::{Style, for_terminal, json_for_terminal};
pub use crate::shared::table::{Align, Table};
pub use crate::shared::tree::below_parents;
pub use crate::shared::value_words::verdict_text;
pub use crate::stress::text::{stress, stress_check};
pub use crate::why::text::why as why_text;
