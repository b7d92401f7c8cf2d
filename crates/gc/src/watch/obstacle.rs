//! Tells apart why the kernel refused: the same error number has several causes with different remedies.

use super::exclusive_pairs::REFUSED;
use crate::Obstacle;
use crate::perf::{Attr, Event, OpenError, Target};

/// What stands behind an error of opening a watch on another process.
pub(crate) fn diagnose(error: OpenError) -> Obstacle {
    if error == REFUSED {
        return Obstacle::ExclusivePairs;
    }
    let OpenError(errno) = error;
    match errno {
        libc::ENOSPC => Obstacle::NoRegisters,
        libc::EMFILE | libc::ENFILE => Obstacle::FileLimit { limit: m5_process::descriptor_limit() },
        libc::EPERM | libc::EACCES | libc::ENOSYS => denied(errno),
        libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP | libc::EINVAL | libc::E2BIG => {
            Obstacle::Unsupported { errno }
        }
        errno => Obstacle::Other { errno },
    }
}

/// An event on m5 itself needs nobody's leave but the system's.
fn denied(errno: i32) -> Obstacle {
    let own = Event::open(&Attr::dummy().disabled(), Target { tid: 0, cpu: -1 }, None);
    match own {
        Ok(_) if errno == libc::EACCES => Obstacle::OtherUser,
        Ok(_) => Obstacle::Denied { errno },
        Err(OpenError(errno)) if seccomp() => Obstacle::Seccomp { errno },
        Err(OpenError(libc::ENOSYS)) => Obstacle::Unsupported { errno: libc::ENOSYS },
        Err(OpenError(errno)) => match paranoid() {
            Some(level) if level > 2 => Obstacle::Paranoid { level },
            _ => Obstacle::Denied { errno },
        },
    }
}

/// Whether a seccomp filter is on m5.
fn seccomp() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    status.lines().any(|l| l.strip_prefix("Seccomp:").is_some_and(|v| v.trim() == "2"))
}

fn paranoid() -> Option<i32> {
    std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}
