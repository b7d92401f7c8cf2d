//! What a process that uses `m5mem` says of itself, read from the page that it shares: no port, nothing asked
//! of it, and never needed.

mod name;
mod page;

use m5_process::{Mapping, Memory, Process, clock_ahead_ns, inner_tid, monotonic_ns};
use m5_report::doc::Application;
use page::PageError;

/// How the page is called among the mappings of a process.
const NAME: &str = "/memfd:m5mem";

/// A look at the mappings holds a lock of the target: not more often than this.
const LOOK_EVERY_NS: u64 = 60_000_000_000;

/// Reads the page of one process again and again, whether it is there yet or not.
#[derive(Debug, Default)]
pub struct SharedPage {
    place: Option<Place>,
    looked_ns: u64,
}

impl SharedPage {
    /// What the process says now; `None` where it says nothing.
    pub fn read(&mut self, process: &Process) -> Option<Application> {
        let now = monotonic_ns();
        if self.place.is_none() && (self.looked_ns == 0 || now - self.looked_ns >= LOOK_EVERY_NS) {
            self.looked_ns = now;
            self.place = Place::find(process);
        }
        let said = self.place?.read(process).unwrap_or_else(|error| {
            Some(Application { unread: Some(error.to_string()), ..Application::default() })
        });
        if said.is_none() {
            self.place = None;
        }
        said
    }
}

/// Where the page of a process lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    address: u64,
    /// What the process is called in its own namespace, and so by the page that it writes itself.
    own: i32,
}

impl Place {
    /// Looks for it: one pass over the mappings.
    fn find(process: &Process) -> Option<Self> {
        let ours = |m: &Mapping| {
            m.shared && m.path.starts_with(NAME) && m.end.saturating_sub(m.start) == page::BYTES as u64
        };
        let mappings = process.maps().ok()?;
        let own = inner_tid(process.pid(), process.pid()).unwrap_or_else(|| process.pid());
        let mut pages = mappings.iter().filter(|m| ours(m)).map(|m| Self { address: m.start, own });
        // After a fork the parent's page is mapped as well: the one that the process itself writes counts.
        pages.find(|place| !matches!(place.read(process), Ok(None)))
    }

    /// What it says now; `None` where it is gone, or is the page of the process that this one was forked from.
    fn read(self, process: &Process) -> Result<Option<Application>, PageError> {
        let mut bytes = vec![0; page::BYTES];
        if process.memory().read(self.address, &mut bytes).is_err() {
            return Ok(None);
        }
        // It dates by its own clock.
        let now = monotonic_ns().saturating_add_signed(clock_ahead_ns(process.pid()));
        let page = page::parse(&bytes, now)?;
        Ok((i64::from(page.writer) == i64::from(self.own)).then_some(page.said))
    }
}
