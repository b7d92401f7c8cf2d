//! Writes a core file of a running process as the kernel would, so that tests need neither `gdb` nor a machine
//! whose `core_pattern` leads to a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Also where pages are larger: what is written in steps of this is whole pages too.
const PAGE: u64 = 4096;
/// The architecture's number in an ELF file.
const MACHINE: u8 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

struct Map {
    start: u64,
    end: u64,
    flags: u32,
    offset: u64,
    /// Empty for memory of no file.
    file: String,
    /// Bytes that are dumped.
    held: u64,
}

/// Writes the memory of a process, which stands meanwhile.
///
/// # Panics
/// Where the process cannot be read or the file cannot be written.
pub fn write_core(pid: i32, path: &Path) {
    signal(pid, "-STOP");
    let stands = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("tasks").flatten();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        stats.collect::<Vec<_>>().iter().all(|stat| stat.contains(") T "))
    };
    while !stands() {
        std::thread::yield_now();
    }
    write(pid, path);
    signal(pid, "-CONT");
}

fn signal(pid: i32, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {name} {pid}");
}

fn write(pid: i32, path: &Path) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("smaps");
    let mut maps: Vec<Map> = Vec::new();
    for line in text.lines() {
        if let Some(map) = map(line) {
            maps.push(map);
        } else if let (Some(map), Some(size)) = (maps.last_mut(), line.strip_prefix("Anonymous:")) {
            // Of a file that was written to, the linker's tables for instance, all is dumped.
            let written = size.trim_start().split(' ').next() != Some("0");
            map.held = if written && map.flags & 4 != 0 { map.end - map.start } else { map.held };
        }
    }
    let notes = notes(pid, &maps);
    let headers = 64 + 56 * (maps.len() as u64 + 1);
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64, 0);
    header[16..20].copy_from_slice(&[4, 0, MACHINE, 0]);
    header[32..40].copy_from_slice(&64u64.to_le_bytes());
    header[54..58].copy_from_slice(&[56, 0, (maps.len() + 1) as u8, ((maps.len() + 1) >> 8) as u8]);
    header.extend(program(4, 0, headers, 0, notes.len() as u64, notes.len() as u64));
    let first = (headers + notes.len() as u64).next_multiple_of(PAGE);
    let mut at = first;
    for map in &maps {
        header.extend(program(1, map.flags, at, map.start, map.held, map.end - map.start));
        at += map.held;
    }
    header.extend(notes);
    let out = File::create(path).expect("core file");
    out.write_all_at(&header, 0).expect("core file");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("memory");
    let mut at = first;
    let mut page = vec![0; PAGE as usize];
    for map in &maps {
        for offset in (0..map.held).step_by(PAGE as usize) {
            let read = memory.read_exact_at(&mut page, map.start + offset).is_ok();
            if read && page.iter().any(|b| *b != 0) {
                out.write_all_at(&page, at + offset).expect("core file");
            }
        }
        at += map.held;
    }
    out.set_len(at).expect("core file");
}

fn program(kind: u32, flags: u32, offset: u64, address: u64, held: u64, size: u64) -> Vec<u8> {
    let words = [offset, address, 0, held, size, PAGE].map(u64::to_le_bytes).concat();
    [kind.to_le_bytes().to_vec(), flags.to_le_bytes().to_vec(), words].concat()
}

/// The first line of a mapping; of files that were not written to only the first page is dumped, shared memory not at all.
fn map(line: &str) -> Option<Map> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let (permissions, offset, _, inode) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let name = words.next().unwrap_or("").trim();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end, offset) = (number(start)?, number(end)?, number(offset)?);
    let is_file = inode != "0";
    let has = |c: char| permissions.contains(c);
    let held = match (has('r'), has('s'), is_file, has('w')) {
        (false, ..) | (_, true, ..) => 0,
        (_, _, true, false) => {
            if offset == 0 {
                PAGE
            } else {
                0
            }
        }
        _ if name.starts_with("[v") && name != "[vdso]" => 0,
        _ => end - start,
    };
    let flags = u32::from(has('x')) | u32::from(has('w')) << 1 | u32::from(has('r')) << 2;
    let file = if is_file { name.to_owned() } else { String::new() };
    Some(Map { start, end, flags, offset, file, held })
}

fn notes(pid: i32, maps: &[Map]) -> Vec<u8> {
    let mut status = vec![0; 336];
    status[32..36].copy_from_slice(&pid.to_le_bytes());
    let mut info = vec![0; 136];
    info[24..28].copy_from_slice(&pid.to_le_bytes());
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).expect("command");
    for (i, byte) in command.iter().take(79).enumerate() {
        info[56 + i] = if *byte == 0 { b' ' } else { *byte };
    }
    let named: Vec<&Map> = maps.iter().filter(|m| !m.file.is_empty()).collect();
    let mut files = [named.len() as u64, PAGE].map(u64::to_le_bytes).concat();
    for map in &named {
        files.extend([map.start, map.end, map.offset / PAGE].map(u64::to_le_bytes).concat());
    }
    // As the process itself names them.
    let root = std::fs::read_link(format!("/proc/{pid}/root")).expect("root");
    let root = root.to_str().filter(|r| *r != "/").unwrap_or_default();
    for map in &named {
        files.extend(map.file.strip_prefix(root).unwrap_or(&map.file).as_bytes());
        files.push(0);
    }
    let auxv = std::fs::read(format!("/proc/{pid}/auxv")).expect("auxv");
    [note(1, &status), note(3, &info), note(6, &auxv), note(0x4649_4c45, &files)].concat()
}

fn note(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut out = [5, content.len() as u32, kind].map(u32::to_le_bytes).concat();
    out.extend(b"CORE\0\0\0\0");
    out.extend(content);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}
