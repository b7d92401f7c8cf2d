//! What every report is made with: languages, units, styles, tables, words for values.

pub(crate) mod catalogue;
pub(crate) mod lang;
pub(crate) mod pprof;
pub(crate) mod strings;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod tree;
pub mod units;
pub(crate) mod value_words;
