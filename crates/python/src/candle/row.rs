//! The numbers of one candle.

pub(super) const MAX_FIELDS: usize = 64;

/// As many of them as there are fields.
pub(super) type Row = [f64; MAX_FIELDS];
