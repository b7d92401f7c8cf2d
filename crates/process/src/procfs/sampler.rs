//! One process read again and again: `/proc` files stay open and are read in place, so that a reading costs
//! microseconds and a recycled pid can never be mistaken for the old process.

use super::held::read_whole;
use crate::{Error, FdCounts, Process, Result, Stat, Status, monotonic_ns};
use std::fs::File;

/// What one reading says.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// `/proc/PID/stat`.
    pub stat: Stat,
    /// `/proc/PID/status`.
    pub status: Status,
    /// The descriptors by kind; absent where they may not be listed.
    pub fds: Option<FdCounts>,
}

/// Open files of one process.
#[derive(Debug)]
pub struct Sampler {
    process: Process,
    stat: File,
    status: File,
    fds_allowed: bool,
    /// The descriptors when they were looked at one by one, and until when that is enough.
    walked: Option<(FdCounts, u64)>,
    buffer: Vec<u8>,
}

/// Looking at each descriptor may take this part of the time; what they are changes more slowly than how many.
const WALKED: u64 = 200;
/// Of fewer, all are looked at whenever one more or less is there: that takes no time worth saving.
const MANY: u64 = 512;

impl Sampler {
    /// Opens the files of a process.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] where it has ended.
    pub fn open(process: &Process) -> Result<Self> {
        let open =
            |name: &str| File::open(process.path(name)).map_err(|e| Error::from_io(process.pid(), name, e));
        let (stat, status) = (open("stat")?, open("status")?);
        let mut sampler = Self {
            process: process.clone(),
            stat,
            status,
            fds_allowed: true,
            walked: None,
            buffer: Vec::new(),
        };
        // The pid may have been recycled between the two openings; the start time tells.
        if sampler.stat()?.start_ticks == process.identity().start_ticks {
            Ok(sampler)
        } else {
            Err(Error::NoSuchProcess { pid: process.pid() })
        }
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Reads everything once.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, also while its parent has not yet asked for its status.
    pub fn read(&mut self) -> Result<Reading> {
        let stat = self.stat()?;
        if !stat.runs() {
            return Err(Error::NoSuchProcess { pid: self.process.pid() });
        }
        let text = text(&self.status, &mut self.buffer, self.process.pid(), "status")?;
        let status = Status::parse(text);
        Ok(Reading { stat, status, fds: self.fds() })
    }

    fn stat(&mut self) -> Result<Stat> {
        Stat::parse(text(&self.stat, &mut self.buffer, self.process.pid(), "stat")?)
    }

    /// A refusal stays one; asking again every second would only fill an audit log.
    fn fds(&mut self) -> Option<FdCounts> {
        if !self.fds_allowed {
            return None;
        }
        let now = monotonic_ns();
        if let Some((walked, _)) = self.walked.as_ref().filter(|(_, until)| now < *until)
            && let Some(total) = self.process.fd_total()
            && (walked.total >= MANY || walked.total == total)
        {
            return Some(FdCounts { total, ..walked.clone() });
        }
        let fds = self.process.fds();
        self.fds_allowed = !matches!(fds, Err(Error::Permission { .. }));
        let took = monotonic_ns().saturating_sub(now);
        self.walked = fds.ok().map(|fds| (fds, now + took.saturating_mul(WALKED)));
        self.walked.as_ref().map(|(fds, _)| fds.clone())
    }
}

/// The whole text of a file, read from its start.
fn text<'a>(file: &File, buffer: &'a mut Vec<u8>, pid: i32, what: &str) -> Result<&'a str> {
    let bytes = read_whole(file, buffer).map_err(|e| Error::from_io(pid, what, e))?;
    // Only the command's name may hold foreign bytes, and no figure depends on it.
    bytes.iter_mut().filter(|b| !b.is_ascii()).for_each(|b| *b = b'?');
    std::str::from_utf8(bytes).map_err(|e| Error::malformed(what, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn reads_itself_like_a_process() {
        let me = Process::open(std::process::id() as i32).unwrap();
        let mut sampler = Sampler::open(&me).unwrap();
        let first = sampler.read().unwrap();
        let second = sampler.read().unwrap();
        assert_eq!(first.stat.start_ticks, me.identity().start_ticks);
        assert!(second.status.rss_bytes.unwrap() > 0 && second.stat.threads >= 1);
        assert!(second.fds.unwrap().total >= 5);
    }

    #[test]
    fn many_descriptors_are_counted_each_time_and_looked_at_now_and_then() {
        let me = Process::open(std::process::id() as i32).unwrap();
        let mut sampler = Sampler::open(&me).unwrap();
        let fds = |sampler: &mut Sampler| sampler.read().unwrap().fds.unwrap();
        let first = fds(&mut sampler);
        // As if that had taken long.
        sampler.walked = Some((FdCounts { total: MANY, ..first.clone() }, u64::MAX));
        if me.fd_total().is_none() {
            println!("left out: this kernel does not count descriptors");
            return;
        }
        let counted = fds(&mut sampler);
        assert!(counted.total >= 5 && counted.by_kind == first.by_kind);
        sampler.walked = Some((FdCounts::default(), 0));
        assert!(!fds(&mut sampler).by_kind.is_empty());
    }

    #[test]
    fn an_ended_process_is_gone_even_before_it_is_waited_for() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let process = Process::open(child.id() as i32).unwrap();
        let mut sampler = Sampler::open(&process).unwrap();
        sampler.read().unwrap();
        drop(child.stdin.take());
        while process.alive() {
            std::thread::yield_now();
        }
        assert!(matches!(sampler.read(), Err(Error::NoSuchProcess { .. })));
        child.wait().unwrap();
        assert!(matches!(sampler.read(), Err(Error::NoSuchProcess { .. })));
    }
}
