//! `m5 alloc` for people.

use super::doc::AllocDoc;
use super::place::place;
use crate::shared::units;
use crate::text::{Align, Style, Table, executed};
use crate::texts::Alloc;
use m5_cpython::PyFrame;
use m5_kernel::{AllocProfile, AllocSite, Rate, Survival};
use std::collections::HashMap;
use std::fmt::Write;

/// Followed objects below which no share of survivors is told.
const ENOUGH: u64 = 5;
/// A process that runs for less of the time rests.
const RESTS: f64 = 0.25;

/// The lines that allocate most, at most `top`, and what was not seen.
#[must_use]
pub fn text(doc: &AllocDoc, top: usize, style: Style) -> String {
    let (lang, p) = (style.lang, &doc.profile);
    let title = lang.fill(Alloc::Title, &[&doc.pid, &units::span(p.seconds)]);
    let mut out = format!("{}\n", style.bold(&title));
    out.push_str(&executed(doc.re_executed_seconds, style));
    if let Some(collections) = &p.collections {
        super::collections::text(&mut out, doc, collections, top, style);
        return out;
    }
    let seen = lang.fill(
        Alloc::Seen,
        &[
            &p.samples,
            &p.windows,
            &units::time(p.open_s),
            &units::percent(p.overhead),
            &units::time(p.cost_s),
        ],
    );
    let _ = writeln!(out, "{}", style.dim(&seen));
    if let Some(rests) = rests(p, style) {
        let _ = writeln!(out, "{}", style.dim(&rests));
    }
    if p.partial {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Alloc::Partial)));
    }
    if p.samples == 0 {
        if !p.partial {
            let _ = writeln!(out, "{}", lang.say(Alloc::NoSamples));
        }
        return out;
    }
    let rate = match (p.per_second, p.per_second_interval) {
        (Some(rate), Some([low, high])) => {
            lang.fill(Alloc::Rate, &[&format!("{rate:.0}"), &rough(low), &rough(high)])
        }
        (None, Some([low, high])) => lang.fill(Alloc::Between, &[&rough(low), &rough(high)]),
        _ => lang.say(Alloc::NoRate).to_owned(),
    };
    let _ = writeln!(out, "{rate}");
    out.push_str(&lines(p, top, style).render());
    for (count, sentence) in [
        (p.lost, Alloc::Lost),
        (p.without_stack, Alloc::NoStack),
        (p.cut_stacks, Alloc::Cut),
        (p.windows_cut, Alloc::CutWindows),
    ] {
        if count > 0 {
            let _ = writeln!(out, "{}", style.yellow(&lang.fill(sentence, &[&count])));
        }
    }
    if p.threads[0] < p.threads[1] {
        let threads = lang.fill(Alloc::Threads, &[&p.threads[0], &p.threads[1]]);
        let _ = writeln!(out, "{}", style.yellow(&threads));
    }
    if !p.follows {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Alloc::NoBlocks)));
    }
    if p.objects_only {
        let _ = writeln!(out, "{}", style.dim(lang.say(Alloc::ObjectsOnly)));
    }
    let _ = writeln!(out, "{}", style.dim(lang.say(Alloc::FreeLists)));
    out
}

/// How much it ran, where that is little.
fn rests(p: &AllocProfile, style: Style) -> Option<String> {
    let cpu = p.cpu_s?;
    let ran = cpu / p.seconds.max(1e-9);
    let told = || style.lang.fill(Alloc::Rests, &[&units::percent(ran), &units::percent(p.watching_s / cpu)]);
    (ran < RESTS).then(told)
}

/// The lines, with how many allocations and bytes a second those are where that is known.
fn lines(p: &AllocProfile, top: usize, style: Style) -> Table {
    use Align::{Left, Right};
    let lang = style.lang;
    let rates = p.per_second.is_some();
    let mut aligned = vec![Right; if rates { 6 } else { 4 }];
    aligned.extend([Left, Left]);
    let mut heads = vec![Alloc::Bytes, Alloc::Share, Alloc::Interval];
    if rates {
        heads.extend([Alloc::PerSecond, Alloc::BytesPerSecond]);
    }
    heads.extend([Alloc::Survive, Alloc::Line, Alloc::Types]);
    let mut table = Table::new(&aligned, 2);
    table.row(heads.into_iter().map(|h| style.dim(lang.say(h))));
    let callers = callers(p);
    // Of a line that only windows showed in which its turn says nothing (see `share_interval`) there is nothing to tell.
    let told = p.sites.iter().any(|site| site.share > 0.0);
    for site in p.sites.iter().filter(|site| !told || site.share > 0.0).take(top) {
        let [low, high] = site.share_interval;
        let mut row = vec![
            site.bytes_share.map_or_else(|| "–".to_owned(), units::percent),
            units::percent(site.share),
            format!("{:.0}–{:.0} %", 100.0 * low, 100.0 * high),
        ];
        if rates {
            let told = |rate: Option<Rate>, unit: fn(f64) -> String| {
                let interval = |r: Rate| format!("{}–{}", unit(r.interval[0]), unit(r.interval[1]));
                rate.map_or_else(|| "–".to_owned(), interval)
            };
            row.extend([told(site.per_second, rough), told(site.bytes_per_second, units::bytes)]);
        }
        let types = site.types.iter().map(|t| t.0.as_str()).collect::<Vec<_>>().join(", ");
        let line = match callers.get(&site.frame) {
            Some(caller) => {
                lang.fill(Alloc::CalledFrom, &[&place(&site.frame, style), &place(caller, style)])
            }
            None => place(&site.frame, style),
        };
        row.extend([survivors(site), line, types]);
        table.row(row);
    }
    table
}

/// By a library's line that allocates: the service's own line that called it, most often.
fn callers(p: &AllocProfile) -> HashMap<&PyFrame, &PyFrame> {
    let mut samples: HashMap<&PyFrame, HashMap<&PyFrame, u64>> = HashMap::new();
    for stack in &p.stacks {
        if let (Some(innermost), Some(caller)) =
            (stack.frames.first(), PyFrame::caller_of_library(&stack.frames))
        {
            *samples.entry(innermost).or_default().entry(caller).or_default() += stack.samples;
        }
    }
    let most = |(line, callers): (_, HashMap<_, u64>)| {
        let (caller, _) = callers.into_iter().max_by_key(|(frame, n)| (*n, *frame))?;
        Some((line, caller))
    };
    samples.into_iter().filter_map(most).collect()
}

/// A number of two digits: more would not be known.
fn rough(value: f64) -> String {
    let unit = 10f64.powf((value.max(1.0).log10().floor() - 1.0).max(0.0));
    format!("{:.0}", (value / unit).round() * unit)
}

/// `31 of 40 at 3 s`, short; with a sign where it is the most that may live.
fn survivors(site: &AllocSite) -> String {
    let told = |sign: &str, s: &Survival| {
        s.latest(ENOUGH).map(|(age, alive, of)| format!("{sign}{alive}/{of} @{age}s"))
    };
    let own = site.survival.as_ref().and_then(|s| told("", s));
    let own = own.or_else(|| site.survival_at_most.as_ref().and_then(|s| told("≤ ", s)));
    own.unwrap_or_else(|| "–".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::alloc::ALLOC_SCHEMA;
    use m5_kernel::{AllocSource, AllocStack, CollectionsSeen};

    fn site(line: u32, function: &str, survival: Survival, at_most: Survival) -> AllocSite {
        AllocSite {
            frame: PyFrame { function: function.into(), file: "market\n.py".into(), line: Some(line) },
            samples: 600,
            bytes: Some(60_000),
            share: 0.4,
            share_interval: [0.35, 0.46],
            bytes_share: Some(0.5),
            per_second: Some(Rate { value: 68_000.0, interval: [59_513.0, 78_200.0] }),
            bytes_per_second: Some(Rate { value: 6.8e6, interval: [5.9e6, 7.9e6] }),
            types: vec![("Tick".into(), 300), ("dict".into(), 20)],
            survival: Some(survival),
            survival_at_most: Some(at_most),
            unfollowed: Some(3),
        }
    }

    fn in_library() -> PyFrame {
        PyFrame {
            function: "decode".into(),
            file: "/usr/lib/python3.11/json/decoder.py".into(),
            line: Some(353),
        }
    }

    fn own() -> PyFrame {
        PyFrame { function: "on_message".into(), file: "feed.py".into(), line: Some(12) }
    }

    /// Everything that can be told, and lacks.
    fn doc() -> AllocDoc {
        let lived = Survival {
            looked: [300, 300, 280, 200, 60, 2],
            alive: [31, 30, 29, 20, 6, 1],
            followed: 300,
            alive_at_end: 6,
        };
        let none = Survival::default();
        let sites = vec![
            site(88, "on_tick", lived.clone(), none.clone()),
            site(12, "Feed.parse", none.clone(), lived),
            site(7, "", none.clone(), none.clone()),
            AllocSite { frame: in_library(), ..site(1, "", none.clone(), none) },
        ];
        let profile = AllocProfile {
            seconds: 60.0,
            open_s: 0.9,
            windows: 1100,
            samples: 1500,
            bytes: Some(120_000),
            lost: 4,
            without_stack: 2,
            cut_stacks: 1,
            windows_cut: 1,
            threads: [3, 5],
            per_second: Some(170_000.0),
            per_second_interval: Some([152_000.0, 191_000.0]),
            cost_s: 10.7e-6,
            overhead: 0.0093,
            watching_s: 0.016,
            cpu_s: Some(1.75),
            partial: true,
            sites,
            stacks: vec![AllocStack {
                frames: vec![in_library(), own()],
                samples: 600,
                bytes: None,
                net_objects: None,
            }],
            ..AllocProfile::default()
        };
        AllocDoc { schema: ALLOC_SCHEMA.into(), pid: 7, taken_at: 1.7e9, re_executed_seconds: None, profile }
    }

    #[test]
    fn in_english() {
        insta::assert_snapshot!(text(&doc(), 20, Style::default()));
    }

    #[test]
    fn in_chinese() {
        insta::assert_snapshot!(text(&doc(), 20, Style { lang: Lang::Zh, color: false }));
    }

    /// The same from collections.
    fn coarse() -> AllocDoc {
        let mut doc = doc();
        let seen = CollectionsSeen {
            happened: 900,
            in_windows: 210,
            coverage: Some(200.0 / 900.0),
            threshold: 700,
            net_objects_per_second: 10_500.0,
            rights_would_help: true,
            instead_of_kernel: "the kernel refuses a program: Operation not permitted (os error 1)".into(),
            ..CollectionsSeen::default()
        };
        let p = &mut doc.profile;
        (p.source, p.collections, p.samples, p.lost) = (AllocSource::Collections, Some(seen), 200, 10);
        doc
    }

    #[test]
    fn from_collections() {
        let zh = Style { lang: Lang::Zh, color: false };
        insta::assert_snapshot!([text(&coarse(), 2, Style::default()), text(&coarse(), 2, zh)].concat());
    }

    #[test]
    fn no_collection_is_no_quiet_program() {
        let mut none = coarse();
        (none.profile.samples, none.profile.lost) = (0, 0);
        assert!(text(&none, 20, Style::default()).contains("no collection was seen from its start"));
        none.profile.collections = Some(CollectionsSeen::default());
        assert!(text(&none, 20, Style::default()).contains("no collection happened"));
    }

    #[test]
    fn nothing_seen_is_not_called_quiet_where_callers_are_hidden() {
        let mut quiet = doc();
        quiet.profile.samples = 0;
        assert!(!text(&quiet, 20, Style::default()).contains("nothing was allocated"));
        quiet.profile.partial = false;
        assert!(text(&quiet, 20, Style::default()).contains("nothing was allocated"));
    }
}
