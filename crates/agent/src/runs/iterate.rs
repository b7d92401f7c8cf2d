//! The same work again and again in one process, measured after each chunk.

use super::{RunError, huge_pages, shown};
use m5_report::doc::Worker;
use m5_stats::{Chunk, LeakRule, leak_per_iteration};
use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNNER: &str = include_str!("iterate.py");

/// What an iteration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The interpreter and its own options.
    python: Vec<OsString>,
    /// `script`, `module`, `code` or `call`.
    kind: &'static str,
    name: OsString,
    args: Vec<OsString>,
}

impl Work {
    /// Reads a Python command line: `python [options] script.py args`, `-m module` or `-c code`. With `call`
    /// (`module:function`) the function is iterated, and the command is only the interpreter with its options.
    ///
    /// # Errors
    /// Where it is none of these.
    pub fn parse(command: &[OsString], call: Option<&str>) -> Result<Self, RunError> {
        let mut words = command.iter();
        let mut python = vec![words.next().ok_or(RunError::NotPython)?.clone()];
        let mut found = None;
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("-m") => found = Some(("module", words.next().cloned())),
                Some("-c") => found = Some(("code", words.next().cloned())),
                // These two take a value.
                Some("-W" | "-X") => python.extend([word.clone()].into_iter().chain(words.next().cloned())),
                Some(option) if option.starts_with('-') => python.push(word.clone()),
                _ => found = Some(("script", Some(word.clone()))),
            }
            if found.is_some() {
                break;
            }
        }
        let args: Vec<OsString> = words.cloned().collect();
        let (kind, name) = match (call, found) {
            (Some(call), None) => ("call", call.into()),
            (None, Some((kind, Some(name)))) => (kind, name),
            _ => return Err(RunError::NotPython),
        };
        Ok(Self { python, kind, name, args })
    }
}

/// How often it is looked whether a chunk is done.
const LOOK: Duration = Duration::from_millis(20);

/// How long a process may take to end after its last chunk: what its work left behind (a thread that waits, a queue that
/// nobody reads) may keep it for ever, and all is measured by then.
const END: Duration = Duration::from_secs(5);

/// Runs one process, the `number`th: a chunk of iterations to warm up, then as many chunks as the rule asks for. `see` is told how many
/// of them are done each time. A process that does not end afterwards is ended.
///
/// # Errors
/// Where it does not start, or does not end well.
pub fn iterate(
    work: &Work,
    iterations: u64,
    rule: &LeakRule,
    number: usize,
    see: &mut dyn FnMut(usize),
) -> Result<Worker, RunError> {
    let chunks = run(work, iterations, rule.chunks, number, None, &mut |_, done| see(done))?;
    let outcome = leak_per_iteration(&chunks, rule);
    Ok(Worker { chunks, outcome })
}

/// Runs one process that stands still after each of `chunks` chunks and the warm-up, while `see` looks at it by its PID.
///
/// # Errors
/// Where it does not start, or does not end well.
pub fn halting(
    work: &Work,
    iterations: u64,
    chunks: usize,
    see: &mut dyn FnMut(i32, usize),
) -> Result<(), RunError> {
    let (gate, mut open) = std::io::pipe()?;
    run(work, iterations, chunks, 0, Some(gate), &mut |pid, done| {
        see(pid, done);
        // Where it ended meanwhile, its exit says so.
        let _ = open.write_all(b"\n");
    })?;
    Ok(())
}

fn run(
    work: &Work,
    iterations: u64,
    count: usize,
    number: usize,
    gate: Option<PipeReader>,
    see: &mut dyn FnMut(i32, usize),
) -> Result<Vec<Chunk>, RunError> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report");
    let (program, options) = work.python.split_first().ok_or(RunError::NotPython)?;
    let mut start = Command::new(program);
    start.args(options).args([OsStr::new("-c"), OsStr::new(RUNNER), report.as_os_str()]);
    let halts = if gate.is_some() { "halts" } else { "runs" };
    start.args([halts, &iterations.to_string(), &count.to_string(), work.kind]);
    start.arg(&work.name).args(&work.args);
    start
        .stdin(gate.map_or_else(Stdio::null, Stdio::from))
        .stdout(std::io::stderr())
        // The same in each run of m5, and another in each process: what two of them agree on is no chance.
        .env("PYTHONHASHSEED", number.to_string())
        .env(TUNABLES, tunables(std::env::var_os(TUNABLES)));
    // In huge pages anonymous memory grows by 2 MiB or not at all, and no growth is regular: the process has none. Where
    // the kernel refuses, there are none, or fewer iterations tell less.
    let command = || shown(&[&work.python[..], std::slice::from_ref(&work.name)].concat());
    let started = huge_pages::without(|| start.spawn()).unwrap_or_else(|_| start.spawn());
    let mut child = started.map_err(|e| RunError::Start { command: command(), reason: e.to_string() })?;
    // The gate's other end must not be held by this process too.
    drop(start);
    let mut told = 0;
    let mut all_told: Option<Instant> = None;
    let status = loop {
        let ended = child.try_wait()?;
        let done = std::fs::read(&report).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
        while told < done && ended.is_none() {
            told += 1;
            see(child.id() as i32, told);
        }
        if let Some(status) = ended {
            break Some(status);
        }
        if done > count && all_told.get_or_insert_with(Instant::now).elapsed() > END {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(LOOK);
    };
    if let Some(status) = status.filter(|s| !s.success()) {
        return Err(RunError::Failed { command: command(), status: status.to_string() });
    }
    Ok(chunks(&std::fs::read_to_string(&report)?))
}

/// Settings of glibc, read when a program starts.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// What glibc keeps for reuse in a thread, up to seven blocks of each size, it counts as in use: those books would grow for
/// a while wherever a size is freed that was not before. Without it they are exact; the runner takes it off for what it starts.
fn tunables(own: Option<OsString>) -> OsString {
    const NONE: &str = "glibc.malloc.tcache_count=0";
    let mut all = own.filter(|own| !own.is_empty()).map_or_else(OsString::new, |mut own| {
        own.push(":");
        own
    });
    all.push(NONE);
    all
}

fn chunks(text: &str) -> Vec<Chunk> {
    let chunk = |line: &str| {
        let mut words = line.split_whitespace();
        let iterations = words.next()?.parse().ok()?;
        let mut value = || words.next().and_then(|w| w.parse().ok());
        let (objects, blocks, anon_bytes, native_bytes) = (value(), value(), value(), value());
        Some(Chunk { iterations, objects, blocks, anon_bytes, native_bytes })
    };
    text.lines().filter_map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Vec<OsString> {
        text.split(' ').map(Into::into).collect()
    }

    #[test]
    fn python_command_lines_are_understood() {
        let work = |text: &str| Work::parse(&command(text), None).unwrap();
        let script = work("python3 -X dev -B app.py --port 1");
        assert_eq!((script.kind, script.name), ("script", "app.py".into()));
        assert_eq!(script.python, command("python3 -X dev -B"));
        assert_eq!(script.args, command("--port 1"));
        assert_eq!(work("python3 -m app x").kind, "module");
        assert_eq!(work("python3 -c pass").kind, "code");
        assert!(Work::parse(&command("python3 -m"), None).is_err());
        assert_eq!(Work::parse(&command("python3"), Some("app:main")).unwrap().kind, "call");
        assert!(Work::parse(&command("python3 app.py"), Some("app:main")).is_err());
    }

    #[test]
    fn settings_of_the_users_own_stay() {
        assert_eq!(tunables(None), "glibc.malloc.tcache_count=0");
        assert_eq!(tunables(Some("".into())), "glibc.malloc.tcache_count=0");
        let own = tunables(Some("glibc.malloc.arena_max=2".into()));
        assert_eq!(own, "glibc.malloc.arena_max=2:glibc.malloc.tcache_count=0");
    }

    /// Each chunk frees blocks of sizes that none before freed.
    const SIZES: &str = "import sys, ctypes; l = ctypes.CDLL(None); l.malloc.restype = ctypes.c_void_p; \
                         sys.n = getattr(sys, 'n', 0) + 1; \
                         l.free(ctypes.c_void_p(l.malloc(ctypes.c_size_t(16 * (sys.n // 20 % 60 + 1)))))";

    #[test]
    fn what_the_allocator_keeps_for_reuse_is_not_in_use() {
        for python in m5_testkit::pythons().iter().filter(|p| !p.name.contains("chroot")) {
            let line: Vec<OsString> = [python.name.as_str(), "-c", SIZES].map(Into::into).into();
            let work = Work::parse(&line, None).unwrap();
            let Worker { chunks, outcome } =
                iterate(&work, 200, &LeakRule::default(), 0, &mut |_| {}).unwrap();
            let used: Vec<Option<f64>> = chunks.iter().map(|c| c.native_bytes).collect();
            let after = used.iter().skip(2).flatten();
            let (least, most) = after.fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
            assert!(most - least <= 1_024.0 || used.contains(&None), "{}: {used:?}", python.name);
            assert_eq!(outcome.leaking, Some(false), "{}", python.name);
        }
    }

    #[test]
    fn what_an_iteration_starts_has_the_users_own_settings() {
        const STARTS: &str = "import os, subprocess as s; \
                              v = s.run(['printenv', 'GLIBC_TUNABLES'], stdout=s.PIPE).stdout.strip(); \
                              assert v == b'', v";
        let line: Vec<OsString> = ["python3", "-c", STARTS].map(Into::into).into();
        assert!(std::env::var_os(TUNABLES).is_none());
        iterate(&Work::parse(&line, None).unwrap(), 2, &LeakRule::default(), 0, &mut |_| {}).unwrap();
    }

    const NATIVE: &str = "import ctypes; l = ctypes.CDLL(None); l.malloc.restype = ctypes.c_void_p; \
                          ctypes.memset(ctypes.c_void_p(l.malloc(ctypes.c_size_t(8000))), 1, 8000)";
    const LEAK: &str = "import sys; sys.kept = getattr(sys, 'kept', []); sys.kept.append([])";
    // A text that becomes longer: no object more, no block more.
    const TEXT: &str = "import sys; sys.t = getattr(sys, 't', '') + 'x' * 400";
    const SELDOM: &str = "import sys; sys.n = getattr(sys, 'n', 0) + 1; sys.k = getattr(sys, 'k', []); \
                          sys.n % 50 or sys.k.append([])";
    const CACHE: &str = "import sys, functools as f; sys.c = getattr(sys, 'c', None) or f.lru_cache(30)(lambda i: [i]); \
                         sys.n = getattr(sys, 'n', 0) + 1; sys.c(sys.n)";

    #[test]
    fn a_process_stands_still_after_each_chunk() {
        let line = command("python3 -c LEAK");
        let line: Vec<OsString> =
            line.into_iter().map(|w| if w == "LEAK" { LEAK.into() } else { w }).collect();
        let work = Work::parse(&line, None).unwrap();
        let mut seen = Vec::new();
        halting(&work, 3, 2, &mut |pid, done| {
            assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
            seen.push(done);
        })
        .unwrap();
        assert_eq!(seen, [1, 2, 3]);
    }

    #[test]
    fn a_process_that_does_not_end_is_ended_when_all_is_measured() {
        const WAITS: &str = "import threading as t; t.Thread(target=t.Event().wait).start()";
        let line: Vec<OsString> = ["python3", "-c", WAITS].map(Into::into).into();
        let work = Work::parse(&line, None).unwrap();
        let mut seen = Vec::new();
        let mut last = 0;
        halting(&work, 3, 2, &mut |pid, done| {
            last = pid;
            seen.push(done);
        })
        .unwrap();
        assert_eq!(seen, [1, 2, 3]);
        assert!(!std::path::Path::new(&format!("/proc/{last}")).exists());
    }

    #[test]
    fn a_leak_keeps_one_object_an_iteration_and_a_cache_none() {
        let rule = LeakRule::default();
        for python in m5_testkit::pythons().iter().filter(|p| !p.name.contains("chroot")) {
            let works = [(LEAK, true), (NATIVE, true), (TEXT, true), (SELDOM, true)];
            for (code, leaks) in works.into_iter().chain([(CACHE, false), ("x = [[]] * 9", false)]) {
                let line: Vec<OsString> = [python.name.as_str(), "-c", code].map(Into::into).into();
                let work = Work::parse(&line, None).unwrap();
                let Worker { chunks, outcome } = iterate(&work, 300, &rule, 0, &mut |_| {}).unwrap();
                // A text that is copied each time makes pages jump: it takes the allocator's own books.
                if code == TEXT && chunks.iter().any(|c| c.native_bytes.is_none()) {
                    continue;
                }
                assert_eq!(outcome.leaking, Some(leaks), "{} {code}: {outcome:?}", python.name);
            }
        }
    }
}
