//! Takes the image of a running process with a stated pause.

use crate::image::fill::{Second, fill, joined};
use crate::image::huge::{touched, zeroed};
use crate::image::pages::Pages;
use crate::image::{Image, Segment};
use m5_process::{
    Constants, Execution, FirstVictim, Guard, Headroom, Mapping, MemoryNeed, OwnPages, Process, TraceError,
    TraceResult, fork, freeze, inspect, may_fork, open_live, own_pages, with_tracer,
};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// How to get at the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The gentlest that is safe here.
    #[default]
    Auto,
    /// From a copy-on-write child.
    Fork,
    /// With all threads stopped.
    Freeze,
    /// While it runs.
    Live,
}

impl Method {
    /// Its name on the command line and in documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Freeze => "freeze",
            Self::Live => "live",
            Self::Auto => "auto",
        }
    }
}

/// What the caller may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureOptions {
    /// How.
    pub method: Method,
    /// Longest time that threads of the target may stand still: a method that would take longer is refused, and one
    /// that does is given up.
    pub max_pause: Duration,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self { method: Method::Auto, max_pause: Duration::from_millis(250) }
    }
}

/// What was done to the target and how well it went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CaptureReport {
    /// The method that was used.
    pub method: Method,
    /// From the first stop to the last release; `None` where nothing was stopped.
    pub pause_seconds: Option<f64>,
    /// A second, short stop of one thread that reaped the copy.
    pub reap_seconds: Option<f64>,
    /// From the first look to the last byte.
    pub total_seconds: f64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Threads that were stopped.
    pub stopped_threads: usize,
    /// Whether nothing ran during the copy, as far as known.
    pub consistent: Option<bool>,
    /// Methods that were refused, and other things worth knowing.
    pub notes: Vec<String>,
}

/// An image and how it was taken.
#[derive(Debug)]
pub struct Capture {
    /// The memory.
    pub image: Image,
    /// How it was taken.
    pub report: CaptureReport,
    /// Which pages were in memory.
    pub pages: Pages,
}

/// Captures the memory of a process.
///
/// # Errors
/// [`TraceError`] where the chosen method is refused or fails; `Auto` tries the next one instead.
/// [`TraceError::Replaced`] where the process executed another program meanwhile.
pub fn capture(process: &Process, options: &CaptureOptions) -> TraceResult<Capture> {
    let began = Instant::now();
    let _first = FirstVictim::begin();
    let mut execution = Execution::of(process);
    execution.hold();
    let order: &[Method] = match options.method {
        Method::Auto => &[Method::Fork, Method::Freeze, Method::Live],
        Method::Fork => &[Method::Fork],
        Method::Freeze => &[Method::Freeze],
        Method::Live => &[Method::Live],
    };
    let mut notes = Vec::new();
    for (i, method) in order.iter().enumerate() {
        let last = i + 1 == order.len();
        let taken = attempt(process, *method, options);
        if execution.replaced() {
            return Err(TraceError::Replaced);
        }
        match taken {
            Ok((segments, maps, own, mut report)) => {
                let pages = Pages::of(process, &maps, own);
                let constants = Constants::of(process, &maps)?;
                let image = Image::new(segments, maps, Box::new(constants));
                report.method = *method;
                report.bytes = image.bytes();
                report.total_seconds = began.elapsed().as_secs_f64();
                report.notes.splice(0..0, notes);
                return Ok(Capture { image, report, pages });
            }
            Err(error) if last || !process.alive() => return Err(error),
            Err(error) => notes.push(format!("{} was not possible: {error}", method.word())),
        }
    }
    Err(TraceError::Refused("no method is left".into()))
}

/// What m5 itself comes to hold for each byte of the target, and beside that: the image, objects, references.
const OWN_SHARE: f64 = 1.35;
const OWN_BASE: u64 = 48 << 20;

/// Whether there is room for a capture: for the copies that the target comes to make (`copied`), for what reading
/// brings back from swap, and for m5 itself.
fn check_room(process: &Process, headroom: &Headroom, copied: u64) -> TraceResult<()> {
    let status = process.status()?;
    let swap = status.swap_bytes.unwrap_or(0);
    let held = status.anon_bytes.unwrap_or(0) + swap;
    let own = (held as f64 * OWN_SHARE) as u64 + OWN_BASE;
    let need = MemoryNeed { target: copied.max(swap), own };
    headroom.check(need).map_err(|shortage| {
        let remedy = match (shortage.own, copied > 0) {
            (false, true) => "use --method freeze, or raise the limit",
            (false, false) => "reading would bring back what is swapped out; raise the limit",
            (true, _) => "run m5 outside of that group, or raise the limit",
        };
        TraceError::Refused(format!("{shortage}; {remedy}"))
    })
}

/// A guard for a capture that stops the target.
fn guarded(headroom: &Headroom) -> TraceResult<Guard> {
    Guard::start(headroom).map_err(|source| TraceError::System { what: "the guard process", source })
}

type Read = (Vec<Segment>, Vec<Mapping>, OwnPages);
type Taken = (Vec<Segment>, Vec<Mapping>, OwnPages, CaptureReport);

fn attempt(process: &Process, method: Method, options: &CaptureOptions) -> TraceResult<Taken> {
    match method {
        Method::Fork => by_fork(process, options.max_pause, options.method == Method::Fork),
        Method::Freeze => by_freeze(process, options.max_pause),
        Method::Live | Method::Auto => live(process),
    }
}

fn by_fork(process: &Process, max_pause: Duration, asked_for: bool) -> TraceResult<Taken> {
    let safety = inspect(process)?;
    if safety.seccomp && !asked_for {
        return Err(TraceError::Refused("a seccomp filter judges the target's system calls".into()));
    }
    may_fork(process, &safety, max_pause)?;
    let headroom = Headroom::of(process.pid());
    // Whoever rewrites its memory while the copy lives comes to have all of it twice.
    check_room(process, &headroom, safety.page_table_bytes + safety.private_bytes)?;
    with_tracer(|| {
        // The guard begins as a copy of us: before there is much to copy.
        let guard = guarded(&headroom)?;
        let mut room = Room::for_memory_of(process.pid());
        let copy = fork(process, &guard, max_pause)?;
        let goes_on = || {
            guard.beat();
            guard.ended_copy().map_or(Ok(()), |why| {
                Err(TraceError::Refused(format!("the copy was ended before it was read: {why}")))
            })
        };
        let read = read_all(copy.pid(), copy.memory(), &mut room, Second::Yields, goes_on);
        // The last piece may have been read of a copy that had ended.
        let read = read.and_then(|read| goes_on().map(|()| read));
        let mut report = CaptureReport {
            pause_seconds: Some(copy.pause.as_secs_f64()),
            stopped_threads: copy.stopped,
            consistent: copy.awoken.map(|n| n == 0),
            ..CaptureReport::default()
        };
        if let Some(n @ 1..) = copy.awoken {
            report.notes.push(format!("{n} sleeping threads woke during the copy"));
        }
        match copy.end() {
            Ok(reap) => report.reap_seconds = Some(reap.as_secs_f64()),
            Err(error) => report.notes.push(format!("the copy was not reaped: {error}")),
        }
        let (segments, maps, own) = read?;
        Ok((segments, maps, own, report))
    })
}

fn by_freeze(process: &Process, max_pause: Duration) -> TraceResult<Taken> {
    inspect(process)?;
    let headroom = Headroom::of(process.pid());
    check_room(process, &headroom, 0)?;
    with_tracer(|| {
        let guard = guarded(&headroom)?;
        let mut room = Room::for_memory_of(process.pid());
        let frozen = freeze(process, &guard, max_pause)?;
        let read = read_all(process.pid(), frozen.memory(), &mut room, Second::Hurries, || frozen.check());
        let stopped_threads = frozen.threads();
        let pause = frozen.thaw();
        let (segments, maps, own) = read?;
        let report = CaptureReport {
            pause_seconds: Some(pause.as_secs_f64()),
            stopped_threads,
            consistent: Some(true),
            ..CaptureReport::default()
        };
        Ok((segments, maps, own, report))
    })
}

fn live(process: &Process) -> TraceResult<Taken> {
    check_room(process, &Headroom::of(process.pid()), 0)?;
    let memory = open_live(process.pid())?;
    // Each read holds the lock of the target's mappings for a moment: it must not be put off in the middle.
    let second = Second::Hurries;
    let (segments, maps, own) = read_all(process.pid(), &memory, &mut Room::default(), second, || Ok(()))?;
    let report = CaptureReport { consistent: Some(false), ..CaptureReport::default() };
    Ok((segments, maps, own, report))
}

/// A mapping of a file this large is read only where it was written to.
pub(crate) const WHOLE_FILE: u64 = 64 << 20;

/// Buffers for what a process holds, made and touched before it is stopped: the first touch of our own memory
/// takes longer than the copying. What came or grew since finds no room and gets some while the target waits.
#[derive(Default)]
struct Room(FxHashMap<Range<u64>, Vec<u8>>);

impl Room {
    fn for_memory_of(pid: i32) -> Self {
        let ranges = maps_of(pid).map(|maps| {
            let wanted = maps.iter().filter_map(|map| wanted(pid, map, &mut OwnPages::default()).ok());
            wanted.flat_map(|runs| joined(&runs)).collect::<Vec<_>>()
        });
        let made = ranges.unwrap_or_default().into_par_iter().map(|range| {
            let bytes = touched((range.end - range.start) as usize);
            (range, bytes)
        });
        Self(made.collect())
    }

    fn take(&mut self, range: &Range<u64>) -> Vec<u8> {
        self.0.remove(range).unwrap_or_else(|| zeroed((range.end - range.start) as usize))
    }
}

fn maps_of(pid: i32) -> TraceResult<Vec<Mapping>> {
    let text = std::fs::read(format!("/proc/{pid}/maps"));
    let text = text.map_err(|e| m5_process::Error::from_io(pid, "maps", e))?;
    Ok(m5_process::joined_maps(m5_process::parse_maps(&String::from_utf8_lossy(&text))?))
}

fn read_all(
    pid: i32,
    memory: &File,
    room: &mut Room,
    second: Second,
    check: impl Fn() -> TraceResult<()> + Sync,
) -> TraceResult<Read> {
    let maps = maps_of(pid)?;
    let mut segments = Vec::new();
    let (mut runs, mut own) = (Vec::new(), OwnPages::default());
    for (i, map) in maps.iter().enumerate() {
        if i % 64 == 0 {
            check()?;
        }
        let found = wanted(pid, map, &mut own)?;
        runs.extend(found.iter().cloned());
        for range in joined(&found) {
            let bytes = room.take(&range);
            segments.push(Segment { start: range.start, bytes, mapping: i as u32 });
        }
    }
    room.0.clear();
    let read = |addr: u64, buf: &mut [u8]| memory.read_exact_at(buf, addr).is_ok();
    fill(second, &read, &mut segments, &runs, &check)?;
    Ok((segments, maps, own))
}

/// Whether a mapping may hold objects: the kernel's own, shared and unreadable ones do not.
pub(crate) fn may_hold(map: &Mapping) -> bool {
    let kernel = ["[vvar]", "[vdso]", "[vsyscall]", "[vvar_vclock]"];
    map.readable && !map.shared && !kernel.contains(&map.path.as_str()) && !map.path.starts_with("/dev/")
}

/// What of a mapping cannot be had from a file later; adds the pages that are the process's own.
fn wanted(pid: i32, map: &Mapping, own: &mut OwnPages) -> TraceResult<Vec<Range<u64>>> {
    if !may_hold(map) {
        return Ok(Vec::new());
    }
    let pages = own_pages(pid, map.start..map.end)?;
    own.append(pages.clone());
    // Data that was never written is still in the file, but part of the picture; so is what lies between pages
    // that the linker wrote to.
    let whole = match (map.writable, pages.runs.as_slice()) {
        (true, _) => map.start..map.end,
        (false, [first, .., last]) => first.start..last.end,
        _ => return Ok(pages.runs),
    };
    Ok(if map.inode != 0 && whole.end - whole.start <= WHOLE_FILE { vec![whole] } else { pages.runs })
}
