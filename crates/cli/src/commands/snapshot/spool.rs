//! Where m5's own large buffers lie: in memory, or in a file on a disk.

use crate::ctx::Ctx;
use crate::error::CliError;
use clap::Args;
use m5_process::{Process, SpoolError};
use m5_report::texts::Heap;
use m5_report::units;
use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// From so much on what m5 needs lies in a file where nobody says otherwise: with less, nobody misses the memory, and it is
/// faster there.
const LARGE: u64 = 192 << 20;
/// The image, and what is made of it where all of it is objects, as multiples of a target.
const SHARE: u64 = 3;
/// A file of heaps is packed so well.
const PACKED: u64 = 20;

/// The folder that `auto` took.
static TAKEN: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Where m5's own large buffers lie.
#[derive(Debug, Args)]
pub(crate) struct SpoolArgs {
    /// Where m5's own large buffers lie: in an unnamed file in a folder (on a disk), in memory (`none`), or, where m5
    /// comes to need more than 192 MiB, in such a file if there is a disk with room (`auto`)
    #[arg(long, value_name = "DIR|auto|none", default_value = "auto", env = "M5_SPOOL", value_parser = place)]
    spool: Spool,
}

/// What `--spool` says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spool {
    Auto,
    None,
    Folder(PathBuf),
}

fn place(text: &str) -> Result<Spool, Infallible> {
    Ok(match text {
        "auto" => Spool::Auto,
        "none" => Spool::None,
        folder => Spool::Folder(folder.into()),
    })
}

impl SpoolArgs {
    /// Whether a folder that was named would do, before work begins that takes long.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        let Spool::Folder(folder) = &self.spool else { return Ok(()) };
        m5_process::spool_possible(folder).map_err(|error| refused(folder, &error))
    }

    /// Large buffers go where they are to, for what a process holds now.
    pub(crate) fn begin_for(
        &self,
        process: &Process,
        saved: Option<&Path>,
        ctx: &Ctx,
    ) -> Result<(), CliError> {
        match &self.spool {
            Spool::None => {}
            Spool::Folder(folder) => {
                let status = process.status().ok();
                let held = status.map_or(0, |s| s.rss_bytes.unwrap_or(0) + s.swap_bytes.unwrap_or(0));
                begin(folder, held.saturating_mul(SHARE))?;
            }
            Spool::Auto if m5_process::spooling() => {}
            Spool::Auto => {
                // Where it cannot be looked at, the capture says so.
                let Ok(need) = m5_heap::own_need(process) else { return Ok(()) };
                if need.held >= LARGE {
                    find(need.held, need.spooled, need.beside_target, saved, ctx);
                }
            }
        }
        Ok(())
    }

    /// The same for a file that is read: of heaps, or a core.
    pub(crate) fn begin_for_file(&self, path: &Path, packed: bool, ctx: &Ctx) -> Result<(), CliError> {
        let len = std::fs::metadata(path).map_or(0, |m| m.len());
        let held = len.saturating_mul(if packed { PACKED } else { 1 });
        match &self.spool {
            Spool::Folder(folder) => begin(folder, held.saturating_mul(if packed { 1 } else { SHARE }))?,
            Spool::Auto if held >= LARGE && !m5_process::spooling() => {
                find(held, held.saturating_mul(if packed { 1 } else { SHARE }), true, Some(path), ctx);
            }
            Spool::Auto | Spool::None => {}
        }
        Ok(())
    }

    /// Where the file in a folder that was named ran full, that is what there is to say.
    pub(crate) fn lacking(&self) -> Option<CliError> {
        let Spool::Folder(folder) = &self.spool else { return None };
        let lacks = m5_process::spool_lacks() >> 20;
        let reason =
            format!("its disk has no more room, or files may not become that large: {lacks} MiB did not fit");
        (lacks > 0).then(|| CliError::Spool { path: folder.display().to_string(), reason })
    }

    /// Does what takes the buffers; where `auto` took a disk that ran full meanwhile, once more in memory.
    pub(crate) fn taken<T, E>(&self, ctx: &Ctx, work: impl Fn() -> Result<T, E>) -> Result<T, E> {
        let done = work();
        if done.is_ok() || self.spool != Spool::Auto || m5_process::spool_lacks() == 0 {
            return done;
        }
        m5_process::end_spool();
        let folder = TAKEN.lock().ok().and_then(|mut taken| taken.take()).unwrap_or_default();
        ctx.note(Heap::SpoolRanFull, &[&folder.display()]);
        work()
    }
}

fn begin(folder: &Path, need: u64) -> Result<(), CliError> {
    m5_process::spool(folder, need).map_err(|error| refused(folder, &error))
}

/// Takes the first folder that does, and says so; says too where there is none.
fn find(held: u64, spooled: u64, beside_target: bool, saved: Option<&Path>, ctx: &Ctx) {
    let held = units::bytes(held as f64);
    if !beside_target {
        return ctx.note(Heap::HeldBesideTarget, &[&held]);
    }
    let folders = folders(saved, ctx.output.as_deref(), std::env::var_os("TMPDIR"));
    match m5_process::spool_in_any(&folders, spooled) {
        Ok(folder) => {
            ctx.note(Heap::Spooled, &[&held, &folder.display()]);
            if let Ok(mut taken) = TAKEN.lock() {
                *taken = Some(folder.clone());
            }
        }
        Err(_) => ctx.note(Heap::Held, &[&held]),
    }
}

/// Folders of this machine that may be on a disk: where the results go first.
fn folders(saved: Option<&Path>, output: Option<&Path>, temporary: Option<OsString>) -> Vec<PathBuf> {
    let around = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let results = [saved, output].into_iter().flatten().map(around);
    let temporary = temporary.filter(|t| !t.is_empty()).map(PathBuf::from);
    let mut all: Vec<PathBuf> = results.chain(temporary).collect();
    all.extend(["/var/tmp", "/tmp"].map(PathBuf::from));
    let mut known = std::collections::HashSet::new();
    all.retain(|folder| known.insert(folder.clone()));
    all
}

fn refused(folder: &Path, error: &SpoolError) -> CliError {
    CliError::Spool { path: folder.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_buffers_lie_is_a_folder_or_a_word() {
        assert_eq!(place("auto"), Ok(Spool::Auto));
        assert_eq!(place("none"), Ok(Spool::None));
        assert_eq!(place("./auto"), Ok(Spool::Folder("./auto".into())));
    }

    #[test]
    fn where_results_go_comes_first() {
        let of = |saved: Option<&str>, output: Option<&str>, temporary: Option<&str>| {
            folders(saved.map(Path::new), output.map(Path::new), temporary.map(OsString::from))
                .iter()
                .map(|f| f.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(None, None, None), ["/var/tmp", "/tmp"]);
        assert_eq!(of(Some(""), Some("/data/heap.html"), Some("/tmp")), [".", "/data", "/tmp", "/var/tmp"]);
    }
}
