//! The watchdog: rules on a service's figures, with hold time, hysteresis and cooldown; actions in order,
//! evidence first; everything that is done is one line in a journal.

mod act;
mod action;
mod counts;
mod event;
mod evidence;
mod journal;
mod memory;
mod quiet;
mod rule;
mod run;
mod tracked;
mod value;
mod worker;

pub use act::Outcome;
pub use action::Action;
pub use event::Keep;
pub use journal::{Journal, JournalError};
pub use quiet::Quiet;
pub use rule::{Change, Level, Restarts, Rule, RuleState, Whom};
pub use run::{Alarm, Settings, Watchdog};
pub use value::Metric;
