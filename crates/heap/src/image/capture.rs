//! Takes the image of a running process with a stated pause.

use crate::image::need;
use crate::image::pages::Pages;
use crate::image::room::{self, Room, check_spool};
use crate::image::stream;
use crate::image::stream::Second;
use crate::image::uncopied;
use crate::image::wanted::{Extent, Plan};
use crate::image::{Image, Segment};
use m5_process::{
    Constants, Execution, FirstVictim, Guard, Headroom, InMemory, MemoryNeed, Process, TraceError,
    TraceResult, fork, freeze, inspect, may_fork, open_live, with_tracer,
};
use serde::{Deserialize, Serialize};
use std::fs::File;
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
    capture_of(process, options, Extent::Lean)
}

/// The same, with as much of the memory as is needed.
pub(crate) fn capture_of(
    process: &Process,
    options: &CaptureOptions,
    extent: Extent,
) -> TraceResult<Capture> {
    let began = Instant::now();
    let rss_before = process.status().ok().and_then(|s| s.rss_bytes);
    let _first = FirstVictim::begin();
    let execution = Execution::held(process);
    let order: &[Method] = match options.method {
        Method::Auto => &[Method::Fork, Method::Freeze, Method::Live],
        Method::Fork => &[Method::Fork],
        Method::Freeze => &[Method::Freeze],
        Method::Live => &[Method::Live],
    };
    let mut notes = Vec::new();
    for (i, method) in order.iter().enumerate() {
        let last = i + 1 == order.len();
        tracing::debug!(pid = process.pid(), method = method.word(), "capture begins");
        let taken = attempt(process, *method, options, extent);
        if let Err(error) = &taken {
            tracing::debug!(pid = process.pid(), method = method.word(), %error, "capture not possible");
        }
        if execution.replaced() {
            return Err(TraceError::Replaced);
        }
        match taken {
            Ok((read, mut report)) => {
                report.method = *method;
                report.bytes = read.plan.bytes();
                let Plan { maps, own, .. } = read.plan;
                let pages = Pages::of(process, &maps, own, rss_before, read.anon_bytes);
                let constants = Constants::of(process, &maps)?;
                let image = Image::new(read.segments, maps, Box::new(constants));
                tracing::debug!(read = report.bytes, kept = image.bytes(), "image");
                report.total_seconds = began.elapsed().as_secs_f64();
                report.notes.splice(0..0, notes);
                tracing::debug!(pid = process.pid(), ?report, "captured");
                return Ok(Capture { image, report, pages });
            }
            Err(error) if last || !process.alive() || check_spool().is_err() => return Err(error),
            Err(error) => notes.push(format!("{} was not possible: {error}", method.word())),
        }
    }
    Err(TraceError::Refused("no method is left".into()))
}

/// Whether a capture by any method has the room that m5 itself needs at the least: asked before anything is read of the
/// target or its files, which takes memory too.
pub(crate) fn may_begin(process: &Process) -> TraceResult<()> {
    check_room(process, &Headroom::of(process.pid()), &Copied::default(), need::BASE)
}

/// What a copy of the target may take; nothing where none is made.
#[derive(Debug, Default)]
struct Copied {
    /// Bytes that it may come to have twice.
    bytes: u64,
    /// Bytes that the kernel promises twice.
    promised: u64,
}

/// Whether there is room for a capture: for the copies that the target comes to make (`copied`), for what reading
/// brings back from swap, and for m5's own memory.
fn check_room(process: &Process, headroom: &Headroom, copied: &Copied, own: u64) -> TraceResult<()> {
    let swap = process.status()?.swap_bytes.unwrap_or(0);
    let need = MemoryNeed { target: copied.bytes.max(swap), own, promised: copied.promised };
    tracing::debug!(pid = process.pid(), ?need, ?headroom, "is there room");
    headroom.check(need).map_err(|shortage| {
        let remedy = match (shortage.own, copied.bytes > 0) {
            (false, true) => "use --method freeze, or raise the limit",
            (false, false) => "reading would bring back what is swapped out; raise the limit",
            (true, _) => {
                "run m5 outside of that group, raise the limit, or give m5 a folder on disk with --spool"
            }
        };
        TraceError::Refused(format!("{shortage}; {remedy}"))
    })
}

/// A guard for a capture that stops the target.
fn guarded(headroom: &Headroom) -> TraceResult<Guard> {
    Guard::start(headroom).map_err(|source| TraceError::System { what: "the guard process", source })
}

/// What was read, and by which plan.
struct Read {
    segments: Vec<Segment>,
    plan: Plan,
    /// The kernel's own count of anonymous memory of what was read: the copy's, or the target's while it stood.
    anon_bytes: Option<u64>,
}

fn anon_bytes(pid: i32) -> Option<u64> {
    Process::open(pid).ok()?.status().ok()?.anon_bytes
}

type Taken = (Read, CaptureReport);

fn attempt(
    process: &Process,
    method: Method,
    options: &CaptureOptions,
    extent: Extent,
) -> TraceResult<Taken> {
    match method {
        Method::Fork => by_fork(process, extent, options.max_pause, options.method == Method::Fork),
        Method::Freeze => by_freeze(process, extent, options.max_pause),
        Method::Live | Method::Auto => live(process, extent),
    }
}

fn by_fork(process: &Process, extent: Extent, max_pause: Duration, asked_for: bool) -> TraceResult<Taken> {
    let safety = inspect(process)?;
    if safety.seccomp && !asked_for {
        return Err(TraceError::Refused("a seccomp filter judges the target's system calls".into()));
    }
    may_fork(process, &safety, max_pause)?;
    let headroom = Headroom::of(process.pid());
    if !headroom.known() {
        return Err(TraceError::Refused(
            "the memory limits around the target cannot be seen from here (mount its cgroups at /sys/fs/cgroup), and a copy \
             may use up what is left below one; use --method freeze"
                .into(),
        ));
    }
    // Whoever rewrites its memory while the copy lives comes to have all of it twice.
    let own = need::own(process, extent, false)?;
    let copied =
        Copied { bytes: safety.page_table_bytes + safety.private_bytes, promised: safety.promised_bytes };
    check_room(process, &headroom, &copied, own)?;
    let (mut read, mut report) = with_tracer(|| {
        // The guard begins as a copy of us: before there is much to copy.
        let guard = guarded(&headroom)?;
        let copy = fork(process, &guard, max_pause)?;
        let goes_on = || {
            guard.beat();
            check_spool()?;
            guard.ended_copy().map_or(Ok(()), |why| {
                Err(TraceError::Refused(format!("the copy was ended before it was read: {why}")))
            })
        };
        let read = streamed(copy.pid(), copy.memory(), extent, Second::Yields, goes_on);
        // The last piece may have been read of a copy that had ended.
        let read = read.and_then(|read| goes_on().map(|()| read));
        let mut report = CaptureReport {
            pause_seconds: Some(copy.pause.as_secs_f64()),
            stopped_threads: copy.stopped,
            consistent: copy.awoken.map(|n| n == 0),
            ..CaptureReport::default()
        };
        if let Some(n @ 1..) = copy.awoken {
            let threads = if n == 1 { "thread" } else { "threads" };
            report.notes.push(format!("{n} sleeping {threads} woke during the copy"));
        }
        report.notes.extend(overlong(copy.pause, max_pause));
        match copy.end() {
            Ok(reap) => report.reap_seconds = Some(reap.as_secs_f64()),
            Err(error) => report.notes.push(format!("the copy was not reaped: {error}")),
        }
        Ok((read?, report))
    })?;
    let bytes = uncopied::add(process, extent, &mut read.segments, &mut read.plan, &check_spool)?;
    if bytes > 0 {
        let what = "that copies do not get (MADV_DONTFORK, MADV_WIPEONFORK) were read while it ran on";
        report.notes.push(format!("{} MiB {what}", bytes >> 20));
    }
    Ok((read, report))
}

/// What to say of a copy that took longer than was allowed: it cannot be broken off, and is predicted only.
fn overlong(pause: Duration, max_pause: Duration) -> Option<String> {
    let (took, allowed) = (pause.as_millis(), max_pause.as_millis());
    let word = "the copy stopped the target for longer than --max-pause allows";
    (pause > max_pause).then(|| format!("{word}: {took} ms of {allowed} ms; processors were busy"))
}

fn by_freeze(process: &Process, extent: Extent, max_pause: Duration) -> TraceResult<Taken> {
    inspect(process)?;
    let headroom = Headroom::of(process.pid());
    check_room(process, &headroom, &Copied::default(), need::own(process, extent, true)?)?;
    with_tracer(|| {
        let guard = guarded(&headroom)?;
        // Nothing that is written while the target stands waits for a disk.
        let in_memory = InMemory::begin();
        let mut room = Room::for_memory_of(process.pid());
        let mut frozen = freeze(process, &guard, max_pause)?;
        frozen.take_time();
        let read = whole(process.pid(), frozen.memory(), extent, &mut room, || frozen.check());
        let stopped_threads = frozen.threads();
        let pause = frozen.thaw();
        let mut read = read?;
        drop(in_memory);
        read.segments = room::packed(read.segments);
        let report = CaptureReport {
            pause_seconds: Some(pause.as_secs_f64()),
            stopped_threads,
            consistent: Some(true),
            ..CaptureReport::default()
        };
        Ok((read, report))
    })
}

fn live(process: &Process, extent: Extent) -> TraceResult<Taken> {
    let own = need::own(process, extent, false)?;
    check_room(process, &Headroom::of(process.pid()), &Copied::default(), own)?;
    let memory = open_live(process.pid())?;
    // Each read holds the lock of the target's mappings for a moment: it must not be put off in the middle.
    let read = streamed(process.pid(), &memory, extent, Second::Hurries, check_spool)?;
    let report = CaptureReport { consistent: Some(false), ..CaptureReport::default() };
    Ok((read, report))
}

/// Piece by piece, so that what is left out is never held.
fn streamed(
    pid: i32,
    memory: &File,
    extent: Extent,
    second: Second,
    check: impl Fn() -> TraceResult<()>,
) -> TraceResult<Read> {
    let plan = Plan::of(pid, extent, &check)?;
    let read = |addr: u64, buf: &mut [u8]| memory.read_exact_at(buf, addr).is_ok();
    let anon_bytes = anon_bytes(pid);
    let segments = stream::read(second, &read, &plan.wanted, &check)?;
    Ok(Read { segments, plan, anon_bytes })
}

/// All at once, as fast as it goes.
fn whole(
    pid: i32,
    memory: &File,
    extent: Extent,
    room: &mut Room,
    check: impl Fn() -> TraceResult<()> + Sync,
) -> TraceResult<Read> {
    let plan = Plan::of(pid, extent, &check)?;
    let read = |addr: u64, buf: &mut [u8]| memory.read_exact_at(buf, addr).is_ok();
    let anon_bytes = anon_bytes(pid);
    let segments = room.read(&read, &plan.wanted, &check)?;
    Ok(Read { segments, plan, anon_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_took_too_long_is_told() {
        let ms = Duration::from_millis;
        assert_eq!(overlong(ms(250), ms(250)), None);
        assert!(overlong(ms(273), ms(250)).is_some_and(|said| said.contains("273 ms of 250 ms")));
    }
}
