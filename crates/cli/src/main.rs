//! The `m5` binary.
fn main() {}
