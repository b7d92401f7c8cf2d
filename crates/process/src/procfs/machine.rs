//! The machine that a recording was made on: figures from two machines are not compared unknowingly.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What identifies a machine for comparisons; each field is absent where the kernel does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Host name.
    pub hostname: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Architecture that m5 was built for.
    pub architecture: Option<String>,
    /// Model of the first CPU: its name, or the numbers that Arm's have instead.
    pub cpu: Option<String>,
    /// CPUs online.
    pub cpus: Option<u64>,
    /// Memory of the machine, bytes.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// Reads what a procfs says.
    #[must_use]
    pub fn read(proc_root: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(proc_root.join(name)).ok();
        let line = |name: &str| text(name).map(|t| t.trim().to_owned());
        let info = text("cpuinfo").unwrap_or_default();
        let memory = text("meminfo").unwrap_or_default();
        let kib = memory.lines().find_map(|l| l.strip_prefix("MemTotal:"));
        Self {
            hostname: line("sys/kernel/hostname"),
            kernel: line("sys/kernel/osrelease"),
            architecture: Some(std::env::consts::ARCH.to_owned()),
            cpu: cpu(&info),
            cpus: std::thread::available_parallelism().ok().map(|n| n.get() as u64),
            memory_bytes: kib
                .and_then(|k| k.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)),
        }
    }
}
/// The model of the first CPU of a `cpuinfo`.
fn cpu(info: &str) -> Option<String> {
    let value = |name: &str| {
        let line = info.lines().find_map(|l| l.strip_prefix(name)?.split_once(':'));
        line.map(|(_, value)| value.trim().to_owned())
    };
    let by_numbers =
        || Some(format!("implementer {}, part {}", value("CPU implementer")?, value("CPU part")?));
    value("model name").or_else(by_numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_by_name_or_by_numbers() {
        assert_eq!(cpu("processor\t: 0\nmodel name\t: Xeon\n").as_deref(), Some("Xeon"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu(arm).as_deref(), Some("implementer 0x41, part 0xd0c"));
        assert_eq!(cpu(""), None);
    }
}
