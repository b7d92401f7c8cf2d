//! A load read beside a recording, in a thread of its own: an endpoint that hangs must not hold up the samples.

use super::source::{Reading, WorkloadSource, agent};
use m5_report::doc::LoadRecord;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The load is read so often at most.
const LEAST: Duration = Duration::from_secs(1);
/// Readings that a recording keeps about: it reads as rarely as that takes.
const READINGS: u32 = 2000;

/// A thread that reads a load until it is asked for what it has.
#[derive(Debug)]
pub(crate) struct WorkloadWatch {
    stop: Sender<()>,
    thread: JoinHandle<LoadRecord>,
}

impl WorkloadWatch {
    /// Begins to read. Times count from now.
    pub(crate) fn start(source: WorkloadSource, duration: Duration, interval: Duration) -> Self {
        let (stop, stopped) = channel();
        let every = interval.max(LEAST).max(duration / READINGS);
        Self { stop, thread: std::thread::spawn(move || watch(&source, every, &stopped)) }
    }

    /// Stops and gives what was read; `None` where the thread failed.
    pub(crate) fn finish(self) -> Option<LoadRecord> {
        drop(self.stop);
        self.thread.join().ok()
    }
}

fn watch(source: &WorkloadSource, every: Duration, stopped: &Receiver<()>) -> LoadRecord {
    let (agent, begin) = (agent(), Instant::now());
    let mut record = LoadRecord { source: source.name(), ..LoadRecord::default() };
    let mut said = None;
    loop {
        match source.read(&agent) {
            Ok(Reading { value, counter }) => {
                said = counter.or(said);
                record.t_seconds.push(begin.elapsed().as_secs_f64());
                record.values.push(value);
            }
            Err(_) => record.missed += 1,
        }
        if !matches!(stopped.recv_timeout(every), Err(RecvTimeoutError::Timeout)) {
            break;
        }
    }
    // A number that never falls counts something.
    record.counter = said.unwrap_or_else(|| record.values.windows(2).all(|w| w[0] <= w[1]));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_until_it_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("load");
        std::fs::write(&path, "41").unwrap();
        let watch = WorkloadWatch::start(WorkloadSource::File(path), Duration::from_secs(60), Duration::ZERO);
        // It reads once even when it is asked at once.
        let record = watch.finish().unwrap();
        assert_eq!((record.values[0], record.counter, record.missed), (41.0, true, 0));
    }
}
