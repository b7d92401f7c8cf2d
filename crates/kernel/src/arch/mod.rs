//! What programs in the kernel must know of a processor: where its registers lie, the numbers of calls, and what code
//! does. One file an architecture, all with the same names.

#[cfg(any(test, target_arch = "aarch64"))]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::{
    ARGUMENTS, BREAKPOINT_PROGRAMS, CALL, CALL_FIRST, CALL_SECOND, CALL_THIRD, EPOLLS,
    POLL_WITH_MILLISECONDS, POLLS, RESULT, RETURNS_TO, SELECTS, STACK_POINTER, WATCHES_END, behind,
};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{
    ARGUMENTS, BREAKPOINT_PROGRAMS, CALL, CALL_FIRST, CALL_SECOND, CALL_THIRD, EPOLLS,
    POLL_WITH_MILLISECONDS, POLLS, RESULT, RETURNS_TO, SELECTS, STACK_POINTER, WATCHES_END, behind,
};

/// Where a function finds, at its first instruction, the place to which it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnsTo {
    /// In the register that is kept at this offset.
    #[cfg_attr(not(target_arch = "aarch64"), allow(dead_code))]
    Register(i16),
    /// At the top of the stack, whose pointer is kept at this offset.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Stack(i16),
}

/// What lies behind a function that ends in a call through a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// The function that the table holds now.
    Function(u64),
    /// The table's function is compared with a known one, whose code then follows.
    Inlined,
    /// Code that is not understood.
    Unknown,
}

/// Whether a thread goes on behind a breakpoint at which a program runs, on the kernel that runs here.
pub(crate) fn programs_may_break() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    version(&release) >= BREAKPOINT_PROGRAMS
}

/// Major and minor version of a kernel's release; zero where it names none.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_kernels() {
        assert_eq!(version("6.1.0-44-amd64\n"), (6, 1));
        assert_eq!(version("7.2.13+deb14-arm64-16k"), (7, 2));
        assert_eq!(version("unknown"), (0, 0));
        assert!(
            version("5.15.0") < aarch64::BREAKPOINT_PROGRAMS
                && version("6.6") >= aarch64::BREAKPOINT_PROGRAMS
        );
    }
}
