//! Numbers of processes inside and outside of containers.

use m5_report::Lang;
use m5_report::texts::Fault;

/// Containers count processes by themselves: where such a number was meant, which one it is here.
pub(super) fn numbers(pid: i32, lang: Lang) -> Vec<String> {
    // Every container has a first process; to name them all helps nobody.
    const TOLD: usize = 3;
    let outer = m5_process::outer_pids(pid);
    let mut out: Vec<String> =
        outer.iter().take(TOLD).map(|outer| lang.fill(Fault::InsideContainer, &[&pid, outer])).collect();
    if out.is_empty() && m5_process::in_pid_namespace() {
        out.push(lang.say(Fault::OutsideContainer).to_owned());
    }
    out
}
