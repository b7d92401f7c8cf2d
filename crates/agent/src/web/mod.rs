//! The web side of the exporter: it hands out what a sampler has filled, and never reads a process itself.

mod access;
mod bounds;
mod hosts;
mod server;

/// The bytes of an answer.
pub use axum::body::Bytes;

pub use access::{Access, AccessError};
pub use bounds::Bounds;
pub use hosts::{AllowedHost, HostError};
pub use server::{Server, Source, Tls, Wanted, WebError, WebOptions, serve};
