//! What `m5 top` shows: plain values and what the keys do to them. Knows nothing of the view.

use m5_agent::pool::{Member, Readable};
use m5_report::Lang;
use m5_stats::{Verdict, quantile, sorted};

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) service: String,
    pub(super) pid: i32,
    pub(super) python: Option<String>,
    pub(super) rss: f64,
    pub(super) trend: Vec<u64>,
    pub(super) growth: Option<f64>,
    pub(super) verdict: Verdict,
    pub(super) pause_p95: Option<f64>,
    pub(super) longest: Option<f64>,
    pub(super) fds: Option<u64>,
    pub(super) connections: Option<u64>,
    /// The latest pauses, the newest first: seconds, generation.
    pub(super) pauses: Vec<(f64, Option<u8>)>,
}

impl Row {
    /// A watched process as a row.
    pub(super) fn of(member: &Member) -> Self {
        let pauses: Vec<(f64, Option<u8>)> =
            member.pauses.latest().rev().map(|p| (p.duration_ns as f64 / 1e9, p.generation)).collect();
        let lengths = sorted(&pauses.iter().map(|(s, _)| *s).collect::<Vec<_>>());
        Self {
            service: format!("{}/{}", member.service(), member.slot()),
            pid: member.identity().pid,
            python: match member.readable() {
                Readable::Yes(layout) => Some(layout.clone()),
                Readable::No(_) => None,
            },
            rss: member.reading.status.rss_bytes.unwrap_or(0) as f64,
            trend: member.chart_points().map(|m| m.rss_bytes as u64).collect(),
            growth: member.assessment.slope,
            verdict: member.assessment.verdict,
            pause_p95: quantile(&lengths, 0.95),
            longest: lengths.last().copied(),
            fds: member.reading.fds.as_ref().map(|f| f.total),
            connections: member.connections.as_ref().map(|c| c.iter().map(|g| g.count).sum()),
            pauses,
        }
    }
}

/// Column that orders the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Rss,
    Growth,
    Pause,
    Fds,
    Service,
}

/// Everything on the screen.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lang: Lang,
    pub(super) rows: Vec<Row>,
    pub(super) sort: Sort,
    pub(super) chosen: Option<i32>,
    pub(super) open: bool,
    pub(super) quit: bool,
    pub(super) message: String,
}

impl State {
    pub(super) fn new(lang: Lang) -> Self {
        Self {
            lang,
            rows: Vec::new(),
            sort: Sort::Rss,
            chosen: None,
            open: false,
            quit: false,
            message: String::new(),
        }
    }

    /// Takes new rows; the chosen process stays chosen wherever it goes, and goes when it ends.
    pub(super) fn take(&mut self, rows: Vec<Row>) {
        self.rows = rows;
        self.order();
        if self.chosen().is_none() {
            self.chosen = self.rows.first().map(|r| r.pid);
            self.open = false;
        }
    }

    fn order(&mut self) {
        let sort = self.sort;
        let key = |r: &Row| match sort {
            Sort::Rss => r.rss,
            Sort::Growth => r.growth.unwrap_or(f64::NEG_INFINITY),
            Sort::Pause => r.pause_p95.unwrap_or(f64::NEG_INFINITY),
            Sort::Fds => r.fds.map_or(f64::NEG_INFINITY, |n| n as f64),
            Sort::Service => 0.0,
        };
        self.rows.sort_by(|a, b| key(b).total_cmp(&key(a)).then_with(|| a.service.cmp(&b.service)));
    }

    pub(super) fn sort_next(&mut self) {
        self.sort = match self.sort {
            Sort::Rss => Sort::Growth,
            Sort::Growth => Sort::Pause,
            Sort::Pause => Sort::Fds,
            Sort::Fds => Sort::Service,
            Sort::Service => Sort::Rss,
        };
        self.order();
    }

    pub(super) fn other_language(&mut self) {
        self.lang = if self.lang == Lang::En { Lang::Zh } else { Lang::En };
    }

    pub(super) fn chosen(&self) -> Option<&Row> {
        self.rows.iter().find(|r| Some(r.pid) == self.chosen)
    }

    pub(super) fn chosen_index(&self) -> Option<usize> {
        self.rows.iter().position(|r| Some(r.pid) == self.chosen)
    }

    pub(super) fn choose(&mut self, by: isize) {
        let Some(last) = self.rows.len().checked_sub(1) else { return };
        let index = self.chosen_index().unwrap_or(0).saturating_add_signed(by).min(last);
        self.chosen = self.rows.get(index).map(|r| r.pid);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn row(service: &str, pid: i32, rss: f64) -> Row {
        Row {
            service: service.to_owned(),
            pid,
            python: Some("3.11".to_owned()),
            rss,
            trend: vec![1, 2, 3, 5, 8],
            growth: Some(100.0),
            verdict: Verdict::Flat,
            pause_p95: Some(0.0123),
            longest: Some(0.049),
            fds: Some(16),
            connections: Some(5),
            pauses: vec![(0.0123, Some(0)), (0.049, Some(2))],
        }
    }

    #[test]
    fn the_choice_follows_its_process() {
        let mut state = State::new(Lang::En);
        state.take(vec![row("a/0", 1, 10.0), row("b/0", 2, 20.0)]);
        assert_eq!(state.chosen, Some(2));
        state.choose(1);
        assert_eq!(state.chosen, Some(1));
        state.take(vec![row("a/0", 1, 30.0), row("b/0", 2, 20.0)]);
        assert_eq!((state.chosen, state.chosen_index()), (Some(1), Some(0)));
        state.choose(-5);
        state.take(vec![row("b/0", 2, 20.0)]);
        assert_eq!(state.chosen, Some(2));
        state.take(vec![]);
        state.choose(1);
        assert_eq!(state.chosen, None);
    }

    #[test]
    fn sorts_go_round() {
        let mut state = State::new(Lang::En);
        let first = state.sort;
        (0..5).for_each(|_| state.sort_next());
        assert_eq!(state.sort, first);
    }
}
