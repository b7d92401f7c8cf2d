//! Metrics as values, and the two texts that Prometheus reads: the classic exposition format and OpenMetrics.

mod family;
mod gc;
mod render;

pub use family::{Family, Histogram, Kind, Labels, Sample, Value};
pub use gc::{GcMetrics, PAUSE_BOUNDS};
pub use render::{CONTENT_TYPE_OPENMETRICS, CONTENT_TYPE_TEXT, Format, render};
