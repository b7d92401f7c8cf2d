//! How many descriptors m5 itself may hold: watching many processes takes more than the usual soft limit.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;

/// The most descriptors that m5 may hold.
#[must_use]
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises it as far as it goes; where the kernel refuses, the old one stays.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Whether so many descriptors can be had beside those that are open, the limit raised if need be: where they run out in
/// the middle, what is not read would look as if it were not there.
#[must_use]
pub fn spare_descriptors(count: usize) -> bool {
    let had = || (0..count.div_ceil(2)).map(|_| io::pipe()).collect::<io::Result<Vec<_>>>().is_ok();
    had() || {
        raise_descriptor_limit();
        had()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_as_high_as_it_may_be() {
        super::raise_descriptor_limit();
        let most = super::getrlimit(super::Resource::Nofile).maximum;
        assert_eq!(super::descriptor_limit(), most.unwrap_or(u64::MAX));
    }
}
