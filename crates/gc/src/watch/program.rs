//! One program in memory: its interpreters, and which of their words to watch in which thread. Registers belong to a
//! thread, and a thread runs few interpreters, most often one.

use super::arch::{self, LENGTH};
use super::classify::{Instructions, Write};
use super::collector::Labels;
use super::group::{Set, Watched};
use m5_cpython::Interpreter;
use m5_cpython::layout::Collector as Organisation;
use m5_process::Memory;
use std::collections::HashMap;

/// A watched word and its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) watched: Watched,
    /// Address of the flag of the collector that it belongs to.
    pub(crate) flag: u64,
    pub(crate) write: Write,
}

/// The words to watch of a thread, with the registers that there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Plan {
    sites: Vec<Site>,
    /// One that found no register takes that of the flag while the flag is not watched.
    instead: Option<Site>,
}

impl Plan {
    /// As many of these as there are registers, the most telling first.
    fn of(mut sites: Vec<Site>, registers: usize) -> Self {
        let left = sites.split_off(registers.min(sites.len()));
        let mut switched = sites.iter().filter(|s| !s.write.stands());
        let alone = switched.next().filter(|_| switched.next().is_none());
        let instead = left.first().filter(|s| s.write.stands() && alone.is_some_and(|a| a.flag == s.flag));
        Self { instead: instead.copied(), sites }
    }

    fn set(&self) -> Set {
        Set {
            words: self.sites.iter().map(|s| s.watched).collect(),
            instead: self.instead.map(|s| s.watched),
        }
    }

    /// Whether it watches this word of the interpreter with this flag all the time, or whenever the flag is watched.
    fn watches(&self, flag: u64, write: Write) -> bool {
        self.sites.iter().any(|s| s.flag == flag && s.write == write)
    }
}

/// A program and what is watched of it.
pub(crate) struct Program {
    pub(crate) main: Interpreter,
    pub(crate) known: Instructions,
    registers: usize,
    /// The words of every interpreter, the main one's first; of one interpreter, the flag first.
    words: Vec<Vec<Site>>,
    /// What is watched of a thread that is at home in the main interpreter.
    usual: Plan,
    /// What is watched of the others.
    own: HashMap<i32, Plan>,
    /// The interpreters, by their flags, that a thread was seen to run, beside the main one.
    homes: HashMap<i32, Vec<u64>>,
}

/// What labels a collection with the fewest traps, the most telling first. `world`: stops of all threads can be watched.
fn labelling(organisation: Organisation, world: bool) -> &'static [Write] {
    match organisation {
        // What counts middle collections is written as a middle or a full one begins, so it tells those from the
        // young ones, and beside the full ones' counter it gives their length.
        Organisation::Generational => &[Write::Label(2), Write::Older],
        // Nothing is written as a full one begins.
        Organisation::Incremental => &[Write::Label(2), Write::Label(0)],
        // Those that start by themselves count as young; the others were asked for. One for which no thread stopped did
        // not come about; young and middle ones are told apart by the counters.
        Organisation::FreeThreaded if world => &[Write::Label(2), Write::Standing, Write::Asked],
        // What counts nowhere did not come about.
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
    /// Plans for these interpreters, the main one first, with so many registers.
    pub(crate) fn new(interpreters: &[Interpreter], registers: usize) -> m5_cpython::Result<Option<Self>> {
        let Some(main) = interpreters.first() else { return Ok(None) };
        let usual = Plan::of(words(main)?, registers);
        let mut program = Self {
            main: main.clone(),
            known: Instructions::default(),
            registers,
            words: Vec::new(),
            usual,
            own: HashMap::new(),
            homes: HashMap::new(),
        };
        program.list(interpreters);
        Ok(Some(program))
    }

    /// These interpreters are there now.
    pub(crate) fn list(&mut self, interpreters: &[Interpreter]) {
        self.words = interpreters.iter().filter_map(|i| words(i).ok()).collect();
        let there: Vec<u64> = self.words.iter().map(|w| w[0].flag).collect();
        for homes in self.homes.values_mut() {
            homes.retain(|flag| there.contains(flag));
        }
    }

    /// What is watched of a thread that has no set of its own.
    pub(crate) fn usual(&self) -> Set {
        self.usual.set()
    }

    /// Registers that there were, and how many it takes, where those are more.
    pub(crate) fn few_registers(&self) -> Option<(usize, usize)> {
        let wanted = self.words.first().map_or(0, Vec::len).min(arch::REGISTERS);
        (self.registers < wanted).then_some((self.registers, wanted))
    }

    /// Whether a register is left in most threads.
    pub(crate) fn has_room(&self) -> bool {
        self.usual.sites.len() < self.registers
    }

    /// A thread was seen in an interpreter other than the main one; true where that is news.
    pub(crate) fn at_home(&mut self, tid: i32, flag: u64) -> bool {
        let homes = self.homes.entry(tid).or_default();
        let news = !homes.contains(&flag);
        if news {
            homes.insert(0, flag);
        }
        news
    }

    /// The next thread whose set no longer fits its homes, with the set that does.
    pub(crate) fn unsettled(&mut self, may: impl Fn(i32) -> bool) -> Option<(i32, Set)> {
        let wanted = |(tid, homes): (&i32, &Vec<u64>)| {
            let plan = self.plan_of(*tid, homes);
            (self.own.get(tid).unwrap_or(&self.usual) != &plan && may(*tid)).then_some((*tid, plan))
        };
        let (tid, plan) = self.homes.iter().find_map(wanted)?;
        let set = plan.set();
        self.own.insert(tid, plan);
        Some((tid, set))
    }

    /// The words to watch of a thread. The first thread runs the main interpreter above all; another one that runs
    /// a further interpreter runs the main one between two calls, so that at least its full collections are seen.
    fn plan_of(&self, tid: i32, homes: &[u64]) -> Plan {
        let of = |flag: &u64| self.words.iter().find(|w| w[0].flag == *flag).into_iter().flatten();
        let end = |site: &&Site| site.write == Write::Label(2);
        let short = |site: &&Site| site.write == Write::Flag || end(site);
        let main = self.main.collecting_address();
        let sites: Vec<Site> = match homes {
            _ if tid == self.main.pid() => return self.usual.clone(),
            [] => return self.usual.clone(),
            [home] => of(home).chain(of(&main).filter(end)).copied().collect(),
            several => several.iter().flat_map(|home| of(home).filter(short)).copied().collect(),
        };
        Plan::of(sites, self.registers)
    }

    /// The newest interpreter of which no thread is known, or else the newest one: its flag, and what is written as
    /// a full collection of it ends.
    pub(crate) fn sought(&self) -> Option<(Site, Site)> {
        let further = || self.words.iter().skip(1).rev();
        let words = further().find(|w| !self.has_a_set(w[0].flag)).or_else(|| further().next())?;
        Some((words[0], words.iter().copied().find(|s| s.write == Write::Label(2))?))
    }

    /// Whether a set of its own is watched of this thread.
    pub(crate) fn has_own(&self, tid: i32) -> bool {
        self.own.contains_key(&tid)
    }

    fn has_a_set(&self, flag: u64) -> bool {
        self.own.values().flat_map(|plan| &plan.sites).any(|s| s.flag == flag)
    }

    /// Whether the collections of an interpreter are seen, beside the one that is sought.
    pub(crate) fn watches(&self, flag: u64) -> bool {
        flag == self.main.collecting_address() || self.has_a_set(flag)
    }

    /// What the address is.
    pub(crate) fn site(&self, addr: u64) -> Option<Site> {
        self.words.iter().flatten().find(|s| s.watched.addr == addr).copied()
    }

    /// How a generation is read from the events of one thread for the collector with this flag.
    pub(crate) fn labels(&self, tid: i32, flag: u64) -> Labels {
        let plan = self.own.get(&tid).unwrap_or(&self.usual);
        let watches = |write: &Write| plan.watches(flag, *write);
        let organisation = self.main.layout().collector;
        let all = labelling(organisation, false).iter().all(watches);
        let stops = watches(&Write::Standing);
        Labels {
            otherwise: otherwise(organisation).filter(|_| all),
            false_starts: stops || all && otherwise(organisation).is_none(),
            full_ends: watches(&Write::Label(2)),
            full_begins: watches(&Write::Older),
        }
    }

    /// Whether the generations of the collector with this flag are told by its counts: for want of a register in some
    /// thread, or where it is `sought` in all of them by one.
    pub(crate) fn tells_by_counts(&self, flag: u64, sought: bool) -> bool {
        let organisation = self.main.layout().collector;
        let all = labelling(organisation, false);
        let short = |plan: &Plan| {
            plan.watches(flag, Write::Flag) && !all.iter().all(|write| plan.watches(flag, *write))
        };
        organisation == Organisation::Generational && (sought || self.plans().any(short))
    }

    /// Whether the end of each full collection is told, whether or not the flag is watched.
    pub(crate) fn ends_told(&self, flag: u64) -> bool {
        self.plans().any(|plan| plan.watches(flag, Write::Label(2)))
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        [&self.usual].into_iter().chain(self.own.values())
    }

    /// Whether a full collection of the main interpreter may begin and end without a trap at its beginning.
    pub(crate) fn bounds_full(&self) -> bool {
        self.usual.instead.is_some_and(|s| s.write == Write::Label(2))
    }

    /// Looks at the code of an instruction that was not seen before; true where the watch must be taken away at once,
    /// since a trap keeps it from ever succeeding.
    pub(crate) fn look_at(&mut self, ip: u64) -> bool {
        if self.known.looked_at(ip) {
            return false;
        }
        let Ok(code) = self.main.memory().bytes::<LENGTH>(arch::code_at(ip)) else { return false };
        if let Some(begins) = arch::begins(&code) {
            self.known.learn(ip, begins);
        }
        arch::never_ends(&code)
    }
}

/// The words that tell of one interpreter's collections, its flag first.
fn words(interpreter: &Interpreter) -> m5_cpython::Result<Vec<Site>> {
    let flag = interpreter.collecting_address();
    let (addresses, len) = interpreter.label_addresses()?;
    let world = interpreter.stop_words()?;
    let writes = [Write::Flag].iter().chain(labelling(interpreter.layout().collector, world.is_some()));
    let site = |write: &Write| {
        let (addr, len) = match write {
            Write::Flag => (flag, 4),
            Write::Asked => (world.map_or(0, |w| w.requested), 1),
            Write::Standing => (world.map_or(0, |w| w.standing), 1),
            Write::Label(g) => (addresses[usize::from(*g)], len),
            Write::Older => (interpreter.count_address(2), 4),
        };
        Site { watched: Watched { addr, len, stands: write.stands() }, flag, write: *write }
    };
    Ok(writes.map(site).collect())
}
