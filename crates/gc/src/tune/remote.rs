//! `gc.freeze()` in the target, run by the interpreter itself at a safe point (PEP 768, CPython 3.14 and later).
//!
//! `gc.freeze` moves the objects of three lists into a fourth: no plain write from outside can do that. The
//! interpreter runs a script file that only it and m5 can read, and writes its answer beside it. A process that
//! was started with remote debugging disabled is left alone.

use super::error::{Result, TuneError};
use super::writing::{goes_on, write};
use m5_cpython::Interpreter;
use m5_cpython::layout::Debugger;
use m5_process::{Execution, Memory, Process};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// `gc.get_freeze_count()` before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// Frozen objects before.
    pub before: u64,
    /// Frozen objects after.
    pub after: u64,
}

/// The evaluation loop looks for a pending script when this bit of its breaker is set.
const PLEASE_STOP: u64 = 1 << 5;
/// A sleeping thread runs the script when it wakes.
const WAIT: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(2);

/// Is told of the folder in the target's file system before it is made.
pub(super) type Note<'a> = dyn Fn(&Path) -> Result<()> + 'a;

/// Collects once, then freezes what lives.
///
/// # Errors
/// Where the interpreter has no remote execution or does not allow it, or the script did not run to its end, or
/// `go_on` said no before it had begun.
pub(super) fn freeze(
    execution: &Execution,
    interpreter: &Interpreter,
    note: &Note<'_>,
    go_on: &dyn Fn() -> bool,
) -> Result<Frozen> {
    run(execution, interpreter, "gc.collect(); gc.freeze()", note, go_on)
}

/// Puts frozen objects back into the oldest generation.
///
/// # Errors
/// As [`freeze`].
pub(super) fn unfreeze(execution: &Execution, interpreter: &Interpreter, note: &Note<'_>) -> Result<Frozen> {
    run(execution, interpreter, "gc.unfreeze()", note, &|| true)
}

/// Whether [`freeze`] can be asked for, before it is announced.
///
/// # Errors
/// As [`freeze`].
pub(super) fn can_freeze(process: &Process, interpreter: &Interpreter) -> Result<()> {
    allowed(process, interpreter).map(|_| ())
}

/// Where the interpreter takes a script, if it takes one.
fn allowed(process: &Process, interpreter: &Interpreter) -> Result<Debugger> {
    let pid = process.pid();
    let version = || interpreter.build(|| process.maps().ok());
    let debugger = interpreter.published().and_then(|p| p.debugger);
    let debugger = debugger.ok_or_else(|| TuneError::NoRemote { pid, version: version() })?;
    if let Some(doubt) = interpreter.doubt_before_write()? {
        return Err(TuneError::Doubt { pid, doubt });
    }
    if interpreter.memory().i32(interpreter.address() + debugger.enabled)? != 1 {
        return Err(TuneError::RemoteDisabled { pid });
    }
    Ok(debugger)
}

/// Takes back a script of this folder that still waits to run.
pub(super) fn withdraw(execution: &Execution, interpreter: &Interpreter, folder: &Path) {
    let memory = interpreter.memory();
    let take_back = || {
        let debugger = allowed(execution.process(), interpreter).ok()?;
        let support = main_thread(interpreter).ok()? + debugger.support;
        let mut path = vec![0; usize::try_from(debugger.script_path_size.min(4096)).ok()?];
        let waits = memory.i32(support + debugger.pending_call).ok()? != 0;
        memory.read(support + debugger.script_path, &mut path).ok()?;
        let name = folder.file_name()?.as_encoded_bytes();
        let ours = waits && path.windows(name.len()).any(|part| part == name);
        ours.then(|| write(execution, support + debugger.pending_call, &0i32.to_le_bytes()))
    };
    let _ = take_back();
}

fn run(
    execution: &Execution,
    interpreter: &Interpreter,
    action: &str,
    note: &Note<'_>,
    go_on: &dyn Fn() -> bool,
) -> Result<Frozen> {
    let (process, memory) = (execution.process(), interpreter.memory());
    let pid = process.pid();
    let debugger = allowed(process, interpreter)?;
    let exchange = Exchange::create(process, action, note)?;
    let thread = main_thread(interpreter)?;
    request(execution, &memory, thread, &debugger, &exchange.script_inside)?;
    let answer = wait(execution, &memory, thread, &debugger, &exchange, go_on)?;
    let frozen = parse(&answer).ok_or_else(|| failed(pid, answer.trim()))?;
    if interpreter.frozen()? == (frozen.after > 0) {
        Ok(frozen)
    } else {
        Err(failed(pid, "the permanent generation does not show it"))
    }
}

fn failed(pid: i32, reason: &str) -> TuneError {
    TuneError::RemoteFailed { pid, reason: reason.to_owned() }
}

/// The thread that runs the script. The main thread, since it lives as long as the interpreter.
fn main_thread(interpreter: &Interpreter) -> Result<u64> {
    if let Some(at) = interpreter.layout().threads_main {
        let main = interpreter.memory().u64(interpreter.address() + at)?;
        if main != 0 {
            return Ok(main);
        }
    }
    let oldest = interpreter.threads()?.last().map(|t| t.address);
    oldest.ok_or_else(|| m5_cpython::Error::Starting { pid: 0 }.into())
}

/// The path first, then the flag, then the breaker: the order in which the interpreter looks.
fn request(
    execution: &Execution,
    memory: &impl Memory,
    thread: u64,
    d: &Debugger,
    script: &Path,
) -> Result<()> {
    let pid = execution.process().pid();
    let support = thread + d.support;
    if memory.i32(support + d.pending_call)? != 0 {
        return Err(failed(pid, "another script is waiting to run"));
    }
    let mut path = script.as_os_str().as_encoded_bytes().to_vec();
    path.push(0);
    if path.len() as u64 > d.script_path_size {
        return Err(failed(pid, "the path of the script is too long"));
    }
    write(execution, support + d.script_path, &path)?;
    write(execution, support + d.pending_call, &1i32.to_le_bytes())?;
    let breaker = thread + d.eval_breaker;
    let bits = memory.u64(breaker)? | PLEASE_STOP;
    write(execution, breaker, &bits.to_le_bytes())
}

fn wait(
    execution: &Execution,
    memory: &impl Memory,
    thread: u64,
    d: &Debugger,
    exchange: &Exchange,
    go_on: &dyn Fn() -> bool,
) -> Result<String> {
    let pid = execution.process().pid();
    let pending = thread + d.support + d.pending_call;
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(answer) = exchange.answer() {
            return Ok(answer);
        }
        goes_on(execution)?;
        // A script that has begun is waited for: it cannot be taken back.
        if !go_on() && memory.i32(pending)? != 0 {
            write(execution, pending, &0i32.to_le_bytes())?;
            return Err(TuneError::Interrupted { pid });
        }
        if Instant::now() > deadline {
            // Still waiting: take it back. No longer waiting: it runs now and may take its time.
            if memory.i32(pending)? == 0 && Instant::now() < deadline + WAIT {
                sleep(STEP);
                continue;
            }
            write(execution, pending, &0i32.to_le_bytes())?;
            return Err(TuneError::RemoteTimeout { pid, seconds: WAIT.as_secs() });
        }
        sleep(STEP);
    }
}

/// `ok BEFORE AFTER`.
fn parse(answer: &str) -> Option<Frozen> {
    let mut numbers = answer.trim().strip_prefix("ok ")?.split(' ').map(str::parse);
    Some(Frozen { before: numbers.next()?.ok()?, after: numbers.next()?.ok()? })
}

/// A folder of the target's own file system that only its user may enter, with the script and its answer.
/// It is removed when the value is dropped.
#[derive(Debug)]
struct Exchange {
    outside: PathBuf,
    script_inside: PathBuf,
}

impl Exchange {
    fn create(process: &Process, action: &str, note: &Note<'_>) -> Result<Self> {
        let places = ["/tmp", "/var/tmp", "/dev/shm"];
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        let pid = process.pid();
        for place in places {
            let mut random = [0; 8];
            let got = fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut random));
            got.map_err(|e| failed(pid, &e.to_string()))?;
            let inside = Path::new(place).join(format!("m5-{:016x}", u64::from_le_bytes(random)));
            let outside = process.file_in_root(&inside.to_string_lossy());
            note(&outside)?;
            match Self::create_in(process, &inside, outside, action) {
                Ok(exchange) => return Ok(exchange),
                Err(error) => last = error,
            }
        }
        Err(failed(pid, &last.to_string()))
    }

    fn create_in(process: &Process, inside: &Path, outside: PathBuf, action: &str) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o700).create(&outside)?;
        let exchange = Self { script_inside: inside.join("script.py"), outside };
        let script = exchange.outside.join("script.py");
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&script)?;
        file.write_all(script_text(inside, action).as_bytes())?;
        // Only root may give files away, and only then does it matter.
        if let Some(uid) = process.status().ok().and_then(|s| s.uid) {
            let _ = chown(&script, Some(uid), None);
            let _ = chown(&exchange.outside, Some(uid), None);
        }
        Ok(exchange)
    }

    /// What the script wrote, once it is whole. A link in its place is not followed.
    fn answer(&self) -> Option<String> {
        const O_NOFOLLOW: i32 = libc::O_NOFOLLOW;
        let path = self.outside.join("answer");
        let file = fs::OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(path).ok()?;
        let mut text = String::new();
        file.take(4096).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.outside);
    }
}

/// Leaves no name behind in the module that it runs in, and says nothing where m5 has gone with the folder.
fn script_text(inside: &Path, action: &str) -> String {
    let dir = inside.display();
    format!(
        "def _m5_script():
    import gc, os
    try:
        before = gc.get_freeze_count()
        {action}
        answer = f'ok {{before}} {{gc.get_freeze_count()}}'
    except BaseException as error:
        answer = f'error {{error!r}}'
    try:
        with open('{dir}/answer.tmp', 'w') as file:
            file.write(answer)
        os.replace('{dir}/answer.tmp', '{dir}/answer')
    except OSError:
        pass
try:
    _m5_script()
finally:
    del _m5_script
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        assert_eq!(parse("ok 0 1234\n"), Some(Frozen { before: 0, after: 1234 }));
        for text in ["", "ok", "ok 1", "error MemoryError()", "ok x 1", "ok -1 2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
