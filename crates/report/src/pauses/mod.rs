//! Collections and their pauses: `m5 gc`, Chrome traces.

pub(crate) mod chrome;
pub(crate) mod doc;
pub(crate) mod log;
pub(crate) mod long_pauses;
pub(crate) mod optimization_text;
pub(crate) mod source_text;
pub(crate) mod source_words;
pub(crate) mod table_text;
pub(crate) mod text;
pub(crate) mod thin;
pub(crate) mod tuning_words;
pub(crate) mod words;
pub(crate) mod world;
