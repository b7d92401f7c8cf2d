//! Why the kernel refused, and what to do about it: another user's process, Yama, or a container's missing capability.

use m5_process::Process;
use m5_report::Lang;
use m5_report::texts::Fault;
use std::fs;

/// The remedies that fit this machine and this process.
#[must_use]
pub fn permission_remedies(pid: i32, lang: Lang) -> Vec<String> {
    if m5_process::hidden(pid) {
        return vec![lang.say(Fault::PermissionHidden).to_owned()];
    }
    let mut out = Vec::new();
    let uid = Process::open(pid).and_then(|p| p.status()).ok().and_then(|s| s.uid);
    let own = fs::read_to_string("/proc/self/status").ok().and_then(|s| m5_process::Status::parse(&s).uid);
    if let Some(uid) = uid.filter(|uid| Some(*uid) != own) {
        out.push(lang.fill(Fault::PermissionUser, &[&pid, &uid]));
    }
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
    if let Some(scope) = scope.as_deref().map(str::trim).filter(|s| *s != "0") {
        out.push(lang.fill(Fault::PermissionYama, &[&scope]));
    }
    if out.is_empty() || in_container() {
        out.push(lang.say(Fault::PermissionContainer).to_owned());
    }
    out
}

fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"]
        .iter()
        .any(|path| std::path::Path::new(path).exists())
}
