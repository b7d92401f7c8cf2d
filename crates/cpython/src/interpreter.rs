//! An interpreter of a live process, read through a layout that the process has confirmed.

use crate::confirm::{self, CHECKED, Choice, Confidence, Doubt, MAX_INTERPRETERS, Origin, Refusal};
use crate::gcstate::{GC_SIZE_MAX, GcState, Population, decode_gc, decode_population};
use crate::layout::objects::ObjectLayout;
use crate::layout::{COUNT, GENERATION_SIZE, GcAt, Layout, Published, Stats, TABLES};
use crate::rings::{COLLECTIONS, RingItem, decode_rings};
use crate::{Error, Result, Version, find, version_text};
use m5_process::{LiveMemory, Mapping, Memory, Process};
use std::time::{Duration, Instant};

/// A build whose size the tables do not know is confirmed between two collections: so long one is waited for, and
/// so often looked at.
const BUSY: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_micros(300);
/// Walks through the list of interpreters until one is whole.
const WALKS: usize = 10;
/// More threads than any process has.
const MAX_THREADS: usize = 1 << 16;

/// An interpreter whose layout was confirmed: the main one, or one of [`Interpreter::all`].
#[derive(Debug, Clone)]
pub struct Interpreter<M = LiveMemory> {
    memory: M,
    pid: i32,
    found: crate::Found,
    layout: Layout,
    confidence: Confidence,
    published: Option<Published>,
    address: u64,
    id: i64,
    gc: u64,
}

/// A thread as the interpreter knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Address of its `PyThreadState`.
    pub address: u64,
    /// Its kernel number, where the build keeps it (3.11 and later).
    pub tid: Option<i32>,
}

impl Interpreter {
    /// Finds the main interpreter of a process and confirms its layout.
    ///
    /// # Errors
    /// [`Error::NotPython`], [`Error::FreeThreaded`], [`Error::Starting`], [`Error::Unsupported`] with what was
    /// found, [`Error::Busy`] after seconds without a moment between two collections, or what the kernel refused.
    pub fn attach(process: &Process) -> Result<Self> {
        let found = find(process)?;
        let deadline = Instant::now() + BUSY;
        loop {
            match Self::confirm(process.memory(), process.pid(), found.clone()) {
                Err(Error::Busy { .. }) if Instant::now() < deadline => std::thread::sleep(LOOK),
                other => return other,
            }
        }
    }

    /// The same interpreter in a process that was forked from this one: every address is the same there.
    #[must_use]
    pub fn in_fork(&self, pid: i32) -> Self {
        Self { memory: LiveMemory::new(pid), pid, ..self.clone() }
    }

    /// The version, where the build tells it.
    #[must_use]
    pub fn version(&self, process: &Process) -> Option<Version> {
        self.version_among(|| process.maps().ok())
    }
}

/// Where a ring keeps its index, and its first record the number of collections.
fn index((_, _, index): (usize, usize, usize)) -> u64 {
    index as u64
}

fn counted((_, records, _): (usize, usize, usize)) -> u64 {
    records as u64 + COLLECTIONS
}

impl<M: Memory + Clone> Interpreter<M> {
    /// Confirms the layout of an interpreter that [`find`] found, in any memory.
    ///
    /// # Errors
    /// As [`Interpreter::attach`].
    pub fn confirm(memory: M, pid: i32, found: crate::Found) -> Result<Self> {
        match confirm::choose(&memory, &found, TABLES)? {
            Ok(Choice { layout, confidence, published, main, gc }) => {
                Ok(Self { memory, pid, found, layout, confidence, published, address: main, id: 0, gc })
            }
            Err(Refusal::FreeThreaded(version)) => Err(Error::FreeThreaded { pid, version }),
            Err(Refusal::Starting) => Err(Error::Starting { pid }),
            Err(Refusal::Busy) => Err(Error::Busy { pid }),
            Err(Refusal::Unknown(found)) => Err(Error::Unsupported { pid, found }),
        }
    }

    /// Every interpreter of the process, the main one first; each has a collector of its own, but in 3.8, where
    /// they share one and only the main interpreter is given. One that is being made or unmade is left out.
    ///
    /// # Errors
    /// [`Error::Starting`] where the list never held still; [`crate::Error::Process`] where the process has ended,
    /// executed another program, or may not be read any more.
    pub fn all(&self) -> Result<Vec<Self>> {
        if matches!(self.layout.gc, GcAt::Runtime(_)) {
            return Ok(vec![self.clone()]);
        }
        let mut all = Vec::new();
        for (address, id) in self.listed()? {
            let gc = confirm::gc_of(self.found.runtime, address, &self.layout);
            if address == self.address || confirm::collects(&self.memory, gc, &self.layout) {
                all.push(Self { address, id, gc, ..self.clone() });
            }
        }
        all.reverse();
        Ok(all)
    }

    /// Address and number of each interpreter, newest first. Where one came or went meanwhile the walk may lead
    /// nowhere; one that ends at the main interpreter, the oldest, is whole.
    /// Every interpreter of the process, also where they share a collector (3.8): for what is kept by interpreter only, as threads.
    pub(crate) fn each(&self) -> Result<Vec<Self>> {
        let of = |(address, id)| Self { address, id, ..self.clone() };
        Ok(self.listed()?.into_iter().map(of).collect())
    }

    fn listed(&self) -> Result<Vec<(u64, i64)>> {
        let mut last = Error::Starting { pid: self.pid };
        for _ in 0..WALKS {
            match self.walk() {
                Ok(list) if list.last().is_some_and(|(address, _)| *address == self.address) => {
                    return Ok(list);
                }
                Ok(_) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn walk(&self) -> Result<Vec<(u64, i64)>> {
        let mut list = Vec::new();
        let mut address = self.memory.u64(self.found.runtime + self.layout.interpreters_head)?;
        while address != 0 && list.len() < MAX_INTERPRETERS {
            let id = self.memory.u64(address.wrapping_add(self.layout.interp_id))? as i64;
            list.push((address, id));
            address = self.memory.u64(address.wrapping_add(self.layout.interp_next))?;
        }
        Ok(list)
    }

    /// Address of the newest interpreter of the process: another one wherever one was made since.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn newest(&self) -> Result<u64> {
        Ok(self.memory.u64(self.found.runtime + self.layout.interpreters_head)?)
    }

    /// Its number: 0 is the main interpreter.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Address of its `PyInterpreterState`.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Address of its collector's state.
    #[must_use]
    pub fn gc_address(&self) -> u64 {
        self.gc
    }

    /// Address of `_PyRuntime`.
    #[must_use]
    pub fn runtime(&self) -> u64 {
        self.found.runtime
    }

    /// The memory of the process.
    #[must_use]
    pub fn memory(&self) -> M {
        self.memory.clone()
    }

    /// The pid of the process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The layout in use.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where its objects keep their fields, with what the build publishes of that; `None` where no table knows them.
    #[must_use]
    pub fn objects(&self) -> Option<&'static ObjectLayout> {
        let known = self.layout.objects()?;
        let Some(published) = self.published else { return Some(known) };
        let [modules, sysdict, builtins] =
            [published.modules, published.sysdict, published.builtins].map(|at| u32::try_from(at).ok());
        Some(known.placed(modules?, sysdict?, builtins?))
    }

    /// How sure the layout is.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// What the build publishes about itself (3.13 and later).
    #[must_use]
    pub fn published(&self) -> Option<&Published> {
        self.published.as_ref()
    }

    /// Where each offset in use comes from.
    #[must_use]
    pub fn origins(&self) -> Vec<(&'static str, Origin)> {
        let published = self.published.map(|p| p.beside(&self.layout)).unwrap_or_default();
        let said =
            if self.confidence == Confidence::Exact { Origin::PublishedAndTable } else { Origin::Published };
        let mut list: Vec<_> = published.iter().map(|(name, ..)| (*name, said)).collect();
        let known = |name: &str| published.iter().any(|(n, ..)| *n == name);
        list.extend(CHECKED.iter().filter(|n| !known(n)).map(|n| (*n, Origin::TableChecked)));
        let rest = ["interp_next", "threads_head", "thread_next", "debug", "long_lived_total", "heap_size"];
        list.extend(rest.iter().filter(|n| !known(n)).map(|n| (*n, Origin::Table)));
        list
    }

    /// The version, where the build tells it: published, by symbol, or as text among its constants, for which
    /// the mappings are asked for.
    #[must_use]
    pub fn version_among(&self, maps: impl FnOnce() -> Option<Vec<Mapping>>) -> Option<Version> {
        let told = self.published.map(|p| p.version).or(self.found.version);
        let search = || version_text::search(&self.memory, &maps()?, &self.found.file, self.layout.minor);
        told.or_else(search)
    }

    /// The version in words, `3.14.9 free-threaded` for instance; that of the layout where the build does not tell
    /// it.
    #[must_use]
    pub fn build(&self, maps: impl FnOnce() -> Option<Vec<Mapping>>) -> String {
        match self.version_among(maps) {
            Some(version) if self.layout.free_threaded => format!("{version} free-threaded"),
            Some(version) => version.to_string(),
            None => self.layout.name.to_owned(),
        }
    }

    /// `sizeof(_PyRuntime)` of this build.
    #[must_use]
    pub fn runtime_size(&self) -> u64 {
        self.found.runtime_size
    }

    /// The file that holds the interpreter.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.found.file
    }

    /// Address of `collecting`, for a watchpoint.
    #[must_use]
    pub fn collecting_address(&self) -> u64 {
        self.gc + self.layout.collecting
    }

    /// Address of the count of a generation: of the collections of the next younger one since its own last, for
    /// the older two.
    #[must_use]
    pub fn count_address(&self, generation: u8) -> u64 {
        self.gc + self.layout.generations + GENERATION_SIZE * u64::from(generation) + COUNT
    }

    /// Addresses whose change tells the generation of a collection, and how many bytes of each to watch.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn label_addresses(&self) -> Result<([u64; 3], u64)> {
        Ok(match self.layout.stats {
            Stats::Inline { offset } => ([0, 1, 2].map(|g| self.gc + offset + GENERATION_SIZE * g), 4),
            Stats::Ring { pointer, sizes } => {
                let block = self.memory.u64(self.gc + pointer)?;
                // A ring of one record turns no index: its number of collections is counted up in place.
                let (place, len) =
                    if sizes.young == 1 { (counted as fn(_) -> _, 4) } else { (index as _, 1) };
                (sizes.places().map(|ring| block.wrapping_add(place(ring))), len)
            }
        })
    }

    /// Reads the collector's state.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn read(&self) -> Result<GcState> {
        let mut state = decode_gc(&self.gc_bytes()?, &self.layout);
        if let Some(rings) = self.rings()? {
            for (generation, ring) in state.generations.iter_mut().zip(&rings) {
                if let Some(newest) = ring.iter().max_by_key(|r| r.collections) {
                    generation.collections = newest.collections;
                    generation.collected = newest.collected;
                    generation.uncollectable = newest.uncollectable;
                }
            }
        }
        Ok(state)
    }

    /// How many objects the collector keeps, by its own account.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn population(&self) -> Result<Population> {
        Ok(decode_population(&self.gc_bytes()?, &self.layout))
    }

    fn gc_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (self.layout.gc_size as usize).min(GC_SIZE_MAX)];
        self.memory.read(self.gc, &mut bytes)?;
        Ok(bytes)
    }

    /// How many records each ring keeps at least (3.15+); `None` where the build has no rings.
    #[must_use]
    pub fn records_kept(&self) -> Option<u8> {
        match self.layout.stats {
            Stats::Ring { sizes, .. } => Some(sizes.young.min(sizes.old)),
            Stats::Inline { .. } => None,
        }
    }

    /// Every record of the three rings (3.15+), in no order; `None` where the build has no rings.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn rings(&self) -> Result<Option<[Vec<RingItem>; 3]>> {
        let Stats::Ring { pointer, sizes } = self.layout.stats else { return Ok(None) };
        let block = self.memory.u64(self.gc + pointer)?;
        let mut bytes = vec![0; sizes.bytes()];
        self.memory.read(block, &mut bytes)?;
        Ok(Some(decode_rings(&bytes, sizes)))
    }

    /// What speaks against writing into this collector's settings now; `None` where nothing does.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn doubt_before_write(&self) -> Result<Option<String>> {
        let deadline = Instant::now() + BUSY;
        loop {
            match confirm::doubt_before_write(&self.memory, self.gc, &self.layout, self.confidence)? {
                Some(Doubt::Busy) if Instant::now() < deadline => std::thread::sleep(LOOK),
                doubt => return Ok(doubt.map(|d| d.to_string())),
            }
        }
    }

    /// Whether `gc.freeze` has put objects out of the collector's sight.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn frozen(&self) -> Result<bool> {
        if self.layout.free_threaded {
            let flag = self.layout.freeze_active.map(|at| self.memory.i32(self.gc.wrapping_add(at)));
            return Ok(flag.transpose()?.is_some_and(|flag| flag != 0));
        }
        let head = self.gc.wrapping_add(self.layout.permanent);
        Ok(self.memory.u64(head)? & !3 != head)
    }

    /// The interpreter's threads, newest first.
    ///
    /// # Errors
    /// [`crate::Error::Process`] where the process has ended, executed another program, or may not be read any more.
    pub fn threads(&self) -> Result<Vec<Thread>> {
        let mut threads = Vec::new();
        let mut address = self.memory.u64(self.address.wrapping_add(self.layout.threads_head))?;
        while address != 0 && threads.len() < MAX_THREADS {
            let tid = match self.layout.native_thread_id {
                Some(at) => Some(self.memory.u64(address.wrapping_add(at))? as i32),
                None => None,
            };
            threads.push(Thread { address, tid });
            address = self.memory.u64(address.wrapping_add(self.layout.thread_next))?;
        }
        Ok(threads)
    }
}
