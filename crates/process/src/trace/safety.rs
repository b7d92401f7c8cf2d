//! When not to touch a process: each refusal says why and what to do instead.

use crate::{Process, TraceError, TraceResult};
use std::fs;
use std::io::Read;

/// What a look at a process says before it is stopped or forked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Safety {
    /// Whether a seccomp filter judges its system calls.
    pub seccomp: bool,
    /// Stopped by a signal already (Ctrl-Z): its memory does not change.
    pub job_stopped: bool,
    /// Bytes of its page tables, which a fork copies.
    pub page_table_bytes: u64,
}

/// Looks at a process before it is traced.
///
/// # Errors
/// [`TraceError::Refused`] for a debugger attached or a program that is not 64-bit x86.
pub fn inspect(process: &Process) -> TraceResult<Safety> {
    let pid = process.pid();
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|e| crate::Error::from_io(pid, "status", e))?;
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
    if !is_x86_64(pid) {
        return refuse("the program is not 64-bit x86; use --method live".into());
    }
    Ok(Safety {
        seccomp: number("Seccomp").is_some_and(|s| s != 0),
        job_stopped: field("State").is_some_and(|s| s.starts_with('T')),
        page_table_bytes: number("VmPTE").unwrap_or(0) << 10,
    })
}

/// Whether a copy-on-write child is safe here.
///
/// # Errors
/// [`TraceError::Refused`] with the reason.
pub fn may_fork(process: &Process, safety: &Safety) -> TraceResult<()> {
    let pid = process.pid();
    if safety.job_stopped {
        return refuse("the target is stopped by a signal; --method freeze reads it as it is".into());
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|e| crate::Error::from_io(pid, "status", e))?;
    let shadow = status.lines().any(|l| l.starts_with("x86_Thread_features:") && l.contains("shstk"));
    if shadow {
        return refuse("the target runs with a shadow stack; use --method freeze".into());
    }
    let anon = process.status()?.anon_bytes.unwrap_or(0);
    let left = [process.cgroup_headroom(), available()].into_iter().flatten().min();
    room_for_copy(safety.page_table_bytes, anon, left)
}

fn refuse<T>(why: String) -> TraceResult<T> {
    Err(TraceError::Refused(why))
}

/// Whether the copies that a target makes of its pages while the child lives fit below the memory limit.
fn room_for_copy(page_tables: u64, anonymous: u64, left: Option<u64>) -> TraceResult<()> {
    // The child lives for less than a second per gigabyte; a quarter of the memory written anew in that time is
    // more than was ever seen.
    let need = page_tables + anonymous / 4;
    match left {
        Some(left) if left < need => refuse(format!(
            "a copy-on-write child may need {} MiB and only {} MiB are left before the memory limit; use \
             --method freeze",
            need >> 20,
            left >> 20
        )),
        _ => Ok(()),
    }
}

fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn is_x86_64(pid: i32) -> bool {
    let mut head = [0u8; 20];
    let read = fs::File::open(format!("/proc/{pid}/exe")).and_then(|mut f| f.read_exact(&mut head));
    const CLASS_64: u8 = 2;
    const X86_64: [u8; 2] = [62, 0];
    read.is_ok() && head.starts_with(b"\x7fELF") && head[4] == CLASS_64 && head[18..20] == X86_64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_copy_is_refused_where_its_pages_would_not_fit() {
        assert!(room_for_copy(2 * MIB, 1000 * MIB, None).is_ok());
        assert!(room_for_copy(2 * MIB, 1000 * MIB, Some(252 * MIB)).is_ok());
        let refused = room_for_copy(2 * MIB, 1000 * MIB, Some(251 * MIB)).unwrap_err().to_string();
        assert!(refused.contains("may need 252 MiB and only 251 MiB are left"), "{refused}");
        assert!(refused.contains("--method freeze"), "{refused}");
    }
}
