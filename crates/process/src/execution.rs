//! One execution of a process. Pid and start time outlive an exec, and where a server executes its own file anew the
//! program does too; nothing that was read of its memory does. So this is asked after every reading of it.

use crate::Process;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest that one thread takes to take the place of the first, on a busy machine.
const HANDOVER: Duration = Duration::from_secs(5);

/// What a process executes, from the moment at which it was asked.
#[derive(Debug)]
pub struct Execution {
    process: Process,
    since: Instant,
    traces: Traces,
    /// Its memory, held open: an exec gives up the old address space, and from one that was given up the kernel reads
    /// nothing, wherever the new one lies.
    memory: Option<File>,
}

/// What an exec changes for everybody to see. Address space randomisation moves the stack each time; without it only
/// another program is noticed.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    stack_start: Option<u64>,
    program: Option<PathBuf>,
}

impl Execution {
    /// What the process executes now. Whoever reads its memory takes this before.
    #[must_use]
    pub fn of(process: &Process) -> Self {
        Self { process: process.clone(), since: Instant::now(), traces: Traces::of(process), memory: None }
    }

    /// The same, held on to: see [`Execution::hold`].
    #[must_use]
    pub fn held(process: &Process) -> Self {
        let mut execution = Self::of(process);
        execution.hold();
        execution
    }

    /// Holds on to it at the price of an open file: what comes next is noticed without fail, where the process may
    /// be read at all. Not for processes of which nothing else is read: to open a memory looks like an attack.
    pub fn hold(&mut self) {
        let memory = File::open(self.process.path("mem")).ok();
        // It must be the memory of this execution, not of one that came in between.
        self.memory = memory.filter(|_| Traces::of(&self.process) == self.traces);
    }

    /// Whether it goes on: then all that was read of the memory before belongs to it. Once it does not, it never
    /// will again.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        match &self.memory {
            // Nothing is mapped at 0, so that of a living address space this is an error.
            Some(memory) => !matches!(memory.read_at(&mut [0], 0), Ok(0)),
            None => Traces::of(&self.process) == self.traces,
        }
    }

    /// Whether the process runs on and executes something else.
    #[must_use]
    pub fn replaced(&self) -> bool {
        !self.goes_on() && self.process.alive()
    }

    /// The same for whoever found that it has ended: where another thread than the first executes something, the first is
    /// shown as ended until the other has taken its place, and a moment later the old memory is there still.
    #[must_use]
    pub fn replaced_in_the_end(&self) -> bool {
        const TIMES: u32 = 20;
        let end = Instant::now() + HANDOVER;
        let mut ended = 0;
        while !self.replaced() {
            // As the number of the one goes over to the other, nobody has it.
            let lives = self.process.alive() || self.process.has_other_living_threads();
            ended = if lives { 0 } else { ended + 1 };
            if ended >= TIMES || Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// A number that tells it from all that the process executes before and after, for who has to know it again later: from
    /// where its stack starts, and from the bytes that the kernel draws for each execution. `None` where those cannot be
    /// read, or it is over.
    #[must_use]
    pub fn mark(&self) -> Option<u64> {
        let (at, drawn) = (self.process.random_bytes_address()?, &mut [0; 16]);
        let memory = self.memory.as_ref()?;
        memory.read_exact_at(drawn, at).ok()?;
        let stack = self.traces.stack_start.unwrap_or(0).to_le_bytes();
        // FNV-1a: the bytes themselves are the process's secret.
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Some(drawn.iter().chain(&stack).fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where it is found now that the process runs on and executes something else: how long after it was taken.
    #[must_use]
    pub fn replaced_after(&self) -> Option<Duration> {
        self.replaced().then(|| self.since.elapsed())
    }
}

impl Traces {
    fn of(process: &Process) -> Self {
        Self {
            stack_start: process.stat().ok().and_then(|stat| stat.stack_start),
            program: process.program(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    /// Executes its own file anew for every line that it reads.
    const AGAIN: &str = r#"echo ready; read line; exec sh -c "$0" "$0""#;

    struct Shell(Child, BufReader<std::process::ChildStdout>);

    impl Shell {
        fn start(before: &[&str]) -> Self {
            let words = [before, &["sh", "-c", AGAIN, AGAIN]].concat();
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let mut shell = Self(child, output);
            shell.wait();
            shell
        }

        fn wait(&mut self) {
            let mut line = String::new();
            self.1.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
        }

        fn again(&mut self) {
            self.0.stdin.as_mut().unwrap().write_all(b"again\n").unwrap();
            self.wait();
        }

        fn process(&self) -> Process {
            Process::open(self.0.id() as i32).unwrap()
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn held(process: &Process) -> Execution {
        let execution = Execution::held(process);
        assert!(execution.memory.is_some());
        execution
    }

    fn randomised() -> bool {
        std::fs::read_to_string("/proc/sys/kernel/randomize_va_space").is_ok_and(|mode| mode.trim() != "0")
    }

    #[test]
    fn the_same_file_executed_anew_is_another_execution_every_time() {
        let mut shell = Shell::start(&[]);
        let process = shell.process();
        for _ in 0..50 {
            let (held, seen) = (held(&process), Execution::of(&process));
            assert!(held.goes_on() && seen.goes_on());
            let mark = held.mark().unwrap();
            assert_eq!(self::held(&process).mark(), Some(mark));
            shell.again();
            assert_eq!(held.mark(), None);
            assert_ne!(self::held(&process).mark(), Some(mark));
            assert!(!held.goes_on() && held.replaced());
            assert_eq!(seen.replaced(), randomised());
        }
    }

    #[test]
    fn also_where_addresses_are_not_randomised() {
        let allowed = Command::new("setarch").args(["-R", "true"]).status().is_ok_and(|s| s.success());
        if !allowed {
            println!("left out: setarch -R is not there or not allowed");
            return;
        }
        let mut shell = Shell::start(&["setarch", "-R"]);
        let process = shell.process();
        for _ in 0..50 {
            let before = held(&process);
            assert!(before.goes_on());
            let mark = before.mark().unwrap();
            shell.again();
            assert!(before.replaced());
            assert_ne!(held(&process).mark(), Some(mark));
        }
    }

    #[test]
    fn what_came_before_it_was_held_is_not_taken_for_it() {
        if !randomised() {
            return;
        }
        let mut shell = Shell::start(&[]);
        let mut execution = Execution::of(&shell.process());
        shell.again();
        execution.hold();
        assert!(execution.replaced());
    }

    #[test]
    fn a_thread_that_executes_something_takes_the_place_of_the_first() {
        // Many threads, so that their ends take a while.
        let program = "import os, threading; print('ready', flush=True); input(); event = threading.Event()\n\
                       for i in range(200): threading.Thread(target=event.wait, daemon=True).start()\n\
                       threading.Thread(target=os.execv, args=('/bin/sleep', ['sleep', '60'])).start(); event.wait()";
        for _ in 0..10 {
            let mut command = Command::new("python3");
            command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
            let process = Process::open(child.id() as i32).unwrap();
            let execution = held(&process);
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
            // From the moment on at which the first thread has ended, or everything is done.
            while execution.goes_on() && process.alive() {
                std::thread::yield_now();
            }
            let replaced = execution.replaced_in_the_end();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(replaced);
        }
    }

    #[test]
    fn an_end_that_takes_a_while_is_no_other_execution() {
        // It gives up its memory first, which takes longer the more there is.
        let program = "b = bytearray(b'1') * (300 << 20); print('ready', flush=True); input()";
        for _ in 0..5 {
            let mut command = Command::new("python3");
            command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
            let execution = held(&Process::open(child.id() as i32).unwrap());
            child.kill().unwrap();
            while execution.goes_on() {
                std::thread::yield_now();
            }
            let (replaced, in_the_end) = (execution.replaced(), execution.replaced_in_the_end());
            child.wait().unwrap();
            assert!(!replaced && !in_the_end);
        }
    }

    #[test]
    fn an_end_is_no_other_execution() {
        let mut shell = Shell::start(&[]);
        let both = [held(&shell.process()), Execution::of(&shell.process())];
        shell.0.kill().unwrap();
        shell.0.wait().unwrap();
        assert!(both.iter().all(|e| !e.goes_on() && !e.replaced()));
    }
}
