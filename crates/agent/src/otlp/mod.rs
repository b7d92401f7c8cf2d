//! OTLP: the metrics pushed to an OpenTelemetry receiver, under OpenTelemetry's names and units.

mod encode;
mod push;

pub use encode::encode;
pub use push::{OtlpError, Pusher};
