//! The runs of a search in a file, one a line, so that it can be taken up again where it ended.

use m5_report::tune::TuneRun;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What must be the same for runs to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// `m5.tune-runs/1`.
    pub schema: String,
    /// Command, load and times, in words.
    pub of: Vec<String>,
}

/// One run: setting, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    setting: String,
    run: Option<TuneRun>,
    failure: Option<String>,
}

/// Runs that are known, and where new ones go.
#[derive(Debug)]
pub struct Log {
    known: VecDeque<Line>,
    file: File,
}

impl Log {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` where the file is of another search.
    pub fn open(path: &Path, header: &Header) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let mut lines = text.lines();
        let found: Option<Header> = lines.next().and_then(|line| serde_json::from_str(line).ok());
        if !text.is_empty() && found.as_ref() != Some(header) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is of another command, load or time"));
        }
        // A line that was cut short is a run that does not count.
        let known: VecDeque<Line> = lines.map_while(|line| serde_json::from_str(line).ok()).collect();
        let mut whole = serde_json::to_string(header)? + "\n";
        for line in &known {
            whole += &(serde_json::to_string(line)? + "\n");
        }
        m5_process::write_whole(path, |out| out.write_all(whole.as_bytes()))?;
        Ok(Self { known, file: m5_process::open_to_add(path)? })
    }

    /// The next known run, where it is one of this setting; else those that are left do not count.
    pub fn known(&mut self, setting: &str) -> Option<Result<TuneRun, String>> {
        let line = self.known.pop_front().filter(|line| line.setting == setting);
        let Some(Line { run, failure, .. }) = line else {
            self.known.clear();
            return None;
        };
        Some(run.ok_or_else(|| failure.unwrap_or_default()))
    }

    /// Adds a run.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add(&mut self, setting: &str, run: &Result<TuneRun, String>) -> io::Result<()> {
        let line = Line {
            setting: setting.to_owned(),
            run: run.as_ref().ok().copied(),
            failure: run.as_ref().err().cloned(),
        };
        writeln!(self.file, "{}", serde_json::to_string(&line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_known_again_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        let header = Header { schema: "m5.tune-runs/1".into(), of: vec!["a".into()] };
        let run = TuneRun {
            rss_bytes: 1.5,
            peak_rss_bytes: 2.0,
            pause_seconds: None,
            cpu_seconds: 0.1,
            elapsed_seconds: 1.0,
        };
        let mut log = Log::open(&path, &header).unwrap();
        assert!(log.known("base").is_none());
        log.add("base", &Ok(run)).unwrap();
        log.add("x", &Err("no".into())).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text + "{\"setting\": \"cut").unwrap();
        let mut log = Log::open(&path, &header).unwrap();
        assert_eq!(log.known("base"), Some(Ok(run)));
        assert_eq!(log.known("x"), Some(Err("no".into())));
        assert_eq!(log.known("y"), None);
        assert!(Log::open(&path, &Header { of: vec![], ..header }).is_err());
    }
}
