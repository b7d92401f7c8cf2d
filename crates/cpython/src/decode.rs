//! Little-endian fields of a stretch of bytes; what lies outside reads as zero.

pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

pub(crate) fn half(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| i32::from_le_bytes(*b))
}

pub(crate) fn float(bytes: &[u8], at: usize) -> f64 {
    f64::from_bits(word(bytes, at))
}
