//! `/proc/PID/{stat,status,smaps_rollup}`: the numbers that the kernel keeps per process.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The part of `/proc/PID/stat` that changes with every sample.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stat {
    /// Command name, at most 15 bytes.
    pub comm: String,
    /// State letter (`R`, `S`, `T`, `Z`…).
    pub state: char,
    /// Parent pid.
    pub ppid: i32,
    /// Faults that needed no disk.
    pub minor_faults: u64,
    /// Faults that did.
    pub major_faults: u64,
    /// CPU in user mode, clock ticks.
    pub user_ticks: u64,
    /// CPU in the kernel, clock ticks.
    pub system_ticks: u64,
    /// Threads.
    pub threads: u64,
    /// Start, clock ticks since boot.
    pub start_ticks: u64,
    /// Virtual size; 0 once it has given up its memory on the way to its end.
    pub virtual_bytes: u64,
    /// Where its stack begins; absent where that is not told (only who may trace it is).
    pub stack_start: Option<u64>,
}

/// The part of `/proc/PID/status` that m5 reads; bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Effective user id.
    pub uid: Option<u32>,
    /// Resident set size.
    pub rss_bytes: Option<u64>,
    /// Highest resident set size so far (VmHWM).
    pub peak_rss_bytes: Option<u64>,
    /// Anonymous resident memory.
    pub anon_bytes: Option<u64>,
    /// Resident file pages.
    pub file_bytes: Option<u64>,
    /// Resident shared memory.
    pub shmem_bytes: Option<u64>,
    /// Swapped out.
    pub swap_bytes: Option<u64>,
    /// Page tables, which RSS does not count.
    #[serde(default)]
    pub page_table_bytes: Option<u64>,
    /// Virtual size.
    pub virtual_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Context switches of its own accord.
    pub voluntary_switches: Option<u64>,
    /// Context switches forced on it.
    pub involuntary_switches: Option<u64>,
}

/// `/proc/PID/smaps_rollup`; reading it holds the target's mmap lock, so it is read rarely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rollup {
    /// Proportional set size, bytes.
    pub pss_bytes: u64,
    /// Unique set size (private clean and dirty), bytes.
    pub uss_bytes: u64,
}

impl Stat {
    /// Whether it still runs: no zombie, and not on the way to be one. What ends gives up its memory first, and that of a
    /// large process takes a while: figures read meanwhile would be zeros.
    #[must_use]
    pub fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X') && self.virtual_bytes > 0
    }

    /// Parses the one line of `/proc/PID/stat`; the command may hold spaces and parentheses.
    ///
    /// # Errors
    /// [`Error::Malformed`] where a field is missing or no number.
    pub fn parse(text: &str) -> Result<Self> {
        Self::fields(text).ok_or_else(|| Error::malformed("stat", text.chars().take(80).collect::<String>()))
    }

    fn fields(text: &str) -> Option<Self> {
        let (_, after) = text.split_once('(')?;
        let (comm, rest) = after.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok());
        Some(Self {
            comm: comm.to_owned(),
            state: fields.first()?.chars().next()?,
            ppid: fields.get(1)?.parse().ok()?,
            minor_faults: number(7)?,
            major_faults: number(9)?,
            user_ticks: number(11)?,
            system_ticks: number(12)?,
            threads: number(17)?,
            start_ticks: number(19)?,
            virtual_bytes: number(20)?,
            stack_start: number(25).filter(|at| *at != 0),
        })
    }
}

impl Status {
    /// Parses `/proc/PID/status`; a field that the kernel does not print stays `None`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for (key, value) in text.lines().filter_map(|l| l.split_once(':')) {
            let mut words = value.split_whitespace();
            let first = words.next().and_then(|w| w.parse::<u64>().ok());
            let bytes = first.and_then(|kib| kib.checked_mul(1024));
            match key {
                "Uid" => out.uid = words.next().and_then(|w| w.parse().ok()),
                "VmRSS" => out.rss_bytes = bytes,
                "VmHWM" => out.peak_rss_bytes = bytes,
                "RssAnon" => out.anon_bytes = bytes,
                "RssFile" => out.file_bytes = bytes,
                "RssShmem" => out.shmem_bytes = bytes,
                "VmSwap" => out.swap_bytes = bytes,
                "VmPTE" => out.page_table_bytes = bytes,
                "VmSize" => out.virtual_bytes = bytes,
                "Threads" => out.threads = first,
                "voluntary_ctxt_switches" => out.voluntary_switches = first,
                "nonvoluntary_ctxt_switches" => out.involuntary_switches = first,
                _ => {}
            }
        }
        out
    }
}

impl Rollup {
    /// Parses `/proc/PID/smaps_rollup`.
    ///
    /// # Errors
    /// [`Error::Malformed`] where there is no PSS.
    pub fn parse(text: &str) -> Result<Self> {
        let kib = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        let all = || {
            let uss_bytes = kib("Private_Clean")?.checked_add(kib("Private_Dirty")?)?;
            Some(Self { pss_bytes: kib("Pss")?, uss_bytes })
        };
        all().ok_or_else(|| Error::malformed("smaps_rollup", "no Pss or Private lines"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_with_parentheses() {
        let text = "7 (py (x) y) S 1 7 7 0 -1 0 10 0 2 0 30 40 0 0 20 0 3 0 555 0 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.comm.as_str(), stat.state, stat.ppid), ("py (x) y", 'S', 1));
        assert_eq!((stat.minor_faults, stat.major_faults, stat.user_ticks), (10, 2, 30));
        assert_eq!((stat.system_ticks, stat.start_ticks, stat.stack_start), (40, 555, None));
    }

    #[test]
    fn the_stack_starts_inside_the_stack() {
        let me = crate::Process::open(std::process::id() as i32).unwrap();
        let start = me.stat().unwrap().stack_start.unwrap();
        assert!(me.maps().unwrap().iter().any(|m| m.path == "[stack]" && m.start <= start && start < m.end));
    }

    #[test]
    fn absent_is_not_zero() {
        let status = Status::parse("VmRSS:\t 12 kB\nUid:\t1 2 3 4\n");
        assert_eq!((status.rss_bytes, status.swap_bytes, status.uid), (Some(12 << 10), None, Some(2)));
    }

    proptest! {
        #[test]
        fn never_panic(text in "\\PC{0,300}") {
            let _ = (Stat::parse(&text), Status::parse(&text), Rollup::parse(&text));
        }
    }
}
