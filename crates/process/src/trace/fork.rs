//! A copy-on-write child of the target: a whole image of its memory for the price of copying page tables.
//!
//! The child never runs. It shares the target's descriptors, sends no signal when it ends, is killed by the
//! kernel should we end first, and is reaped inside the target by a second call.

use crate::priority::Urgent;
use crate::trace::inject::{Gadgets, Injector};
use crate::trace::ptrace::{Tracee, kill, wait_until};
use crate::{Process, Safety, TraceError, TraceResult, procfs::threads};
use std::fs::{self, File};
use std::time::{Duration, Instant};

/// Longest wait for one thread to stop while nothing stands still: it may have to wait for a processor.
const LONE_STOP: Duration = Duration::from_secs(5);
/// Longest wait for threads to stop, for a page table copy and for an end.
const STOP: Duration = Duration::from_millis(500);
const COPY: Duration = Duration::from_secs(10);
/// With more threads than this the second look at their states would cost more than the copy.
const FEW_THREADS: usize = 200;

/// The copy.
#[derive(Debug)]
pub struct ForkedChild {
    process: Process,
    gadgets: Gadgets,
    pid: i32,
    pid_inside: i64,
    memory: File,
    /// From the first stop to the release of the last thread.
    pub pause: Duration,
    /// Threads that were stopped.
    pub stopped: usize,
    /// Threads that slept through the copy as far as known; `None` where they are too many to ask.
    pub awoken: Option<usize>,
}

/// Makes the copy. Only inside [`crate::with_tracer`].
///
/// # Errors
/// [`TraceError`]; the target runs on.
pub fn fork(process: &Process, safety: &Safety) -> TraceResult<ForkedChild> {
    let pid = process.pid();
    let target = open_memory(pid, true)?;
    let gadgets = Gadgets::find(process, &target)?;
    reap_strays(process, &target, gadgets)?;
    let before = sleeping_slices(process)?;
    let urgent = Urgent::begin();
    let began = Instant::now();
    let mut stop = stop_runners(process, began)?;
    let copied = clone(&mut stop, &target, gadgets, safety);
    let awoken = before.map(|b| b.iter().filter(|(tid, n)| ran(pid, &stop, *tid, *n)).count());
    let stopped = stop.len();
    let released: Vec<TraceResult<()>> = stop.iter().map(Tracee::detach).collect();
    let pause = began.elapsed();
    drop(urgent);
    let (pid_inside, child) = copied?;
    released.into_iter().collect::<TraceResult<()>>()?;
    // The child was made under our eyes; from here on it dies with us.
    let child = Tracee { tid: child, regs: None };
    child.wait(Instant::now() + STOP, "the copy to stop")?;
    child.options(libc::PTRACE_O_EXITKILL)?;
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.tid), "1000");
    let memory = open_memory(child.tid, false)?;
    let process = process.clone();
    Ok(ForkedChild { process, gadgets, pid: child.tid, pid_inside, memory, pause, stopped, awoken })
}

impl ForkedChild {
    /// Its memory: read it with `pread` only. `process_vm_readv` would make a private copy of every page.
    #[must_use]
    pub fn memory(&self) -> &File {
        &self.memory
    }

    /// Its pid, as we see it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Ends the child and lets the target reap it. The time for which one thread was stopped once more.
    ///
    /// # Errors
    /// [`TraceError`]; then a dead child stays until the target ends or the next capture reaps it.
    pub fn end(self) -> TraceResult<Duration> {
        kill(self.pid)?;
        let deadline = Instant::now() + COPY;
        while let Some(status) = wait_until(self.pid, deadline, "the copy to end")? {
            if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                break;
            }
        }
        drop(self.memory);
        let target = open_memory(self.process.pid(), true)?;
        reap(&self.process, &target, self.gadgets, self.pid_inside)
    }
}

fn open_memory(pid: i32, write: bool) -> TraceResult<File> {
    let path = format!("/proc/{pid}/mem");
    let file = fs::OpenOptions::new().read(true).write(write).open(path);
    Ok(file.map_err(|e| crate::Error::from_io(pid, "mem", e))?)
}

/// Threads that sleep, with their counts of time slices; `None` where there are many threads.
fn sleeping_slices(process: &Process) -> TraceResult<Option<Vec<(i32, u64)>>> {
    let tids = process.threads()?;
    let pid = process.pid();
    let look = |tid: &i32| (threads::state(pid, *tid)? != 'R').then(|| threads::slices(pid, *tid))?;
    Ok((tids.len() <= FEW_THREADS).then(|| tids.iter().filter_map(|tid| Some((*tid, look(tid)?))).collect()))
}

fn ran(pid: i32, stopped: &[Tracee], tid: i32, before: u64) -> bool {
    !stopped.iter().any(|t| t.tid == tid) && threads::slices(pid, tid).is_some_and(|now| now != before)
}

/// Stops the threads that run, and one sleeper where none does. Sleepers are left alone: to stop them would
/// break off their system calls for nothing.
fn stop_runners(process: &Process, began: Instant) -> TraceResult<Vec<Tracee>> {
    const ROUNDS: usize = 4;
    let pid = process.pid();
    let mut stopped: Vec<Tracee> = Vec::new();
    let tids = process.threads()?;
    for _ in 0..ROUNDS {
        let known = |tid: &i32| stopped.iter().any(|t| t.tid == *tid);
        let fresh = tids.iter().filter(|t| !known(t) && threads::state(pid, **t) == Some('R'));
        let fresh: Vec<Tracee> =
            fresh.filter_map(|t| seize_and_interrupt(*t).transpose()).collect::<TraceResult<_>>()?;
        if fresh.is_empty() {
            break;
        }
        let alone = stopped.is_empty() && fresh.len() == 1;
        let deadline = if alone { began + LONE_STOP } else { Instant::now() + STOP };
        for mut tracee in fresh {
            if tracee.stop(deadline)? {
                stopped.push(tracee);
            }
        }
        if tids.len() > FEW_THREADS {
            break;
        }
    }
    if !stopped.is_empty() {
        return Ok(stopped);
    }
    Ok(vec![stop_sleeper(process, began + LONE_STOP)?])
}

/// Stops one sleeping thread, preferably one that will not notice.
fn stop_sleeper(process: &Process, deadline: Instant) -> TraceResult<Tracee> {
    let tids = process.threads()?;
    // One that began to run since will do as well.
    let candidates = threads::sleepers(process.pid(), &tids).into_iter().chain(tids.iter().copied());
    for tid in candidates {
        if matches!(threads::state(process.pid(), tid), Some('S' | 'R'))
            && let Some(mut tracee) = seize_and_interrupt(tid)?
            && tracee.stop(deadline)?
        {
            return Ok(tracee);
        }
    }
    Err(TraceError::Refused("no thread of the target can be stopped now (all wait in the kernel)".into()))
}

/// `None` where the thread ended meanwhile.
fn seize_and_interrupt(tid: i32) -> TraceResult<Option<Tracee>> {
    let seized = Tracee::seize(tid).and_then(|t| t.interrupt().map(|()| t));
    match seized {
        Err(TraceError::System { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        other => other.map(Some),
    }
}

/// Lets one of the stopped threads clone: the child's pid inside the target's namespace and as we see it.
fn clone(
    stopped: &mut [Tracee],
    memory: &File,
    gadgets: Gadgets,
    safety: &Safety,
) -> TraceResult<(i64, i32)> {
    let in_user_code = |t: &Tracee| t.regs.is_some_and(|r| (r.orig_rax as i64) < 0);
    stopped.sort_by_key(|t| !in_user_code(t));
    let Some(tracee) = stopped.first() else {
        return Err(TraceError::Refused("no thread of the target can be stopped now".into()));
    };
    let mut options = libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACESYSGOOD;
    if safety.seccomp {
        options |= libc::PTRACE_O_SUSPEND_SECCOMP;
    }
    tracee.options(options).map_err(|e| match safety.seccomp {
        true => TraceError::Refused(format!(
            "a seccomp filter judges the target's calls and stays ({e}); use --method freeze"
        )),
        false => e,
    })?;
    let injector = Injector::prepare(tracee, memory, gadgets)?;
    let deadline = Instant::now() + COPY;
    // No signal at its end, shared descriptors: nobody in the target can notice it.
    let flags = (libc::CLONE_FILES | libc::CLONE_FS) as u64;
    let called = injector.call(libc::SYS_clone, [flags, injector.child_stack(), 0, 0], deadline);
    injector.restore(deadline)?;
    match called? {
        (inside, Some(child)) if inside > 0 => Ok((inside, child)),
        (error, _) => Err(TraceError::System {
            what: "clone in the target",
            source: std::io::Error::from_raw_os_error(-error as i32),
        }),
    }
}

/// Lets the target wait for the dead child, on one thread.
fn reap(process: &Process, memory: &File, gadgets: Gadgets, child: i64) -> TraceResult<Duration> {
    let _urgent = Urgent::begin();
    let began = Instant::now();
    let tracee = stop_sleeper(process, began + STOP)?;
    let reaped = tracee.options(libc::PTRACE_O_TRACESYSGOOD).and_then(|()| {
        let injector = Injector::prepare(&tracee, memory, gadgets)?;
        let options = (libc::WNOHANG | libc::__WALL) as u64;
        let called = injector.call(libc::SYS_wait4, [child as u64, 0, options, 0], began + COPY);
        injector.restore(began + COPY)?;
        called
    });
    let released = tracee.detach();
    let reaped = reaped?;
    released?;
    match reaped {
        (got, _) if got == child => Ok(began.elapsed()),
        (got, _) => {
            Err(TraceError::Refused(format!("the target could not reap the copy (wait4 said {got})")))
        }
    }
}

/// Dead copies that an m5 left which was killed in the middle: children that ended and signal nobody.
fn reap_strays(process: &Process, memory: &File, gadgets: Gadgets) -> TraceResult<()> {
    // Children are listed under the thread that made them.
    for tid in process.threads()? {
        let path = format!("/proc/{}/task/{tid}/children", process.pid());
        let children = fs::read_to_string(path).unwrap_or_default();
        for inside in children.split_whitespace().filter_map(|w| stray(w.parse().ok()?)) {
            reap(process, memory, gadgets, inside)?;
        }
    }
    Ok(())
}

/// The pid in its own namespace of a zombie that signals nobody.
fn stray(pid: i32) -> Option<i64> {
    /// Fields of `/proc/PID/stat` behind the command.
    const STATE: usize = 0;
    const EXIT_SIGNAL: usize = 35;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
    if fields.get(STATE) != Some(&"Z") || fields.get(EXIT_SIGNAL) != Some(&"0") {
        return None;
    }
    crate::inner_tid(pid, pid).map(i64::from)
}
