//! One execution of a process. Pid and start time outlive an exec, and where a server executes its own file anew the
//! program does too; nothing that was read of its memory does. So this is asked after every reading of it.

use crate::Process;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What a process executes, from the moment at which it was asked.
#[derive(Debug)]
pub struct Execution {
    process: Process,
    mark: Mark,
}

/// What tells it from the next one.
#[derive(Debug)]
enum Mark {
    /// Its memory, held open: an exec gives up the old address space, and from one that was given up the kernel
    /// reads nothing, wherever the new one lies.
    Memory(File),
    /// Where that may not be opened, what else an exec changes.
    Traces(Traces),
}

/// Address space randomisation moves the stack with every exec; without it only another program is noticed.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    stack_start: Option<u64>,
    program: Option<PathBuf>,
}

impl Execution {
    /// What the process executes now. Whoever reads its memory takes this before.
    #[must_use]
    pub fn of(process: &Process) -> Self {
        let mark =
            File::open(process.path("mem")).map_or_else(|_| Mark::Traces(Traces::of(process)), Mark::Memory);
        Self { process: process.clone(), mark }
    }

    /// Whether it goes on: then all that was read of the memory before belongs to it. Once it does not, it never
    /// will again.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        match &self.mark {
            // Nothing is mapped at 0, so that of a living address space this is an error.
            Mark::Memory(memory) => !matches!(memory.read_at(&mut [0], 0), Ok(0)),
            Mark::Traces(traces) => Traces::of(&self.process) == *traces,
        }
    }

    /// Whether the process runs on and executes something else.
    #[must_use]
    pub fn replaced(&self) -> bool {
        !self.goes_on() && self.process.alive()
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

    fn by_traces(process: &Process) -> Execution {
        Execution { process: process.clone(), mark: Mark::Traces(Traces::of(process)) }
    }

    fn randomised() -> bool {
        std::fs::read_to_string("/proc/sys/kernel/randomize_va_space").is_ok_and(|mode| mode.trim() != "0")
    }

    #[test]
    fn the_same_file_executed_anew_is_another_execution_every_time() {
        let mut shell = Shell::start(&[]);
        let process = shell.process();
        for _ in 0..50 {
            let both = [Execution::of(&process), by_traces(&process)];
            assert!(matches!(both[0].mark, Mark::Memory(_)));
            assert!(both.iter().all(Execution::goes_on));
            shell.again();
            assert!(!both[0].goes_on() && both[0].replaced());
            assert_eq!(both[1].replaced(), randomised());
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
            let before = Execution::of(&process);
            assert!(before.goes_on());
            shell.again();
            assert!(before.replaced());
        }
    }

    #[test]
    fn an_end_is_no_other_execution() {
        let mut shell = Shell::start(&[]);
        let both = [Execution::of(&shell.process()), by_traces(&shell.process())];
        shell.0.kill().unwrap();
        shell.0.wait().unwrap();
        assert!(both.iter().all(|e| !e.goes_on() && !e.replaced()));
    }
}
