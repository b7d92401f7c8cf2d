//! The evidence of incidents: what its files are called, and which of them go when there are too many. A name says
//! whose it is, so that nothing but m5's own files is ever deleted.

use super::event::{Event, Keep};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files are called `SERVICE@SLOT-PID-RULE-UNIXTIME` and one of these.
pub(super) const SNAPSHOT: &str = ".m5snap";
pub(super) const PROFILE: &str = ".gc.json";
pub(super) const ALLOCATIONS: &str = ".alloc.json";
/// All of them.
const ENDINGS: [&str; 3] = [SNAPSHOT, PROFILE, ALLOCATIONS];
/// Letters and bytes of a name's parts that are kept: a file system takes 255 bytes.
const LONGEST: usize = 64;
const MOST_BYTES: usize = 90;

/// The name that all files of an incident begin with.
pub(super) fn stem(event: &Event) -> String {
    let (service, rule) = (service_part(&event.service), clean(&event.rule, "-_."));
    let Event { slot, identity, unix_seconds, .. } = event;
    format!("{service}@{slot}-{}-{rule}-{unix_seconds:.3}", identity.pid)
}

/// A service in the name of a file: a worker's has a `/`.
fn service_part(service: &str) -> String {
    clean(&service.replace('/', "+"), "-_.@+")
}

/// Bounded, and of letters of any script that need no thought in a file name.
fn clean(text: &str, more: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || more.contains(c) { c } else { '_' };
    let mut out = String::new();
    for c in text.chars().take(LONGEST).map(keep) {
        if out.len() + c.len_utf8() > MOST_BYTES {
            break;
        }
        out.push(c);
    }
    out
}

/// The files of one incident.
#[derive(Debug, Clone, PartialEq)]
struct Incident {
    stem: String,
    /// Service and slot.
    of: String,
    unix_seconds: f64,
    files: Vec<PathBuf>,
    bytes: u64,
}

/// Whose file it is and of when, where m5 wrote it. The service ends at the last `@`: a rule's has been replaced.
fn parse(name: &str) -> Option<(&str, &str, f64)> {
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    let (service, rest) = stem.rsplit_once('@')?;
    let (before, time) = rest.rsplit_once('-')?;
    let mut parts = before.splitn(3, '-');
    let (slot, pid, _rule) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (seconds, millis) = time.split_once('.')?;
    let ours =
        !service.is_empty() && [slot, pid, seconds, millis].into_iter().all(digits) && millis.len() == 3;
    let of = stem.get(..service.len() + 1 + slot.len())?;
    Some((stem, of, time.parse().ok()?)).filter(|_| ours)
}

/// Deletes what is too much, the oldest first, never of the incident with this stem. Each file comes back, or the
/// reason why it stays.
pub(super) fn prune(folder: &Path, keep: Keep, current: &str) -> Vec<Result<PathBuf, String>> {
    let delete = |path: PathBuf| match fs::remove_file(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    surplus(incidents(folder), keep, current).into_iter().flat_map(|i| i.files).map(delete).collect()
}

/// The incidents of which there are files, the newest first.
fn incidents(folder: &Path) -> Vec<Incident> {
    let mut found = BTreeMap::<String, Incident>::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (name, meta) = (entry.file_name(), entry.metadata());
        let Some((stem, of, unix_seconds)) = name.to_str().and_then(parse) else { continue };
        let Some(meta) = meta.ok().filter(fs::Metadata::is_file) else { continue };
        let incident = found.entry(stem.to_owned()).or_insert_with(|| Incident {
            stem: stem.to_owned(),
            of: of.to_owned(),
            unix_seconds,
            files: Vec::new(),
            bytes: 0,
        });
        incident.files.push(entry.path());
        incident.bytes += meta.len();
    }
    let mut all: Vec<Incident> = found.into_values().collect();
    all.sort_by(|a, b| b.unix_seconds.total_cmp(&a.unix_seconds));
    all
}

/// Those that go: what a slot has beyond its number, then the oldest of all until the rest fits.
fn surplus(mut all: Vec<Incident>, keep: Keep, current: &str) -> Vec<Incident> {
    // The current one is the newest, whatever clock the others were named by.
    all.sort_by_key(|i| Reverse(i.stem == current));
    let mut kept = BTreeMap::<String, usize>::new();
    let mut bytes = 0_u64;
    let mut full = false;
    let (_, go) = all.into_iter().partition::<Vec<_>, _>(|incident| {
        let place = kept.entry(incident.of.clone()).or_default();
        if incident.stem == current {
            (*place, bytes) = (*place + 1, bytes + incident.bytes);
            return true;
        }
        if *place >= keep.incidents {
            return false;
        }
        // Where one does not fit, none that is older stays in its stead.
        full |= bytes + incident.bytes > keep.bytes;
        if !full {
            (*place, bytes) = (*place + 1, bytes + incident.bytes);
        }
        !full
    });
    go
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::Identity;
    use proptest::prelude::*;

    fn event(service: &str, slot: usize, rule: &str, unix_seconds: f64) -> Event {
        Event {
            identity: Identity { pid: 77, start_ticks: 1 },
            service: service.to_owned(),
            slot,
            process: format!("{service}/{slot}"),
            rule: rule.to_owned(),
            json: serde_json::Value::Null,
            evidence: PathBuf::new(),
            keep: Keep::default(),
            unix_seconds,
            unit: None,
        }
    }

    fn incident(of: usize, unix_seconds: f64, bytes: u64) -> Incident {
        let stem = stem(&event("engine", of, "rss", unix_seconds));
        let of = format!("engine@{of}");
        Incident { stem, of, unix_seconds, files: Vec::new(), bytes }
    }

    #[test]
    fn a_name_says_whose_it_is() {
        let stem = stem(&event("my@engine-2", 3, "rss over/80 @MB", 1_700_000_000.25));
        assert_eq!(stem, "my@engine-2@3-77-rss_over_80__MB-1700000000.250");
        let name = format!("{stem}.gc.json");
        assert_eq!(parse(&name), Some((stem.as_str(), "my@engine-2@3", 1_700_000_000.25)));
    }

    #[test]
    fn files_of_others_are_nobodys() {
        for name in [
            "engine-77-rss-1700000000.m5snap",
            "m5-77-1700000000.m5snap",
            "notes@home.m5snap",
            "engine@0-77-rss-1700000000.m5snap",
            "engine@0-77-rss-1700000000.250.txt",
            "engine@0-77-1700000000.250.m5snap",
            "engine@x-77-rss-1700000000.250.m5snap",
            "@0-77-rss-1700000000.250.m5snap",
            "engine@0-77-rss--1.250.m5snap.tmp",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn only_own_files_go_the_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let stems: Vec<String> = (1..=4).map(|t| stem(&event("engine", 0, "rss", f64::from(t)))).collect();
        for stem in &stems {
            fs::write(path(&format!("{stem}{SNAPSHOT}")), "1234").unwrap();
            fs::write(path(&format!("{stem}{PROFILE}")), "12").unwrap();
        }
        let other = "worker@0-8-rss-0.500.m5snap";
        for name in [other, "engine-77-rss-1.m5snap", "notes.txt"] {
            fs::write(path(name), "123456789").unwrap();
        }
        fs::create_dir(path("engine@0-77-rss-0.250.m5snap")).unwrap();
        let gone = prune(folder.path(), Keep { incidents: 2, bytes: 100 }, &stems[3]);
        assert_eq!(gone.len(), 4);
        assert!(gone.iter().all(|g| g.as_ref().is_ok_and(|path| !path.exists())));
        let left = |stem: &String| path(&format!("{stem}{SNAPSHOT}")).exists();
        assert_eq!(stems.iter().map(left).collect::<Vec<_>>(), [false, false, true, true]);
        assert!(path(other).exists(), "another service has its own number");
        // Now the whole is too much: the other's is the oldest.
        assert_eq!(prune(folder.path(), Keep { incidents: 2, bytes: 12 }, &stems[3]), [Ok(path(other))]);
        assert_eq!(prune(folder.path(), Keep { incidents: 1, bytes: 0 }, &stems[3]).len(), 2);
        assert!(left(&stems[3]) && path("notes.txt").exists() && path("engine-77-rss-1.m5snap").exists());
    }

    proptest! {
        #[test]
        fn every_name_is_read_back(service in "\\PC{1,80}", slot in 0..1000_usize, rule in "\\PC{0,80}", ms in 0..u32::MAX) {
            let event = event(&service, slot, &rule, f64::from(ms) / 1e3);
            let stem = stem(&event);
            for ending in ENDINGS {
                let name = format!("{stem}{ending}");
                let of = format!("{}@{slot}", service_part(&service));
                prop_assert_eq!(parse(&name), Some((stem.as_str(), of.as_str(), event.unix_seconds)));
            }
        }

        #[test]
        fn foreign_names_never_panic(name in "\\PC{0,60}") {
            let _ = parse(&name);
        }

        #[test]
        fn what_stays_is_within_bounds_and_the_newest(
            all in prop::collection::vec((0..3_usize, 1..50_u64), 1..60), number in 1..6_usize, bytes in 0..600_u64,
        ) {
            let mut all: Vec<Incident> =
                all.iter().enumerate().map(|(t, (of, size))| incident(*of, t as f64, *size)).collect();
            all.reverse();
            let current = all[0].stem.clone();
            let go = surplus(all.clone(), Keep { incidents: number, bytes }, &current);
            prop_assert!(go.iter().all(|i| i.stem != current));
            let stay: Vec<&Incident> = all.iter().filter(|i| !go.contains(i)).collect();
            for of in 0..3 {
                let of = format!("engine@{of}");
                prop_assert!(stay.iter().filter(|i| i.of == of).count() <= number);
                let oldest = stay.iter().filter(|i| i.of == of).map(|i| i.unix_seconds).fold(f64::MAX, f64::min);
                prop_assert!(go.iter().filter(|i| i.of == of).all(|i| i.unix_seconds < oldest));
            }
            prop_assert!(stay.len() == 1 || stay.iter().map(|i| i.bytes).sum::<u64>() <= bytes);
        }
    }
}
