//! When not to touch a process: each refusal says why and what to do instead.

use crate::trace::arch;
use crate::{Process, TraceError, TraceResult};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::io::Read;
use std::time::Duration;

/// What a look at a process says before it is stopped or forked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Safety {
    /// Whether a seccomp filter judges the system calls of any thread.
    pub seccomp: bool,
    /// Stopped by a signal already (Ctrl-Z): its memory does not change.
    pub job_stopped: bool,
    /// Bytes of its page tables, which a fork copies.
    pub page_table_bytes: u64,
    /// Bytes of private memory that a copy may make it have twice: anonymous, in memory or swapped out.
    pub private_bytes: u64,
    /// Bytes that the kernel promised it, touched or not: what a copy is promised once more.
    pub promised_bytes: u64,
    /// Mappings.
    pub mappings: usize,
}

/// Looks at a process before it is traced.
///
/// # Errors
/// [`TraceError::Refused`] for a debugger attached or a program of another architecture.
pub fn inspect(process: &Process) -> TraceResult<Safety> {
    let pid = process.pid();
    let text = status(process)?;
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim())
    };
    let number = |name: &str| field(name).and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok());
    if let Some(tracer) = number("TracerPid").filter(|t| *t != 0) {
        return refuse(format!(
            "PID {tracer} (a debugger or strace) is attached; end it or use --method live"
        ));
    }
    if field("State").is_some_and(|s| s.starts_with(['Z', 'X'])) {
        return Err(crate::Error::NoSuchProcess { pid }.into());
    }
    if !is_native(pid) {
        return refuse(format!("the program is not {}; use --method live", arch::NAME));
    }
    let safety = Safety {
        seccomp: process.threads()?.into_iter().any(|tid| is_filtered(pid, tid)),
        job_stopped: field("State").is_some_and(|s| s.starts_with('T')),
        page_table_bytes: number("VmPTE").unwrap_or(0) << 10,
        private_bytes: (number("RssAnon").unwrap_or(0) + number("VmSwap").unwrap_or(0)) << 10,
        promised_bytes: (number("VmData").unwrap_or(0) + number("VmStk").unwrap_or(0)) << 10,
        mappings: process.maps().map_or(0, |maps| maps.len()),
    };
    tracing::debug!(pid, ?safety, "looked at before it is traced");
    Ok(safety)
}

/// Whether a filter judges the system calls of a thread. What cannot be read is judged.
pub(crate) fn is_filtered(pid: i32, tid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")) else { return true };
    let mode = text.lines().find_map(|l| l.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() != "0")
}

pub(super) fn status(process: &Process) -> TraceResult<String> {
    let pid = process.pid();
    Ok(fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|e| crate::Error::from_io(pid, "status", e))?)
}

/// So many tasks are left to a target that starts some itself while its copy is one.
const SPARE_TASKS: u64 = 8;

/// Whether a copy-on-write child is safe here, with a pause as long as was allowed at the most.
///
/// # Errors
/// [`TraceError::Refused`] with the reason.
pub fn may_fork(process: &Process, safety: &Safety, max_pause: Duration) -> TraceResult<()> {
    if safety.job_stopped {
        return refuse("the target is stopped by a signal; --method freeze reads it as it is".into());
    }
    // Its end is sent to the copy, and the target is made to take that in: a copy that m5 may not end would stay a zombie.
    if Pid::from_raw(process.pid()).is_none_or(|pid| test_kill_process(pid) == Err(Errno::PERM)) {
        return refuse(
            "m5 may not send signals to a process of that user, and could not end the copy: add CAP_KILL, or use --method freeze"
                .into(),
        );
    }
    let status = status(process)?;
    if arch::protects_returns(&status) {
        return refuse("the target runs with a shadow stack; use --method freeze".into());
    }
    if has_huge_pages_of_its_own(process, &status) {
        return refuse(
            "it has private memory in huge pages of the machine's pool: a page that it writes to beside a copy takes another \
             of them, and where there is none, the write ends it; use --method freeze"
                .into(),
        );
    }
    if hears_of_copies(process) {
        return refuse(
            "it watches memory with userfaultfd and has itself told of every copy; use --method freeze"
                .into(),
        );
    }
    if let Some(left) = process.tasks_left().filter(|left| *left < SPARE_TASKS) {
        return refuse(format!(
            "its cgroup may have {left} more tasks, and a copy is one of them; use --method freeze, or raise pids.max"
        ));
    }
    let pause = fork_pause(safety);
    if pause > max_pause {
        return refuse(format!(
            "the copy of its page tables would take about {} ms, --max-pause is {} ms; use --method live or allow more",
            pause.as_millis(),
            max_pause.as_millis()
        ));
    }
    Ok(())
}

/// Whether private memory lies in huge pages of the pool (`hugetlbfs`, `MAP_HUGETLB`). What cannot be read is taken for it.
fn has_huge_pages_of_its_own(process: &Process, status: &str) -> bool {
    let used = status.lines().find_map(|l| l.strip_prefix("HugetlbPages:"));
    if used.is_none_or(|used| used.trim_start().starts_with("0 ")) {
        return false;
    }
    process.mapping_flags().map_or(true, |all| all.iter().any(|mapping| is_private_huge(&mapping.flags)))
}

/// Judges the kernel's words about a mapping: one of huge pages, that no other process may share.
fn is_private_huge(flags: &str) -> bool {
    let has = |word: &str| flags.split_whitespace().any(|flag| flag == word);
    has("ht") && !has("ms") && !has("sh")
}

/// Whether the process holds a userfaultfd that reports forks (`UFFD_FEATURE_EVENT_FORK`). What cannot be read does.
fn hears_of_copies(process: &Process) -> bool {
    let links = process.fd_links().unwrap_or_default();
    let watches = links.iter().filter(|(_, link)| link == "anon_inode:[userfaultfd]");
    watches
        .map(|(fd, _)| fs::read_to_string(process.path(&format!("fdinfo/{fd}"))))
        .any(|info| info.map_or(true, |info| reports_forks(&info)))
}

/// Judges the text of the descriptor: `API:` has the version, the features, and what the kernel can.
fn reports_forks(info: &str) -> bool {
    const EVENT_FORK: u64 = 1 << 1;
    let features = info.lines().find_map(|l| l.strip_prefix("API:")?.trim().split(':').nth(1));
    features.and_then(|f| u64::from_str_radix(f, 16).ok()).is_none_or(|features| features & EVENT_FORK != 0)
}

/// How long a fork of the process may take, from what the kernel copies: measured at 3.6 ms for 0.3 MiB of page tables
/// and 20 ms for 2.1 MiB, and about a microsecond a mapping; half as much again for a busy machine.
fn fork_pause(safety: &Safety) -> Duration {
    const START: Duration = Duration::from_millis(3);
    const PER_TABLE_MIB: Duration = Duration::from_millis(12);
    const PER_MAPPING: Duration = Duration::from_nanos(1500);
    let tables = PER_TABLE_MIB.mul_f64(safety.page_table_bytes as f64 / f64::from(1 << 20));
    START + tables + PER_MAPPING.saturating_mul(u32::try_from(safety.mappings).unwrap_or(u32::MAX))
}

fn refuse<T>(why: String) -> TraceResult<T> {
    Err(TraceError::Refused(why))
}

fn is_native(pid: i32) -> bool {
    let mut head = [0u8; 20];
    let read = fs::File::open(format!("/proc/{pid}/exe")).and_then(|mut f| f.read_exact(&mut head));
    read.is_ok() && arch::is_native(&head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_huge_pages_and_of_watched_memory() {
        assert!(is_private_huge("rd wr mr mw me de ht"));
        assert!(!is_private_huge("rd wr sh mr mw me ms de ht"));
        assert!(!is_private_huge("rd mr me ms ht") && !is_private_huge("rd wr mr mw me ac"));
        assert!(reports_forks("pending:\t0\ntotal:\t0\nAPI:\taa:80000002:5ffff\n"));
        assert!(!reports_forks("pending:\t0\ntotal:\t0\nAPI:\taa:80000000:5ffff\n"));
        assert!(reports_forks(""), "what is not said is feared");
    }

    #[test]
    fn a_pause_is_told_from_page_tables_and_mappings() {
        let of = |tables: u64, mappings| {
            fork_pause(&Safety { page_table_bytes: tables << 20, mappings, ..Safety::default() }).as_millis()
        };
        assert!((3..10).contains(&of(0, 300)));
        assert!((20..40).contains(&of(2, 300)));
        assert!(of(2, 100_000) > 150 && of(20, 300) > 200);
    }
}
