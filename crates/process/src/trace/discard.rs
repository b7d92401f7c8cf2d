//! Pages of a frozen process given back to the system: `madvise(MADV_DONTNEED)`, from within.
//!
//! What the pages hold is gone afterwards; the caller has proved, of this very stop, that nobody will read it. So no
//! such call may be made once the threads run again. A thread of the target that was made to call would finish its
//! call, whatever becomes of us, while the others run. Therefore a helper makes them: a process that shares the
//! target's memory for the length of one stop, runs no code but the call, and is ended by the kernel with us.

use crate::priority::{AtOnce, hurry};
use crate::trace::arch::{self, Gadgets, Registers};
use crate::trace::fork::{end_child, open_memory, options_for_call, reap_strays};
use crate::trace::freeze::Frozen;
use crate::trace::guard::Guard;
use crate::trace::inject::{HELPER_NAME, Injector, Patience, can_call};
use crate::trace::ptrace::{Tracee, Wait};
use crate::trace::safety::{is_filtered, status};
use crate::trace::stacks::Stacks;
use crate::{Process, TraceError, TraceResult};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A call that takes longer is stuck.
const CALL: Duration = Duration::from_secs(2);
/// Bytes of one call. What is under way when we are killed goes on for some microseconds: so little is that.
const PIECE: u64 = 256 << 10;
/// Where a stopped thread stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoppedThread {
    /// Its id.
    pub tid: i32,
    /// Address of its next instruction.
    pub code: u64,
    /// Its stack pointer.
    pub stack: u64,
    /// The system call that it was stopped in.
    pub call: Option<i64>,
}

/// Code of the target that calls go through, and the stacks that they may be made on, found while it runs.
#[derive(Debug, Clone)]
pub struct CallCode {
    gadgets: Gadgets,
    stacks: Stacks,
}

impl CallCode {
    /// Looks for it.
    ///
    /// # Errors
    /// [`TraceError::Refused`] where there is none.
    pub fn find(process: &Process) -> TraceResult<Self> {
        let gadgets = Gadgets::find(process, &open_memory(process.pid(), true)?)?;
        Ok(Self { gadgets, stacks: Stacks::of(process)? })
    }

    /// Reaps what an m5 left in the process that was killed in the middle.
    ///
    /// # Errors
    /// [`TraceError`]; the process runs on.
    pub fn reap_strays(&self, process: &Process, guard: &Guard, max_pause: Duration) -> TraceResult<()> {
        reap_strays(process, guard, self.gadgets, max_pause)
    }

    /// Where signal handlers return to.
    #[must_use]
    pub fn sigreturn(&self) -> u64 {
        self.gadgets.sigreturn
    }
}

/// What came of the calls of one stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discarded {
    /// Bytes of the ranges that were given back, in memory or not.
    pub bytes: u64,
    /// Ranges that were dealt with whole, from the first on.
    pub ranges: usize,
    /// Those among them that the kernel would not take.
    pub refused: Vec<Range<u64>>,
    /// Its last reason, an error number.
    pub refusal: Option<i32>,
    /// Calls.
    pub calls: u64,
    /// When the last of them ended.
    pub last_call: Option<Instant>,
}

/// Whether calls may be made from within this process at all.
///
/// # Errors
/// [`TraceError::Refused`] with the reason.
pub fn may_call(process: &Process) -> TraceResult<()> {
    let safety = crate::inspect(process)?;
    if safety.job_stopped {
        return Err(TraceError::Refused("the target is stopped by a signal".into()));
    }
    if arch::protects_returns(&status(process)?) {
        return Err(TraceError::Refused("the target runs with a shadow stack".into()));
    }
    Ok(())
}

impl Frozen<'_> {
    /// Where its threads stand; `None` where one of them waits in the kernel and cannot be seen.
    #[must_use]
    pub fn stopped_threads(&self) -> Option<Vec<StoppedThread>> {
        let stand = |t: &Tracee| {
            let regs = t.regs.as_ref()?;
            Some(StoppedThread {
                tid: t.tid,
                code: arch::instruction(regs),
                stack: arch::stack_pointer(regs),
                call: t.system_call(),
            })
        };
        if self.asleep.is_empty() { self.tracees.iter().map(stand).collect() } else { None }
    }

    /// When the first thread was asked to stop.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Gives the pages of these ranges back, one after the other, for as long as there is time: afterwards all is
    /// as it was by `end`, if the way back takes no longer than `ending`. Ranges are of whole pages.
    ///
    /// One thread makes the helper and reaps it, and waits for a processor to do so. Where it has none by `end`, all others are
    /// let go without it ([`Self::others_stood`]); no page is given back from then on.
    ///
    /// # Errors
    /// [`TraceError`]; a range that the kernel does not take is none.
    pub fn discard(
        &mut self,
        process: &Process,
        code: &CallCode,
        ranges: &[Range<u64>],
        end: Instant,
        ending: Duration,
    ) -> TraceResult<Discarded> {
        let Some(at) = self.caller(process, &code.stacks) else {
            return Err(TraceError::Refused("no thread of the target can be stopped now".into()));
        };
        let _at_once = AtOnce::begin();
        let caller = self.tracees.swap_remove(at);
        let done = self.through(&caller, process, code, ranges, end, ending);
        self.tracees.push(caller);
        done
    }

    fn through(
        &mut self,
        caller: &Tracee,
        process: &Process,
        code: &CallCode,
        ranges: &[Range<u64>],
        end: Instant,
        ending: Duration,
    ) -> TraceResult<Discarded> {
        options_for_call(process, caller, libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEFORK)?;
        let memory = open_memory(caller.tid, true)?;
        let injector = Injector::prepare(caller, &memory, code.gadgets, &code.stacks)?;
        let done = self.by_helper(process, &injector, ranges, end, ending);
        let restored =
            injector.restore(Patience::new(end, Instant::now() + CALL, &mut || self.let_others_go()));
        let done = done?;
        restored?;
        Ok(done)
    }

    /// Where a thread is that can call: on its own stack, without a filter on its calls, if there is one among the first, and
    /// asleep if that can be had: it gets a processor before one that has used its share, and nobody waits for it.
    fn caller(&self, process: &Process, stacks: &Stacks) -> Option<usize> {
        const ASKED: usize = 8;
        let own = |asleep: bool| {
            let able = move |t: &Tracee| t.in_system_call() == asleep && can_call(t, stacks);
            self.tracees.iter().enumerate().filter(move |(_, t)| able(t)).map(|(at, t)| (at, t.tid))
        };
        let order = || own(true).chain(own(false));
        let free = order().take(ASKED).find(|(_, tid)| !is_filtered(process.pid(), *tid));
        free.or_else(|| order().next()).map(|(at, _)| at)
    }

    fn by_helper(
        &mut self,
        process: &Process,
        injector: &Injector<'_>,
        ranges: &[Range<u64>],
        end: Instant,
        ending: Duration,
    ) -> TraceResult<Discarded> {
        // No signal at its end, shared descriptors: nobody in the target can notice it.
        let flags = (libc::CLONE_VM | libc::CLONE_FILES) as u64;
        let args = [flags, injector.child_stack(), 0, 0];
        let mut late = || self.let_others_go();
        let patience = Patience::new(end, Instant::now() + CALL, &mut late);
        let (inside, child) = match injector.call(libc::SYS_clone, args, patience)? {
            (inside, Some(child)) if inside > 0 => (inside, child),
            (error, _) => {
                return Err(TraceError::System {
                    what: "clone in the target",
                    source: std::io::Error::from_raw_os_error(-error as i32),
                });
            }
        };
        let mut helper = Helper { tracee: Tracee::born(child), injector, longest: Duration::ZERO };
        let mut late = || self.let_others_go();
        let begun = helper.begin(process, Patience::new(end, Instant::now() + CALL, &mut late));
        let done = begun.and_then(|()| match self.others_stood() {
            // What was proved held for as long as everybody stood still.
            Some(_) => Ok(Discarded::default()),
            None => helper.discard(ranges, end.checked_sub(ending).unwrap_or(end), || self.beat()),
        });
        end_child(child)?;
        // Whoever waits for children of every kind stands still, and never sees it.
        let options = (libc::WNOHANG | libc::__WALL) as u64;
        let mut late = || self.let_others_go();
        let patience = Patience::new(end, Instant::now() + CALL, &mut late);
        let (said, _) = injector.call(libc::SYS_wait4, [inside as u64, 0, options, 0], patience)?;
        if said != inside {
            return Err(TraceError::Refused(format!(
                "the target could not reap the helper (wait4 said {said})"
            )));
        }
        done
    }
}

/// The process that makes the calls.
struct Helper<'a> {
    tracee: Tracee,
    injector: &'a Injector<'a>,
    /// The longest call so far.
    longest: Duration,
}

impl Helper<'_> {
    /// From here on it dies with us. By its name a dead one is known again.
    fn begin(&mut self, process: &Process, mut patience: Patience<'_>) -> TraceResult<()> {
        hurry(self.tracee.tid);
        patience.wait(&self.tracee, "the helper to stop")?;
        let filtered = is_filtered(self.tracee.tid, self.tracee.tid);
        let suspend = if filtered { libc::PTRACE_O_SUSPEND_SECCOMP } else { 0 };
        self.tracee.options(libc::PTRACE_O_EXITKILL | suspend)?;
        tracing::trace!(pid = process.pid(), helper = self.tracee.tid, "a helper was made");
        let name = self.injector.put_name(HELPER_NAME)?;
        let prctl = [libc::PR_SET_NAME as u64, name, 0, 0];
        let regs = self.tracee.get_regs()?;
        self.tracee.regs = Some(regs);
        self.call(&regs, libc::SYS_prctl, prctl).map(drop)
    }

    fn discard(&mut self, ranges: &[Range<u64>], end: Instant, beat: impl Fn()) -> TraceResult<Discarded> {
        let mut done = Discarded::default();
        let Some(regs) = self.tracee.regs else { return Ok(done) };
        for range in ranges {
            let mut at = range.start;
            let mut refused = None;
            while at < range.end && refused.is_none() {
                let began = Instant::now();
                if began + self.longest >= end {
                    return Ok(done);
                }
                // The kernel works table by table: a call stays within one.
                let table = (at + 1).next_multiple_of(2 << 20);
                let size = (range.end.min(table) - at).min(PIECE);
                match self.call(&regs, libc::SYS_madvise, [at, size, libc::MADV_DONTNEED as u64, 0])? {
                    0 => done.bytes += size,
                    error => refused = Some(-error as i32),
                }
                done.calls += 1;
                done.last_call = Some(Instant::now());
                at += size;
                self.longest = self.longest.max(began.elapsed());
                beat();
            }
            done.ranges += 1;
            if refused.is_some() {
                done.refused.push(range.clone());
                done.refusal = refused;
            }
        }
        Ok(done)
    }

    /// One system call: a single step over the instruction that makes it.
    fn call(&self, regs: &Registers, number: i64, args: [u64; 4]) -> TraceResult<i64> {
        let deadline = Instant::now() + CALL;
        let gadgets = self.injector.gadgets();
        self.tracee.set_regs(&arch::calling(regs, gadgets, self.injector.child_stack(), number, args))?;
        loop {
            self.tracee.step()?;
            // Signals for its group go to the target itself.
            if self.tracee.wait(deadline, "a call of the helper")? == Wait::Gone {
                return Err(TraceError::Refused("the helper was ended meanwhile".into()));
            }
            let after = self.tracee.get_regs()?;
            // The stop in which it was found ends with a step of its own.
            if arch::instruction(&after) != gadgets.call {
                return Ok(arch::result(&after));
            }
        }
    }
}
