//! What the tests of this crate share.

use m5_kernel::Error;

/// What was attached; `None`, with a word, where the kernel does not allow it or this build cannot be watched. Where programs are
/// allowed for certain (`M5_TEST_BPF`) that is a failure.
pub(crate) fn allowed<T>(who: &str, attached: Result<T, Error>) -> Option<T> {
    match attached {
        Ok(attached) => Some(attached),
        Err(error @ (Error::Refused { .. } | Error::Unsupported(_))) => {
            assert!(std::env::var_os("M5_TEST_BPF").is_none(), "{who}: {error}");
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
