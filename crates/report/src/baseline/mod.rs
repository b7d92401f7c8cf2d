//! Recordings and what is derived from them: `m5 baseline`.

pub(crate) mod cgroup_text;
pub(crate) mod derived;
pub(crate) mod doc;
pub(crate) mod growth_text;
pub(crate) mod history_words;
pub(crate) mod layer_text;
pub(crate) mod layer_words;
pub(crate) mod read;
pub(crate) mod samples;
pub(crate) mod text;
pub(crate) mod words;
