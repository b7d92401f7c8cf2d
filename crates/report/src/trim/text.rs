//! `m5 trim` for people.

use super::doc::TrimDoc;
use crate::shared::units;
use crate::text::{Align, Style, Table, executed};
use crate::texts::TrimWords;
use m5_heap::trim::{Ended, FreePart};
use std::fmt::{Display, Write};

/// What was free, what went, what came back.
#[must_use]
pub fn text(doc: &TrimDoc, style: Style) -> String {
    let (lang, trim) = (style.lang, &doc.trim);
    let size = |bytes: u64| units::bytes(bytes as f64);
    let title = lang.fill(TrimWords::Title, &[&doc.pid, &trim.library]);
    let mut out = format!("{}\n", style.bold(&title));
    out.push_str(&executed(doc.re_executed_seconds, style));
    out.push_str(&parts(&trim.free, style));
    let mut say = |words: TrimWords, values: &[&dyn Display]| {
        let _ = writeln!(out, "{}", lang.fill(words, values));
    };
    say(TrimWords::Free, &[&size(doc.free_bytes)]);
    if doc.kept_bytes > 0 {
        say(TrimWords::Kept, &[&size(doc.kept_bytes)]);
    }
    let pause = units::time(doc.max_pause_seconds);
    match trim.ended {
        Ended::TooLittle => say(TrimWords::TooLittle, &[&size(doc.least_bytes)]),
        Ended::Looked if doc.free_bytes < doc.least_bytes => {
            say(TrimWords::LookedForLittle, &[&size(doc.least_bytes)])
        }
        Ended::Looked => say(TrimWords::Looked, &[&doc.pid]),
        ended => {
            let longest = trim.longest_stop_seconds.map_or_else(|| "–".to_owned(), units::time);
            let together = units::time(trim.stopped_seconds);
            say(TrimWords::Gave, &[&size(trim.given_bytes), &trim.stops, &longest, &together, &pause]);
            if let Some(alone) = trim.longest_alone_seconds {
                say(TrimWords::Alone, &[&units::time(alone)]);
            }
            match ended {
                Ended::Busy => say(TrimWords::Busy, &[&trim.missed_moments, &trim.stops]),
                Ended::Unclear => say(TrimWords::Unclear, &[&trim.missed_moments, &trim.stops]),
                Ended::Late => say(TrimWords::Late, &[&pause]),
                Ended::OutOfReach => say(TrimWords::OutOfReach, &[&pause]),
                Ended::Stopped => say(TrimWords::Stopped, &[]),
                _ => {}
            }
            if let Some(error) = trim.refusal.map(std::io::Error::from_raw_os_error) {
                say(TrimWords::Refused, &[&size(trim.refused_bytes), &error]);
            }
        }
    }
    if let (Some(before), Some(after)) = (doc.rss_before_bytes, doc.rss_after_bytes) {
        say(TrimWords::Rss, &[&size(before), &size(after)]);
        match (doc.later, doc.came_back_bytes()) {
            (Some(later), Some(back)) => say(
                TrimWords::Later,
                &[
                    &size(later.rss_bytes),
                    &units::span(later.after_seconds),
                    &size(back),
                    &later.minor_faults,
                ],
            ),
            _ => say(TrimWords::NoLater, &[]),
        }
    }
    if let Some(pinned) = &doc.pinned {
        let by: Vec<String> =
            pinned.types.iter().take(5).map(|p| format!("{} ×{}", p.type_name, p.objects)).collect();
        if pinned.scattered_bytes > 0 {
            say(TrimWords::Scattered, &[&size(pinned.scattered_bytes)]);
        }
        if pinned.arenas > 0 {
            say(TrimWords::Pinned, &[&size(pinned.bytes), &pinned.arenas, &by.join(", ")]);
        } else {
            say(TrimWords::NotPinned, &[]);
        }
        match pinned.free_of_others {
            // An extension may have one of its own.
            Some(0) | None if doc.others.is_empty() => {}
            Some(bytes) if pinned.unread_of_others => say(TrimWords::SomeFreeOfOthers, &[&size(bytes)]),
            Some(bytes) => say(TrimWords::FreeOfOthers, &[&size(bytes)]),
            None => say(TrimWords::UnknownOfOthers, &[]),
        }
    } else if let Some(reason) = &doc.pinned_unknown {
        say(TrimWords::PinnedUnknown, &[reason]);
    } else {
        say(TrimWords::AskPinned, &[&doc.pid]);
    }
    for other in &doc.others {
        say(TrimWords::Other, &[&other.name, &other.library, &other.setting]);
    }
    out
}

/// The first arena, and all others in one line.
fn parts(free: &[FreePart], style: Style) -> String {
    let lang = style.lang;
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right, Align::Right], 2);
    let heads = [TrimWords::Part, TrimWords::Chunks, TrimWords::InChunks, TrimWords::Top, TrimWords::System];
    table.row(heads.map(|h| style.dim(lang.say(h))));
    if free.is_empty() {
        return String::new();
    }
    let threads = free.iter().filter(|p| !p.main).count();
    let names =
        [(true, lang.say(TrimWords::Main).to_owned()), (false, lang.fill(TrimWords::Threads, &[&threads]))];
    for (main, name) in names {
        let of_kind: Vec<&FreePart> = free.iter().filter(|p| p.main == main).collect();
        if of_kind.is_empty() {
            continue;
        }
        let sum = |of: fn(&FreePart) -> u64| of_kind.iter().map(|p| of(p)).sum::<u64>();
        let size = |bytes: u64| units::bytes(bytes as f64);
        let system = of_kind.iter().map(|p| p.system_bytes).sum::<Option<u64>>();
        table.row([
            name,
            sum(|p| p.chunks).to_string(),
            size(sum(|p| p.chunk_bytes)),
            size(sum(|p| p.top_bytes)),
            system.map_or_else(|| "–".to_owned(), size),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::super::{Later, TRIM_SCHEMA};
    use super::*;
    use crate::Lang;
    use m5_heap::Pinning;
    use m5_heap::trim::{OtherAllocator, Pinned, Trim};

    fn doc(ended: Ended) -> TrimDoc {
        let part = |main, chunk_bytes| FreePart {
            main,
            system_bytes: Some(300 << 20),
            chunks: 5000,
            chunk_bytes,
            top_bytes: 1 << 20,
            kept_bytes: 0,
        };
        TrimDoc {
            schema: TRIM_SCHEMA.to_owned(),
            pid: 4711,
            taken_at: 1.76e9,
            dry_run: ended == Ended::Looked,
            free_bytes: 270 << 20,
            kept_bytes: 2 << 20,
            least_bytes: 10 << 20,
            max_pause_seconds: 5e-3,
            rss_before_bytes: Some(306 << 20),
            rss_after_bytes: Some(22 << 20),
            re_executed_seconds: None,
            later: Some(Later { after_seconds: 60.0, rss_bytes: 31 << 20, minor_faults: 2400 }),
            pinned: Some(Pinned {
                bytes: 12 << 20,
                arenas: 13,
                types: vec![Pinning { type_name: "app.Session".into(), objects: 40, arenas: 13 }],
                free_of_others: (ended != Ended::Looked).then_some(5 << 20),
                unread_of_others: ended == Ended::Busy,
                scattered_bytes: 3 << 20,
            }),
            pinned_unknown: None,
            others: vec![OtherAllocator {
                name: "jemalloc".into(),
                library: "libjemalloc.so.2".into(),
                setting: "MALLOC_CONF=…".into(),
            }],
            trim: Trim {
                library: "2.36".into(),
                free: vec![part(true, 180 << 20), part(false, 60 << 20), part(false, 29 << 20)],
                ended,
                given_bytes: 270 << 20,
                refused_bytes: 0,
                refusal: None,
                calls: 9000,
                stops: 31,
                missed_moments: 2,
                longest_stop_seconds: Some(4.1e-3),
                longest_alone_seconds: (ended == Ended::Busy).then_some(0.012),
                stopped_seconds: 0.11,
                total_seconds: 1.4,
            },
        }
    }

    #[test]
    fn it_reads_well() {
        let mut all = String::new();
        for lang in [Lang::En, Lang::Zh] {
            for ended in [Ended::Done, Ended::Looked, Ended::Busy] {
                all.push_str(&text(&doc(ended), Style { lang, color: false }));
                all.push('\n');
            }
        }
        insta::assert_snapshot!(all);
    }
}
