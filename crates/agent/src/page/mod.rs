//! What the page shows, from what is watched now and from what was recorded.

mod live;
mod saved;

pub use live::live;
pub use saved::saved;

use m5_report::doc::{ObjectivesFrom, PageObjectives, PageProcess, Sentence};
use m5_report::text::{Style, growth_evidence, objectives_from};
use m5_stats::{Assessment, Objectives, Verdict};
use std::collections::BTreeMap;
use std::path::Path;

/// Values of a chart at most.
const POINTS: usize = 480;
/// Pauses of a timeline at most.
const PAUSES: usize = 1500;

fn lines(objectives: &Objectives) -> PageObjectives {
    PageObjectives {
        rss_peak_bytes: objectives.rss_peak_bytes.map(|o| o.pass),
        gc_pause_p95_seconds: objectives.gc_pause_p95_seconds.map(|o| o.pass),
        open_fds: objectives.open_fds.map(|o| o.pass),
        rss_limit_ratio: objectives.rss_limit_ratio.map(|o| o.pass),
        fd_limit_ratio: objectives.fd_limit_ratio.map(|o| o.pass),
    }
}

/// Where objectives come from. A page is shown around: of a settings file it says the name, not the folders.
fn told(from: &ObjectivesFrom, pid: i32) -> Sentence {
    let name = |file: &String| Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
    let from = ObjectivesFrom { file: from.file.as_ref().and_then(name), ..from.clone() };
    Sentence::each(|lang| objectives_from(&from, pid, lang))
}

fn evidence(memory: &Assessment) -> Sentence {
    Sentence::each(|lang| growth_evidence(memory, Style { lang, color: false }))
}

/// Those that need somebody come first: what grows, then what moved, then the largest.
fn by_need(processes: &mut [PageProcess]) {
    let rank = |p: &PageProcess| match p.memory.map(|m| m.verdict) {
        Some(Verdict::Growing) => 0,
        Some(Verdict::Step) => 1,
        Some(Verdict::Saturating) => 2,
        Some(Verdict::Flat | Verdict::Falling | Verdict::Insufficient) | None => 3,
    };
    let size = |p: &PageProcess| p.rss_bytes.or(p.memory.and_then(|m| m.level)).unwrap_or(0.0);
    processes.sort_by(|a, b| {
        let need = (a.exited, rank(a)).cmp(&(b.exited, rank(b)));
        need.then(size(b).total_cmp(&size(a))).then_with(|| (&a.service, a.slot).cmp(&(&b.service, b.slot)))
    });
}

/// Sockets by state, without their peers.
fn states(groups: &[m5_process::ConnectionGroup]) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for group in groups {
        *out.entry(group.state.clone()).or_default() += group.count;
    }
    out
}

/// The longest and, of the rest, an even choice: a timeline must show the peaks.
fn timeline(mut pauses: Vec<(f64, f64, Option<u8>)>) -> Vec<(f64, f64, Option<u8>)> {
    if pauses.len() > PAUSES {
        pauses.sort_by(|a, b| b.1.total_cmp(&a.1));
        let rest = pauses.split_off(PAUSES / 3);
        let step = rest.len().div_ceil(PAUSES - pauses.len()).max(1);
        pauses.extend(rest.into_iter().step_by(step));
    }
    pauses.sort_by(|a, b| a.0.total_cmp(&b.0));
    pauses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_keeps_the_longest_in_order_of_time() {
        let many: Vec<_> = (0..10_000).map(|i| (f64::from(i), f64::from(i * 7919 % 10_007), None)).collect();
        let kept = timeline(many);
        assert!(kept.len() <= PAUSES && kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}", kept.len());
        let longest = kept.iter().map(|p| p.1).fold(0.0, f64::max);
        assert!(longest >= 10_005.0, "{longest}");
    }
}
