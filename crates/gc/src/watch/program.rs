//! One program in memory: its interpreters, and which of their words to watch with the registers there are.

use super::attach::Watched;
use super::classify::{Instructions, Write};
use super::collector::Labels;
use super::hint;
use m5_cpython::Interpreter;
use m5_cpython::layout::Collector as Organisation;
use m5_process::Memory;

/// Debug registers of x86-64.
pub(crate) const REGISTERS: usize = 4;

/// A watched word and its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) watched: Watched,
    /// Address of the flag of the collector that it belongs to.
    pub(crate) flag: u64,
    pub(crate) write: Write,
}

/// A program and what is watched of it.
pub(crate) struct Program {
    pub(crate) main: Interpreter,
    pub(crate) sites: Vec<Site>,
    pub(crate) known: Instructions,
    labels: Labels,
}

/// What labels a collection with the fewest traps, the most telling first.
fn labelling(organisation: Organisation) -> &'static [Write] {
    match organisation {
        // What counts middle collections is written as a middle or a full one begins, so it tells those from the
        // young ones, and beside the full ones' counter it gives their length.
        Organisation::Generational => &[Write::Label(2), Write::Older],
        // Nothing is written as a full one begins.
        Organisation::Incremental => &[Write::Label(2), Write::Label(0)],
        // Those that start by themselves count as young; the others were asked for. What counts nowhere did not
        // come about.
        Organisation::FreeThreaded => &[Write::Label(2), Write::Label(1), Write::Label(0)],
    }
}

/// The generation of a collection in which none of the watched words was written; none where it is no collection.
fn otherwise(organisation: Organisation) -> Option<u8> {
    match organisation {
        Organisation::Generational => Some(0),
        // An increment may return before it counts.
        Organisation::Incremental => Some(1),
        Organisation::FreeThreaded => None,
    }
}

impl Program {
    /// Plans for these interpreters, the main one first: its flag, what labels it, then the others' flags.
    pub(crate) fn new(interpreters: &[Interpreter], registers: usize) -> m5_cpython::Result<Option<Self>> {
        let Some(main) = interpreters.first() else { return Ok(None) };
        let organisation = main.layout().collector;
        let flag = main.collecting_address();
        let (addresses, len) = main.label_addresses()?;
        let place = |write| match write {
            Write::Flag => Watched { addr: flag, len: 4 },
            Write::Label(g) => Watched { addr: addresses[usize::from(g)], len },
            Write::Older => Watched { addr: main.count_address(2), len: 4 },
        };
        let labelling = labelling(organisation);
        let mut sites = vec![flag_site(flag)];
        sites.extend(labelling.iter().map(|write| Site { watched: place(*write), flag, write: *write }));
        sites.extend(interpreters[1..].iter().map(|i| flag_site(i.collecting_address())));
        sites.truncate(registers);
        let watches = |write: &Write| sites.iter().any(|s| s.write == *write);
        let all = labelling.iter().all(watches);
        let labels = Labels {
            otherwise: otherwise(organisation).filter(|_| all),
            false_starts: all && otherwise(organisation).is_none(),
            full_ends: watches(&Write::Label(2)),
            full_begins: watches(&Write::Older),
        };
        Ok(Some(Self { main: main.clone(), sites, known: Instructions::default(), labels }))
    }

    /// Words that are watched in windows only.
    pub(crate) fn switched(&self) -> usize {
        self.sites.iter().filter(|s| !s.write.stands()).count()
    }

    /// What the address is.
    pub(crate) fn site(&self, addr: u64) -> Option<Site> {
        self.sites.iter().find(|s| s.watched.addr == addr).copied()
    }

    /// How a generation is read from the events of the collector with this flag.
    pub(crate) fn labels(&self, flag: u64) -> Labels {
        match flag == self.main.collecting_address() {
            true => self.labels,
            false => Labels::default(),
        }
    }

    /// Looks at the code of an instruction that was not seen before.
    pub(crate) fn look_at(&mut self, ip: u64) {
        if self.known.looked_at(ip) {
            return;
        }
        let code = self.main.memory().bytes::<{ hint::LENGTH }>(ip.wrapping_sub(hint::LENGTH as u64));
        let begins = code.ok().and_then(|code| hint::begins(&code));
        if let Some(begins) = begins {
            self.known.learn(ip, begins);
        }
    }
}

pub(crate) fn flag_site(flag: u64) -> Site {
    Site { watched: Watched { addr: flag, len: 4 }, flag, write: Write::Flag }
}
