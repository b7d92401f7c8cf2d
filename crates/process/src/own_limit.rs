//! How many descriptors m5 itself may hold: watching many processes takes more than the usual soft limit.
#![allow(unsafe_code)]

/// The most descriptors that m5 may hold.
#[must_use]
pub fn descriptor_limit() -> u64 {
    limit().map_or(0, |l| l.rlim_cur)
}

/// Raises it as far as it goes; where the kernel refuses, the old one stays.
pub fn raise_descriptor_limit() {
    let Some(mut limit) = limit() else { return };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid rlimit.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

fn limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, exclusively borrowed rlimit.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (done == 0).then_some(limit)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_as_high_as_it_may_be() {
        super::raise_descriptor_limit();
        let limit = super::limit().unwrap();
        assert_eq!((super::descriptor_limit(), limit.rlim_cur), (limit.rlim_max, limit.rlim_max));
    }
}
