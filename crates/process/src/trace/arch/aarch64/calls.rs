//! What a thread was in when it was stopped, and how that goes on.

use super::{NUMBER, Registers};
use std::fs;

/// `svc #0`.
const SVC: u32 = 0xd400_0001;
const LENGTH: u64 = 4;
const EINTR: u64 = -(libc::EINTR as i64) as u64;
/// `restart_syscall`: goes on with a sleep for the time that was left.
const RESTART: u64 = 128;

/// A system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    number: i64,
    args: [u64; 6],
}

/// What is known of a thread from the moment before it was stopped.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    /// The call that it slept in.
    call: Option<Call>,
    /// It was seen in its own code.
    in_user_code: bool,
    /// The stop broke its call off with EINTR, and it was made to begin it anew.
    anew: bool,
}

impl Before {
    /// Of a thread that was never looked at.
    pub(crate) fn unknown() -> Self {
        Self::default()
    }

    /// Looks at a thread that is about to be stopped.
    pub(crate) fn look(tid: i32) -> Self {
        let text = fs::read_to_string(format!("/proc/{tid}/syscall")).unwrap_or_default();
        let in_user_code = text.trim() == "running" || text.starts_with("-1 ");
        Self { call: call(&text), in_user_code, anew: false }
    }

    /// The system call that the thread stands in. It may have made others since it was looked at: only the instruction
    /// that makes calls, right before or behind, is a proof. `code` reads an instruction.
    pub(crate) fn system_call(&self, regs: &Registers, code: impl Fn(u64) -> Option<u32>) -> Option<i64> {
        let stands = [regs.pc, regs.pc.wrapping_sub(LENGTH)].into_iter().any(|at| code(at) == Some(SVC));
        let number = regs.x[NUMBER];
        // What goes on with the time that was left forgets its number, but not its arguments.
        let first = self.call.filter(|call| number == RESTART && regs.x[1..6] == call.args[1..]);
        stands.then(|| first.map_or(number as i64, |call| call.number))
    }

    /// Whether the thread stands in a system call. Where that is not known it is assumed.
    pub(crate) fn in_system_call(&self, _regs: &Registers) -> bool {
        !self.in_user_code
    }

    /// The registers that a stopped thread gets at once so that the program sees nothing of the stop, even if we die
    /// now; `None` where they are as they should be. `epoll_pwait`, `recv` with a timeout and their like return EINTR
    /// by themselves instead of asking for a restart, although nothing happened; but where a signal waits for the
    /// thread, EINTR is the truth. `close` is never begun anew: its descriptor is gone, and the number may be another
    /// thread's. `code` reads an instruction.
    pub(crate) fn restarted(
        &mut self,
        regs: &Registers,
        code: impl Fn(u64) -> Option<u32>,
        signalled: impl Fn() -> bool,
    ) -> Option<Registers> {
        let call = self.call?;
        let closes = [libc::SYS_close, libc::SYS_close_range].contains(&call.number);
        let behind = regs.x[0] == EINTR && call.left(regs) && code(regs.pc.wrapping_sub(LENGTH)) == Some(SVC);
        self.anew = behind && !closes && !signalled();
        self.anew.then(|| {
            let mut again = *regs;
            again.x[0] = call.args[0];
            again.pc = regs.pc.wrapping_sub(LENGTH);
            again
        })
    }

    /// The registers that a thread goes on with where they differ from those at its stop. After an injected call the
    /// kernel no longer knows that it had rewound one: then a sleep is told to go on with the time that was left, and
    /// where a signal came meanwhile the call returns EINTR as it would have.
    pub(crate) fn released(
        &self,
        regs: &Registers,
        injected: bool,
        code: impl Fn(u64) -> Option<u32>,
        signalled: impl Fn() -> bool,
    ) -> Option<Registers> {
        let call = self.call?;
        let rewound = regs.x[0] == call.args[0] && call.left(regs) && code(regs.pc) == Some(SVC);
        if !rewound || !(self.anew || injected) {
            return None;
        }
        let mut next = *regs;
        if (self.anew || call.ends_by_signal()) && signalled() {
            next.x[0] = EINTR;
            next.pc = regs.pc.wrapping_add(LENGTH);
            return Some(next);
        }
        (injected && call.counts_down()).then(|| {
            next.x[NUMBER] = RESTART;
            next
        })
    }
}

impl Call {
    /// Whether the registers are those with which it was made, but for the first, which holds the result too.
    fn left(&self, regs: &Registers) -> bool {
        regs.x[NUMBER] == self.number as u64 && regs.x[1..6] == self.args[1..]
    }

    /// Whether its time is a length and not an end, so that to begin it anew would make it longer.
    fn counts_down(&self) -> bool {
        match self.number {
            libc::SYS_nanosleep => true,
            libc::SYS_clock_nanosleep => self.args[1] & libc::TIMER_ABSTIME as u64 == 0,
            libc::SYS_futex => self.is_timed_wait() && self.futex_command() == libc::FUTEX_WAIT as u64,
            _ => false,
        }
    }

    /// Whether a signal with a handler ends it whatever the handler's flags say.
    fn ends_by_signal(&self) -> bool {
        match self.number {
            libc::SYS_nanosleep | libc::SYS_clock_nanosleep | libc::SYS_ppoll | libc::SYS_pselect6 => true,
            libc::SYS_futex => self.is_timed_wait(),
            _ => false,
        }
    }

    fn futex_command(&self) -> u64 {
        self.args[1] & !((libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) as u64)
    }

    fn is_timed_wait(&self) -> bool {
        let waits = [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET].map(|c| c as u64);
        self.args[3] != 0 && waits.contains(&self.futex_command())
    }
}

/// Reads the text of `/proc/TID/syscall`: the call's number and its arguments.
fn call(text: &str) -> Option<Call> {
    let mut words = text.split_whitespace();
    let number = words.next()?.parse::<i64>().ok().filter(|n| *n >= 0)?;
    let mut args = [0; 6];
    for arg in &mut args {
        *arg = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    Some(Call { number, args })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PC: u64 = 0x4000;

    fn code(at: u64) -> Option<u32> {
        (at == PC).then_some(SVC)
    }

    fn before(number: i64, args: [u64; 6]) -> Before {
        let words: Vec<String> = args.iter().map(|a| format!("{a:#x}")).collect();
        let text = format!("{number} {} 0x7ffe 0x4004\n", words.join(" "));
        Before { call: call(&text), ..Before::default() }
    }

    fn regs(number: i64, args: [u64; 6], first: u64, pc: u64) -> Registers {
        let mut regs = Registers { pc, ..Registers::default() };
        regs.x[..6].copy_from_slice(&args);
        regs.x[0] = first;
        regs.x[NUMBER] = number as u64;
        regs
    }

    const ARGS: [u64; 6] = [7, 2, 3, 4, 0, 6];

    #[test]
    fn what_was_broken_off_for_nothing_begins_anew_but_never_a_close() {
        let (number, behind) = (libc::SYS_epoll_pwait, PC + 4);
        let stopped = regs(number, ARGS, EINTR, behind);
        let mut looked = before(number, ARGS);
        let again = looked.restarted(&stopped, code, || false).unwrap();
        assert_eq!(again, regs(number, ARGS, 7, PC));
        assert_eq!(looked.released(&again, false, code, || false), None);
        // A signal that came meanwhile is what the program must hear of.
        assert_eq!(looked.released(&again, true, code, || true), Some(stopped));
        assert!(before(number, ARGS).restarted(&stopped, code, || true).is_none(), "EINTR is the truth");
        for closes in [libc::SYS_close, libc::SYS_close_range] {
            let stopped = regs(closes, ARGS, EINTR, behind);
            assert!(before(closes, ARGS).restarted(&stopped, code, || false).is_none());
        }
        let other = regs(number, [7, 2, 3, 9, 0, 6], EINTR, behind);
        assert!(before(number, ARGS).restarted(&other, code, || false).is_none(), "another call");
        assert!(before(number, ARGS).restarted(&regs(number, ARGS, 5, behind), code, || false).is_none());
        assert!(
            before(number, ARGS).restarted(&stopped, |_| Some(0), || false).is_none(),
            "no call was made"
        );
    }

    #[test]
    fn a_sleep_goes_on_for_the_time_that_was_left() {
        let number = libc::SYS_nanosleep;
        let stopped = regs(number, ARGS, ARGS[0], PC);
        let looked = before(number, ARGS);
        assert_eq!(looked.released(&stopped, false, code, || false), None, "the kernel does it");
        assert_eq!(looked.released(&stopped, true, code, || false).unwrap().x[NUMBER], RESTART);
        assert_eq!(looked.released(&stopped, true, code, || true), Some(regs(number, ARGS, EINTR, PC + 4)));
        // One that has an end, and one that has none, begin anew.
        let until = [1, libc::TIMER_ABSTIME as u64, 3, 4, 5, 6];
        for (number, args) in [(libc::SYS_clock_nanosleep, until), (libc::SYS_futex, [1, 128, 3, 0, 5, 6])] {
            let stopped = regs(number, args, args[0], PC);
            assert_eq!(before(number, args).released(&stopped, true, code, || false), None);
        }
        let timed = [1, 128, 3, 4, 5, 6];
        let futex = regs(libc::SYS_futex, timed, 1, PC);
        assert!(before(libc::SYS_futex, timed).released(&futex, true, code, || false).is_some());
    }

    #[test]
    fn a_call_is_where_its_instruction_is_whatever_was_seen_before() {
        let looked = before(libc::SYS_read, ARGS);
        let call = |number, pc| looked.system_call(&regs(number, ARGS, 0, pc), code);
        assert_eq!(call(libc::SYS_read, PC), Some(libc::SYS_read), "it will be made again");
        assert_eq!(call(libc::SYS_brk, PC + 4), Some(libc::SYS_brk), "another one was made meanwhile");
        assert_eq!(call(libc::SYS_read, PC + 8), None, "it was left meanwhile");
        let slept = before(libc::SYS_nanosleep, ARGS);
        let again = |args| slept.system_call(&regs(RESTART as i64, args, 0, PC), code);
        assert_eq!(again(ARGS), Some(libc::SYS_nanosleep));
        assert_eq!(again([7, 2, 3, 4, 1, 6]), Some(RESTART as i64), "another one's");
    }

    #[test]
    fn texts_of_the_kernel() {
        assert_eq!(call("running\n"), None);
        assert_eq!(call("-1 0x7ffe 0x4004\n"), None);
        assert_eq!(call("22 0x7 0x8"), None);
        let whole = call("22 0x7 0xffff8000 0x2 0xffffffffffffffff 0x0 0x8 0xfffe 0xffff\n");
        assert_eq!(whole, Some(Call { number: 22, args: [7, 0xffff_8000, 2, u64::MAX, 0, 8] }));
    }
}
