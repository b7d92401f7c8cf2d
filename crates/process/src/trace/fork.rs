//! A copy-on-write child of the target: a whole image of its memory for the price of copying page tables.
//!
//! The child never runs. It shares the target's descriptors, sends no signal when it ends, is killed by the
//! kernel should we end first, and is reaped inside the target by a second call.

use crate::priority::Urgent;
use crate::procfs::threads;
use crate::trace::arch::Gadgets;
use crate::trace::guard::Guard;
use crate::trace::inject::{HELPER_NAME, Injector, LOOSE_COPY, can_call};
use crate::trace::ptrace::{Tracee, kill, wait_until};
use crate::trace::safety::is_filtered;
use crate::trace::stacks::Stacks;
use crate::{Process, TraceError, TraceResult};
use std::fs::{self, File};
use std::time::{Duration, Instant};

/// Longest wait for one thread to stop while nothing stands still: it may have to wait for a processor.
const LONE_STOP: Duration = Duration::from_secs(5);
/// Longest wait for threads to stop, for a page table copy and for an end.
const STOP: Duration = Duration::from_millis(500);
const COPY: Duration = Duration::from_secs(10);
/// With more threads than this the second look at their states would cost more than the copy.
const FEW_THREADS: usize = 200;

/// The score of our copies for the kernel's choice of whom to end.
const MOST_EXPENDABLE: &str = "1000";

/// The copy.
#[derive(Debug)]
pub struct ForkedChild<'g> {
    process: Process,
    guard: &'g Guard,
    max_pause: Duration,
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

/// Makes the copy. Only inside [`crate::with_tracer`], with a guard that lets the target go by its own clock.
///
/// # Errors
/// [`TraceError`]; the target runs on.
pub fn fork<'g>(process: &Process, guard: &'g Guard, max_pause: Duration) -> TraceResult<ForkedChild<'g>> {
    let pid = process.pid();
    let gadgets = Gadgets::find(process, &open_memory(pid, true)?)?;
    let stacks = Stacks::of(process)?;
    reap_strays(process, guard, gadgets, max_pause)?;
    let before = sleeping_slices(process)?;
    let urgent = Urgent::begin();
    let held = guard.hold(max_pause);
    let began = Instant::now();
    let mut stop = stop_runners(process, &stacks, began)?;
    let copied = clone(process, &mut stop, &stacks, gadgets);
    let awoken = before.map(|b| b.iter().filter(|(tid, n)| ran(pid, &stop, *tid, *n)).count());
    let stopped = stop.len();
    let released: Vec<TraceResult<()>> = stop.iter().map(Tracee::detach).collect();
    let pause = began.elapsed();
    drop(held);
    drop(urgent);
    let (pid_inside, child) = copied?;
    guard.watch_copy(child);
    tracing::debug!(pid, child, pause_ms = pause.as_secs_f64() * 1e3, stopped, "copied, target released");
    released.into_iter().collect::<TraceResult<()>>()?;
    // The child was made under our eyes; from here on it dies with us. By its score a dead one is known again.
    let child = Tracee::born(child);
    child.wait(Instant::now() + STOP, "the copy to stop")?;
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.tid), MOST_EXPENDABLE);
    child.options(libc::PTRACE_O_EXITKILL)?;
    let memory = open_memory(child.tid, false)?;
    let process = process.clone();
    let pid = child.tid;
    Ok(ForkedChild { process, guard, gadgets, pid, pid_inside, memory, max_pause, pause, stopped, awoken })
}

impl ForkedChild<'_> {
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

    /// Ends the child and lets the target reap it. The time for which threads were stopped once more.
    ///
    /// # Errors
    /// [`TraceError`]; then a dead child stays until the target ends or the next capture reaps it.
    pub fn end(self) -> TraceResult<Duration> {
        self.guard.forget_copy();
        let _urgent = Urgent::begin();
        // Whoever waits for children of every kind would be told of the copy's end: such threads stand still until
        // it is reaped, and then find none.
        let waiting = threads::waiting_for_any_child(self.process.pid(), &self.process.threads()?);
        let held = (!waiting.is_empty()).then(|| self.guard.hold(self.max_pause));
        let began = Instant::now();
        let mut stopped = Vec::new();
        for tid in waiting {
            if let Some(mut tracee) = Tracee::interrupted(tid)?
                && tracee.stop(began + STOP)?
            {
                stopped.push(tracee);
            }
        }
        end_child(self.pid)?;
        drop(self.memory);
        let target = Target { process: &self.process, guard: self.guard, max_pause: self.max_pause };
        let reaped = match target.reap(self.gadgets, self.pid_inside, &stopped) {
            // Its child it is all the same; what it executes now has such code elsewhere.
            Err(TraceError::Replaced) => {
                let memory = open_memory(self.process.pid(), true)?;
                target.reap(Gadgets::find(&self.process, &memory)?, self.pid_inside, &[])
            }
            done => done,
        };
        stopped.iter().try_for_each(Tracee::detach)?;
        Ok(if held.is_some() { began.elapsed() } else { reaped? })
    }
}

/// Ends a child of the target that we trace, and waits for its end.
pub(super) fn end_child(pid: i32) -> TraceResult<()> {
    kill(pid)?;
    let deadline = Instant::now() + COPY;
    while let Some(status) = wait_until(pid, deadline, "the copy to end")? {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            break;
        }
    }
    Ok(())
}

/// Whom to make reap a copy.
struct Target<'a> {
    process: &'a Process,
    guard: &'a Guard,
    max_pause: Duration,
}

pub(super) fn open_memory(pid: i32, write: bool) -> TraceResult<File> {
    let path = format!("/proc/{pid}/mem");
    let file = fs::OpenOptions::new().read(true).write(write).open(path);
    Ok(file.map_err(|e| crate::Error::from_io(pid, "mem", e))?)
}

/// Threads that sleep, with their counts of time slices; `None` where there are many threads.
fn sleeping_slices(process: &Process) -> TraceResult<Option<Vec<(i32, u64)>>> {
    let tids = process.threads()?;
    let pid = process.pid();
    let look = |tid: &i32| (threads::state(pid, *tid)? != 'R').then(|| threads::thread_slices(pid, *tid))?;
    Ok((tids.len() <= FEW_THREADS).then(|| tids.iter().filter_map(|tid| Some((*tid, look(tid)?))).collect()))
}

fn ran(pid: i32, stopped: &[Tracee], tid: i32, before: u64) -> bool {
    !stopped.iter().any(|t| t.tid == tid) && threads::thread_slices(pid, tid).is_some_and(|now| now != before)
}

/// Stops the threads that run, and one sleeper where none does. Sleepers are left alone: to stop them would
/// break off their system calls for nothing.
fn stop_runners(process: &Process, stacks: &Stacks, began: Instant) -> TraceResult<Vec<Tracee>> {
    const ROUNDS: usize = 4;
    let pid = process.pid();
    let mut stopped: Vec<Tracee> = Vec::new();
    let tids = process.threads()?;
    for _ in 0..ROUNDS {
        let known = |tid: &i32| stopped.iter().any(|t| t.tid == *tid);
        let fresh = tids.iter().filter(|t| !known(t) && threads::state(pid, **t) == Some('R'));
        let fresh: Vec<Tracee> =
            fresh.filter_map(|t| Tracee::interrupted(*t).transpose()).collect::<TraceResult<_>>()?;
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
    Ok(vec![stop_sleeper(process, stacks, began + LONE_STOP)?])
}

/// Stops one sleeping thread on its own stack, preferably one that will not notice.
fn stop_sleeper(process: &Process, stacks: &Stacks, deadline: Instant) -> TraceResult<Tracee> {
    let tids = process.threads()?;
    // One that began to run since will do as well.
    let asleep = threads::sleepers(process.pid(), &tids);
    // Where a filter judges calls, a thread without one is asked first.
    let (filtered, free): (Vec<i32>, Vec<i32>) =
        asleep.into_iter().chain(tids.iter().copied()).partition(|tid| is_filtered(process.pid(), *tid));
    for tid in free.into_iter().chain(filtered) {
        if matches!(threads::state(process.pid(), tid), Some('S' | 'R'))
            && let Some(mut tracee) = Tracee::interrupted(tid)?
            && tracee.stop(deadline)?
        {
            if can_call(&tracee, stacks) {
                return Ok(tracee);
            }
            tracee.detach()?;
        }
    }
    Err(TraceError::Refused(
        "no thread of the target can be made to call now (all wait in the kernel, stand on stacks of their own making, \
         or have their calls handed to the program); use --method freeze"
            .into(),
    ))
}

/// Options for a call in a thread: where a filter judges its calls, it is suspended. Asked of the stopped thread, which
/// may have got its filter a moment ago.
///
/// # Errors
/// [`TraceError::Refused`] where the filter stays: no call is made then.
pub(super) fn options_for_call(process: &Process, tracee: &Tracee, more: i32) -> TraceResult<()> {
    let filtered = is_filtered(process.pid(), tracee.tid);
    let suspend = if filtered { libc::PTRACE_O_SUSPEND_SECCOMP } else { 0 };
    tracee.options(libc::PTRACE_O_TRACESYSGOOD | more | suspend).map_err(|e| match filtered {
        true => TraceError::Refused(format!(
            "a seccomp filter judges the target's calls and stays ({e}); use --method freeze"
        )),
        false => e,
    })
}

/// Lets one of the stopped threads clone: the child's pid inside the target's namespace and as we see it.
fn clone(
    process: &Process,
    stopped: &mut [Tracee],
    stacks: &Stacks,
    gadgets: Gadgets,
) -> TraceResult<(i64, i32)> {
    stopped.sort_by_cached_key(|t| {
        (!can_call(t, stacks), is_filtered(process.pid(), t.tid), t.in_system_call())
    });
    let Some(tracee) = stopped.first() else {
        return Err(TraceError::Refused("no thread of the target can be stopped now".into()));
    };
    options_for_call(process, tracee, libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEFORK)?;
    let memory = open_memory(tracee.tid, true)?;
    let injector = Injector::prepare(tracee, &memory, gadgets, stacks)?;
    let deadline = Instant::now() + COPY;
    // No signal at its end, shared descriptors: nobody in the target can notice it. Not the root and the working folder:
    // who shares those may not enter namespaces, and gains no rights from a program.
    let flags = libc::CLONE_FILES as u64;
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

impl Target<'_> {
    /// Lets the target wait for the dead child, on one thread: one that is stopped already, or another.
    fn reap(&self, gadgets: Gadgets, child: i64, stopped: &[Tracee]) -> TraceResult<Duration> {
        let stacks = Stacks::of(self.process)?;
        let _urgent = Urgent::begin();
        let _held = self.guard.hold(self.max_pause);
        let began = Instant::now();
        let own = match stopped {
            [] => Some(stop_sleeper(self.process, &stacks, began + STOP)?),
            _ => None,
        };
        let mut able = own.iter().chain(stopped).filter(|t| can_call(t, &stacks));
        let reaped = match able.next() {
            Some(tracee) => self.reap_on(tracee, &stacks, gadgets, child, began + COPY),
            None => Err(TraceError::Refused("no thread of the target can be stopped now".into())),
        };
        let released = own.iter().try_for_each(Tracee::detach);
        let said = reaped?;
        released?;
        tracing::debug!(pid = self.process.pid(), child, said, "the dead copy was reaped");
        if said == child {
            return Ok(began.elapsed());
        }
        Err(TraceError::Refused(format!("the target could not reap the copy (wait4 said {said})")))
    }

    fn reap_on(
        &self,
        tracee: &Tracee,
        stacks: &Stacks,
        gadgets: Gadgets,
        child: i64,
        deadline: Instant,
    ) -> TraceResult<i64> {
        options_for_call(self.process, tracee, 0)?;
        let memory = open_memory(tracee.tid, true)?;
        let injector = Injector::prepare(tracee, &memory, gadgets, stacks)?;
        let options = (libc::WNOHANG | libc::__WALL) as u64;
        let called = injector.call(libc::SYS_wait4, [child as u64, 0, options, 0], deadline);
        injector.restore(deadline)?;
        called.map(|(said, _)| said)
    }
}

/// Dead copies and helpers that an m5 left which was killed in the middle.
pub(super) fn reap_strays(
    process: &Process,
    guard: &Guard,
    gadgets: Gadgets,
    max_pause: Duration,
) -> TraceResult<()> {
    let target = Target { process, guard, max_pause };
    // Children are listed under the thread that made them.
    for tid in process.threads()? {
        let path = format!("/proc/{}/task/{tid}/children", process.pid());
        let children = fs::read_to_string(path).unwrap_or_default();
        for inside in children.split_whitespace().filter_map(|w| stray(w.parse().ok()?)) {
            target.reap(gadgets, inside, &[])?;
        }
    }
    Ok(())
}

/// The pid in its own namespace of a zombie that can be none but ours.
fn stray(pid: i32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default();
    is_dead_copy(&stat, score.trim()).then(|| crate::inner_tid(pid, pid).map(i64::from))?
}

/// Whether a process that ended is a copy of ours, and no child of the target's own: it signals nobody, and it was
/// let loose and ended with our own code, or was killed: most expendable, before it ran for a moment, or by the name of
/// a helper.
fn is_dead_copy(stat: &str, score: &str) -> bool {
    /// Fields behind the command.
    const STATE: usize = 0;
    const FAULTS: [usize; 2] = [7, 9];
    /// In its own code. What the kernel takes to end a large copy is time of the copy too.
    const USER_TIME: usize = 11;
    const EXIT_SIGNAL: usize = 35;
    const EXIT_CODE: usize = 49;
    let Some((head, fields)) = stat.rsplit_once(") ") else { return false };
    let helper = head.split_once(" (").is_some_and(|(_, name)| name == HELPER_NAME);
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let is = |at: usize, value: &str| fields.get(at) == Some(&value);
    let never_ran = FAULTS.into_iter().chain([USER_TIME]).all(|at| is(at, "0"));
    let loose = is(EXIT_CODE, &(LOOSE_COPY << 8).to_string());
    let killed = is(EXIT_CODE, &libc::SIGKILL.to_string());
    let killed = killed && (helper || never_ran && score == MOST_EXPENDABLE);
    is(STATE, "Z") && is(EXIT_SIGNAL, "0") && (loose || killed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a zombie behind its command.
    fn zombie(exit_signal: u64, exit_code: u64, faults: u64) -> String {
        let mut fields = vec!["0".to_owned(); 50];
        fields[0] = "Z".to_owned();
        (fields[7], fields[35], fields[49]) =
            (faults.to_string(), exit_signal.to_string(), exit_code.to_string());
        format!("4711 (python (x) ) {}", fields.join(" "))
    }

    #[test]
    fn only_what_can_be_none_but_ours_is_reaped() {
        assert!(is_dead_copy(&zombie(0, LOOSE_COPY << 8, 3), "0"));
        assert!(is_dead_copy(&zombie(0, 9, 0), "1000"));
        let mut slow: Vec<String> = zombie(0, 9, 0).split(' ').map(str::to_owned).collect();
        let system_time = slow.len() - 50 + 12;
        slow[system_time] = "7".to_owned();
        assert!(is_dead_copy(&slow.join(" "), "1000"), "the end of a large copy takes the kernel time");
        // The target's own: one that exits, one that ran before it was killed, one with the usual signal.
        assert!(!is_dead_copy(&zombie(0, 7 << 8, 3), "1000"));
        assert!(!is_dead_copy(&zombie(0, 0, 0), "1000"));
        assert!(!is_dead_copy(&zombie(0, 9, 5), "1000"));
        assert!(!is_dead_copy(&zombie(0, 9, 0), "0"));
        assert!(!is_dead_copy(&zombie(17, LOOSE_COPY << 8, 3), "0"));
        assert!(is_dead_copy(&zombie(0, 9, 0).replace("(python (x) )", "(m5-helper)"), "0"));
        assert!(!is_dead_copy(&zombie(17, 9, 0).replace("(python (x) )", "(m5-helper)"), "0"));
        assert!(!is_dead_copy("", ""));
    }
}
