//! The C library of a process: which version, where its code lies, where its allocator keeps its books.

use crate::trim::error::TrimError;
use m5_cpython::symbols;
use m5_process::{Constants, Mapping, Memory, Process};
use std::ops::Range;

/// How far the bins lie behind the beginning of an arena, by the newest version that has it so. The lock is the first
/// word of every arena; all else lies at the same place from the bins.
const BINS: [(u32, u64); 2] = [(42, 112), (43, 24)];
/// The oldest version whose arenas look like that.
const OLDEST: u32 = 27;
/// A library of its own with the same allocator, which checks more.
const CHECKING: &str = "libc_malloc_debug";

/// The library, or the two where `MALLOC_CHECK_` has brought in a second.
#[derive(Debug)]
pub(super) struct Library {
    /// Minor version: 36 is 2.36.
    pub(super) minor: u32,
    /// From the beginning of an arena to its bins.
    pub(super) bins: u64,
    /// Code that runs while the allocator works.
    pub(super) code: Vec<Range<u64>>,
    /// Data in which main arenas lie.
    pub(super) data: Vec<Range<u64>>,
    /// One byte, not zero where no other thread was ever started: then the allocator takes no locks.
    pub(super) single_threaded: Option<u64>,
}

impl Library {
    /// Finds it.
    ///
    /// # Errors
    /// [`TrimError::Unknown`] for another C library and for versions whose books are not known.
    pub(super) fn find(process: &Process, maps: &[Mapping]) -> Result<Self, TrimError> {
        let Some(file) = maps.iter().find(|m| m.executable && is_libc(&m.path)) else {
            let musl = maps.iter().any(|m| m.executable && m.path.contains("ld-musl"));
            let found = if musl { "musl" } else { "none that m5 knows" };
            return Err(TrimError::Unknown(format!(
                "only memory of the GNU C library can be given back from outside; here the C library is {found}"
            )));
        };
        let minor = version(process, maps, &file.path).ok_or_else(|| {
            TrimError::Unknown(format!("{} does not say which version of the GNU C library it is", file.path))
        })?;
        let bins = BINS.iter().find(|(newest, _)| minor <= *newest).filter(|_| minor >= OLDEST);
        let Some((_, bins)) = bins else {
            return Err(TrimError::Unknown(format!(
                "GNU C library 2.{minor}: its allocator's books are not known to this m5 (known: 2.{OLDEST} to 2.{})",
                BINS.last().map_or(0, |(newest, _)| *newest)
            )));
        };
        let ours = |m: &&Mapping| is_libc(&m.path) || m.path.contains(CHECKING);
        let range = |m: &Mapping| m.start..m.end;
        let pseudo = |m: &&Mapping| m.path == "[vdso]";
        let code = maps.iter().filter(|m| m.executable && (ours(m) || pseudo(m))).map(range).collect();
        let data = maps.iter().filter(|m| m.writable && ours(m)).map(range).collect();
        let program = process.open_program(file);
        let single = program.map(|p| symbols(p, maps, &file.path, &["__libc_single_threaded"]));
        let single_threaded = single.and_then(|found| found.first().copied().flatten());
        Ok(Self { minor, bins: *bins, code, data, single_threaded })
    }

    /// Whether an instruction may be one of the allocator, or of what it calls.
    pub(super) fn runs(&self, at: u64) -> bool {
        self.code.iter().any(|range| range.contains(&at))
    }
}

fn is_libc(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("libc.so") || name.starts_with("libc-2.")
}

/// What the library says of itself in its constants.
fn version(process: &Process, maps: &[Mapping], path: &str) -> Option<u32> {
    const WORDS: &[u8] = b"GNU C Library ";
    const BEFORE: &str = "release version 2.";
    const LINE: usize = 200;
    let constants = Constants::of(process, maps).ok()?;
    let constant = |m: &&Mapping| m.path == path && m.readable && !m.writable;
    maps.iter().filter(constant).find_map(|map| {
        let mut bytes = vec![0; usize::try_from(map.end - map.start).ok()?];
        constants.read(map.start, &mut bytes).ok()?;
        let at = bytes.windows(WORDS.len()).position(|w| w == WORDS)?;
        let line = String::from_utf8_lossy(bytes.get(at..(at + LINE).min(bytes.len()))?).into_owned();
        let (_, number) = line.split_once(BEFORE)?;
        number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}
