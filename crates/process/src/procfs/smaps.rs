//! `/proc/PID/smaps`: resident memory by mapping. Reading it holds the target's mmap lock for milliseconds.

use crate::procfs::maps::parse_maps;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Memory of the mappings that share a name; bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MappedMemory {
    /// File, `[heap]`, `[stack]`, `[anon]`…
    pub name: String,
    /// Mappings of this name.
    pub mappings: u64,
    /// Address space.
    pub size_bytes: u64,
    /// Resident.
    pub rss_bytes: u64,
    /// Proportional share of it.
    pub pss_bytes: u64,
    /// Resident and private: what would be freed.
    pub private_bytes: u64,
    /// Swapped out.
    pub swap_bytes: u64,
}

/// Sums the text of `/proc/PID/smaps` by name, the most resident first. Lines that do not parse are left out.
#[must_use]
pub fn parse_smaps(text: &str) -> Vec<MappedMemory> {
    let mut by_name: BTreeMap<&str, MappedMemory> = BTreeMap::new();
    let mut current = "";
    for line in text.lines() {
        match line.split_once(':') {
            Some((field, value)) if field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                if let Some(entry) = by_name.get_mut(current) {
                    add(entry, field, value);
                }
            }
            _ => {
                let Some(name) = name(line) else { continue };
                current = name;
                by_name.entry(name).or_default().mappings += 1;
            }
        }
    }
    let mut all: Vec<MappedMemory> =
        by_name.into_iter().map(|(name, memory)| MappedMemory { name: name.to_owned(), ..memory }).collect();
    all.sort_by(|a, b| b.rss_bytes.cmp(&a.rss_bytes).then_with(|| a.name.cmp(&b.name)));
    all
}

/// A mapping and what the kernel was told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingFlags {
    /// Its addresses.
    pub range: Range<u64>,
    /// Whether no file is behind it.
    pub anonymous: bool,
    /// Two-letter words of the kernel (`rd wr mr mw me ac`).
    pub flags: String,
}

/// The flags of every mapping, from the text of `/proc/PID/smaps`. A mapping whose flags are not told is left out.
#[must_use]
pub fn parse_flags(text: &str) -> Vec<MappingFlags> {
    let mut out = Vec::new();
    let mut current: Option<(Range<u64>, bool)> = None;
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let mapping = current.take();
            out.extend(mapping.map(|(range, anonymous)| MappingFlags {
                range,
                anonymous,
                flags: flags.trim().to_owned(),
            }));
        } else if let Some(map) = name(line).and_then(|_| parse_maps(line).ok()?.pop()) {
            current = Some((map.start..map.end, map.inode == 0));
        }
    }
    out
}

/// `7f00-8f00 r-xp 00001000 fd:01 12   /opt/my app/python`: the name is what follows five words.
fn name(line: &str) -> Option<&str> {
    let (range, mut rest) = line.split_once(' ')?;
    range.split_once('-').filter(|(start, _)| u64::from_str_radix(start, 16).is_ok())?;
    for _ in 0..4 {
        rest = rest.trim_start().split_once(' ').map_or("", |(_, tail)| tail);
    }
    Some(match rest.trim() {
        "" => "[anon]",
        name => name,
    })
}

fn add(entry: &mut MappedMemory, field: &str, value: &str) {
    let kib = value.split_whitespace().next().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    let bytes = kib.saturating_mul(1024);
    let sum = match field {
        "Size" => &mut entry.size_bytes,
        "Rss" => &mut entry.rss_bytes,
        "Pss" => &mut entry.pss_bytes,
        "Private_Clean" | "Private_Dirty" => &mut entry.private_bytes,
        "Swap" => &mut entry.swap_bytes,
        _ => return,
    };
    *sum = sum.saturating_add(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_by_name() {
        let one = "7f00-8f00 rw-p 00000000 00:00 0 \nSize: 8 kB\nRss: 4 kB\nPss: 4 kB\nPrivate_Dirty: 4 kB\n\
                   VmFlags: rd wr\n8f00-9f00 r-xp 00001000 fd:01 12   /opt/my app/x\nRss: 12 kB\n";
        let got = parse_smaps(&format!("{one}{one}"));
        assert_eq!((got[0].name.as_str(), got[0].rss_bytes, got[0].mappings), ("/opt/my app/x", 24 << 10, 2));
        assert_eq!(
            (got[1].name.as_str(), got[1].rss_bytes, got[1].private_bytes),
            ("[anon]", 8 << 10, 8 << 10)
        );
    }

    #[test]
    fn flags_by_mapping() {
        let text = "7f00-8f00 rw-p 00000000 00:00 0 \nSize: 8 kB\nVmFlags: rd wr lo \n8f00-9f00 r-xp 00001000 fd:01 12   /x\n\
                    VmFlags: rd ex\n9f00-af00 rw-p 00000000 00:00 0 [heap]\nSize: 4 kB\n";
        let got = parse_flags(text);
        let expected = [(0x7f00..0x8f00, true, "rd wr lo"), (0x8f00..0x9f00, false, "rd ex")];
        let told: Vec<_> = got.iter().map(|m| (m.range.clone(), m.anonymous, m.flags.as_str())).collect();
        assert_eq!(told, expected);
        let me = crate::Process::open(std::process::id() as i32).unwrap();
        assert!(me.mapping_flags().unwrap().iter().any(|m| m.anonymous && m.flags.contains("wr")));
    }

    #[test]
    fn agrees_with_the_kernels_own_sum() {
        let me = crate::Process::open(std::process::id() as i32).unwrap();
        let sum: u64 = me.mapped_memory().unwrap().iter().map(|m| m.pss_bytes).sum();
        let whole = me.rollup().unwrap().pss_bytes;
        assert!(sum.abs_diff(whole) < whole / 5 + (4 << 20), "{sum} {whole}");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-a-f0-9: \\n\\PC]{0,200}") {
            let _ = parse_smaps(&text);
            let _ = parse_flags(&text);
        }
    }
}
