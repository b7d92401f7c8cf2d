//! Processes that must not be touched, as they are in life: each refusal names what to do instead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_process::{Headroom, MemoryNeed, Process, inspect, may_fork};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child that is killed with the value.
struct Running(Child);

impl Running {
    fn process(&self) -> Process {
        Process::open(self.0.id() as i32).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of 32-bit x86 that waits for a signal: an ELF head, one loadable part, `pause` in a loop.
fn program_of_32_bit() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEADS: u32 = 52 + 32;
    let code = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let size = HEADS + code.len() as u32;
    let mut elf = b"\x7fELF\x01\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([2, 0, 3, 0]);
    let head = [1, BASE + HEADS, 52, 0, 0];
    elf.extend(head.iter().flat_map(|w: &u32| w.to_le_bytes()));
    elf.extend([52u16, 32, 1, 40, 0, 0].iter().flat_map(|w| w.to_le_bytes()));
    let part = [1, 0, BASE, BASE, size, size, 5, 0x1000];
    elf.extend(part.iter().flat_map(|w: &u32| w.to_le_bytes()));
    elf.extend(code);
    elf
}

#[test]
fn a_32_bit_program() {
    const ENOEXEC: i32 = 8;
    let dir = tempfile::tempdir().unwrap();
    let (written, path) = (dir.path().join("written"), dir.path().join("waits"));
    fs::write(&written, program_of_32_bit()).unwrap();
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).unwrap();
    // What another test forks meanwhile may hold the first one open for writing: that could not be started.
    assert!(Command::new("cp").arg(&written).arg(&path).status().unwrap().success());
    let started = Command::new(&path).stdin(Stdio::null()).spawn();
    if matches!(&started, Err(e) if e.raw_os_error() == Some(ENOEXEC)) {
        eprintln!("skipped: this kernel runs no 32-bit programs");
        return;
    }
    let running = Running(started.unwrap());
    let refused = inspect(&running.process()).unwrap_err().to_string();
    assert!(refused.contains("not 64-bit x86"), "{refused}");
    assert!(refused.contains("--method live"), "{refused}");
}

/// A memory cgroup of its own; removed with the value.
struct Group(PathBuf);

impl Group {
    /// `None` where this user may not make one.
    fn new() -> Option<Self> {
        let name = format!("m5-test-{}", std::process::id());
        let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(Path::new);
        let limits = ["memory.limit_in_bytes", "memory.max"];
        roots.iter().find_map(|root| {
            let dir = root.join(&name);
            fs::create_dir(&dir).ok()?;
            let group = Self(dir);
            limits.iter().any(|l| group.0.join(l).exists()).then_some(group)
        })
    }

    fn write(&self, names: [&str; 2], value: &str) {
        let file = names.iter().map(|n| self.0.join(n)).find(|p| p.exists()).unwrap();
        fs::write(file, value).unwrap();
    }

    fn current(&self) -> u64 {
        let names = ["memory.usage_in_bytes", "memory.current"];
        let text = names.iter().find_map(|n| fs::read_to_string(self.0.join(n)).ok()).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_memory_limit_too_near_for_a_copy() {
    const HELD: &str = "import sys\nx = bytearray(64 << 20)\nprint('ready', flush=True)\nsys.stdin.read()";
    let Some(group) = Group::new() else {
        eprintln!("skipped: no memory cgroup can be made here");
        return;
    };
    // The shell joins the group before it becomes the program, so that the program's memory is charged to it.
    let join = format!("echo $$ > {}/cgroup.procs && exec python3 -c \"$0\"", group.0.display());
    let mut command = Command::new("sh");
    command.args(["-c", &join, HELD]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut line = String::new();
    let out = running.0.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    let process = running.process();
    let safety = inspect(&process).unwrap();
    may_fork(&process, &safety, Duration::from_secs(1)).expect("nothing speaks against it");
    let need = MemoryNeed { target: safety.page_table_bytes + safety.private_bytes, ..MemoryNeed::default() };
    assert!(need.target > 64 << 20);
    let here = || Headroom::of(process.pid());
    here().check(need).expect("without a limit there is room");
    // All that it holds may come to be there twice, and something beside it is kept free.
    group.write(["memory.limit_in_bytes", "memory.max"], &(group.current() + need.target).to_string());
    let short = here().check(need).unwrap_err();
    assert!(!short.own && short.place.contains("cgroup"), "{short}");
    group.write(["memory.limit_in_bytes", "memory.max"], &(group.current() + 2 * need.target).to_string());
    here().check(need).expect("with twice as much there is room");
    let refused = may_fork(&process, &safety, Duration::from_millis(1)).unwrap_err().to_string();
    assert!(refused.contains("--max-pause is 1 ms"), "{refused}");
    drop(running);
    // The kernel lets a group go a moment after its last process.
    for _ in 0..200 {
        match fs::remove_dir(&group.0) {
            Err(e) if e.kind() == ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10))
            }
            _ => break,
        }
    }
}
