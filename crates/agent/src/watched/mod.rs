//! One watched process, as recordings and the pool of an exporter both see it.

mod interpreters;

pub(crate) use interpreters::Interpreters;
