//! What differs between processors in structures that are equal otherwise.

/// How many bytes the runtime may be longer than its layout says. Of glibc's mutexes, of which it holds two, each is
/// eight bytes longer on Arm; musl's are not.
pub(crate) const LONGER_RUNTIME: &[u64] = if cfg!(target_arch = "aarch64") { &[0, 16] } else { &[0] };
