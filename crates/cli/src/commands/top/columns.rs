//! The columns of the list: what stands in each, how wide it is, and which of them a screen has room for. A column
//! that does not fit goes whole: half a number is a wrong number.

use super::row::Row;
use m5_report::texts::Top;
use m5_report::{Lang, units};
use ratatui::text::Line;

/// Cells between two columns.
const GAP: usize = 1;
/// Cells of the little curve.
const TREND: usize = 12;
/// Cells of a name and of a command at least; what is longer is cut and says so.
const NAME: usize = 18;
const COMMAND: usize = 20;
/// Cells of a name at most, while there is something else to show.
const LONGEST_NAME: usize = 32;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Service,
    Pid,
    Cpu,
    Rss,
    Trend,
    Growth,
    Verdict,
    Pause,
    Longest,
    Fds,
    Connections,
    Uptime,
    Command,
}

/// From left to right.
const ALL: [Column; 13] = [
    Column::Service,
    Column::Pid,
    Column::Cpu,
    Column::Rss,
    Column::Trend,
    Column::Growth,
    Column::Verdict,
    Column::Pause,
    Column::Longest,
    Column::Fds,
    Column::Connections,
    Column::Uptime,
    Column::Command,
];

/// The most telling first: those at the end are the first that find no room.
const BY_NEED: [Column; 13] = [
    Column::Service,
    Column::Pid,
    Column::Rss,
    Column::Verdict,
    Column::Cpu,
    Column::Growth,
    Column::Pause,
    Column::Fds,
    Column::Command,
    Column::Trend,
    Column::Uptime,
    Column::Connections,
    Column::Longest,
];

/// What rows can be sorted by.
const SORTS: [Column; 6] =
    [Column::Rss, Column::Cpu, Column::Growth, Column::Pause, Column::Fds, Column::Service];

impl Column {
    pub(super) fn head(self) -> Top {
        match self {
            Self::Service => Top::Service,
            Self::Pid => Top::Pid,
            Self::Cpu => Top::Cpu,
            Self::Rss => Top::Rss,
            Self::Trend => Top::Trend,
            Self::Growth => Top::Growth,
            Self::Verdict => Top::Verdict,
            Self::Pause => Top::Pause,
            Self::Longest => Top::Longest,
            Self::Fds => Top::Fds,
            Self::Connections => Top::Connections,
            Self::Uptime => Top::Uptime,
            Self::Command => Top::Command,
        }
    }

    /// What stands there.
    pub(super) fn cell(self, row: &Row, depth: usize, lang: Lang) -> String {
        let absent = || "–".to_owned();
        match self {
            Self::Service if depth > 0 => format!("{}└ {}", "  ".repeat(depth - 1), row.service),
            Self::Service => row.service.clone(),
            Self::Pid => row.pid.to_string(),
            Self::Cpu => row.cpu.map_or_else(absent, cpu),
            Self::Rss => row.rss.map_or_else(absent, units::bytes),
            Self::Trend => curve(&row.trend),
            Self::Growth => row.memory.slope.map_or_else(absent, units::growth),
            Self::Verdict => row.verdict(lang).to_owned(),
            Self::Pause => row.pause_p95.map_or_else(absent, units::time),
            Self::Longest => row.longest.map_or_else(absent, units::time),
            Self::Fds => row.fds.map_or_else(absent, |n| n.to_string()),
            Self::Connections => row.connections.map_or_else(absent, |n| n.to_string()),
            Self::Uptime => units::span(row.uptime),
            Self::Command => row.command.clone(),
        }
    }

    /// Whether what stands there misses an objective of the process.
    pub(super) fn misses(self, row: &Row) -> bool {
        let names: &[&str] = match self {
            Self::Rss => &["rss_peak_bytes", "rss_limit_ratio"],
            Self::Growth => &["growth_bytes_per_second", "growth_24h_ratio"],
            Self::Pause => &["gc_pause_p95_seconds"],
            Self::Fds => &["open_fds", "fd_limit_ratio"],
            Self::Connections => &["connections"],
            _ => &[],
        };
        row.missed().any(|c| names.contains(&c.name.as_str()))
    }

    /// Numbers stand to the right.
    pub(super) fn right(self) -> bool {
        !matches!(self, Self::Service | Self::Trend | Self::Verdict | Self::Command)
    }

    /// What sorts rows, the largest first; a name sorts by itself.
    pub(super) fn key(self, row: &Row) -> f64 {
        let value = match self {
            Self::Rss => row.rss,
            Self::Cpu => row.cpu,
            Self::Growth => row.memory.slope,
            Self::Pause => row.pause_p95,
            Self::Fds => row.fds.map(|n| n as f64),
            _ => return 0.0,
        };
        value.unwrap_or(f64::NEG_INFINITY)
    }

    pub(super) fn next_to_sort_by(self, by: isize) -> Self {
        let at = SORTS.iter().position(|column| *column == self).unwrap_or(0) as isize;
        SORTS[(at + by).rem_euclid(SORTS.len() as isize) as usize]
    }
}

/// Cores in use as percent of one core.
pub(super) fn cpu(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The last samples as blocks, from the lowest to the highest of them.
pub(super) fn curve(points: &[(f64, f64)]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown: Vec<u64> = points[points.len().saturating_sub(TREND)..].iter().map(|p| p.1 as u64).collect();
    let (low, high) = (shown.iter().min().copied().unwrap_or(0), shown.iter().max().copied().unwrap_or(0));
    // A change of less than one part in a thousand is a flat line, not a mountain.
    let span = (high - low).max(high / 1000).max(1);
    shown.iter().map(|v| BLOCKS[(7 * (v - low) / span) as usize]).collect()
}

/// The columns that fit, from left to right, each with its width.
pub(super) fn fitting(
    rows: &[(usize, &Row)],
    sort: Column,
    lang: Lang,
    width: usize,
) -> Vec<(Column, usize)> {
    // What rows are sorted by is seen wherever it fits at all.
    let mut order = BY_NEED.to_vec();
    if let Some(at) = order.iter().position(|column| *column == sort).filter(|at| *at > 3) {
        order.remove(at);
        order.insert(3, sort);
    }
    let mut free = width;
    let mut chosen = Vec::new();
    for column in order {
        let widest = widest(column, rows, sort, lang);
        let least = match column {
            Column::Service => widest.min(NAME),
            Column::Command => widest.min(COMMAND),
            _ => widest,
        };
        let needed = least + if chosen.is_empty() { 0 } else { GAP };
        if needed > free {
            continue;
        }
        free -= needed;
        chosen.push((column, least, widest));
    }
    chosen.sort_by_key(|(column, ..)| ALL.iter().position(|c| c == column));
    // What is left goes to the name, then to the command.
    for stretched in [Column::Service, Column::Command] {
        if let Some((_, width, widest)) = chosen.iter_mut().find(|(column, ..)| *column == stretched) {
            let most = if stretched == Column::Service { (*widest).min(LONGEST_NAME) } else { *widest };
            let more = most.saturating_sub(*width).min(free);
            (*width, free) = (*width + more, free - more);
        }
    }
    chosen.into_iter().map(|(column, width, _)| (column, width)).collect()
}

/// Cells of the widest text of a column, head and mark of the sort included.
fn widest(column: Column, rows: &[(usize, &Row)], sort: Column, lang: Lang) -> usize {
    let head = cells(lang.say(column.head())) + usize::from(column == sort) * 2;
    let usual = match column {
        Column::Trend => TREND,
        // A number that grows by a digit moves no column.
        Column::Pid => 7,
        Column::Cpu => 7,
        Column::Rss | Column::Pause => 10,
        _ => 0,
    };
    rows.iter().map(|(depth, row)| cells(&column.cell(row, *depth, lang))).fold(head.max(usual), usize::max)
}

/// Cells that a text takes on a terminal.
pub(super) fn cells(text: &str) -> usize {
    Line::from(text).width()
}

/// A text of at most so many cells; what was cut is shown to be cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if cells(&out) + 1 > width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn noise_is_a_flat_line() {
        let curve = |values: &[f64]| curve(&values.iter().map(|v| (0.0, *v)).collect::<Vec<_>>());
        assert_eq!(curve(&[1e6, 1_000_001.0, 1e6]), "▁▁▁");
        assert_eq!(curve(&[0.0, 7.0, 14.0]), "▁▄█");
        assert_eq!(curve(&[]), "");
    }

    proptest! {
        #[test]
        fn whole_columns_go_and_nothing_but_names_and_commands_is_cut(
            width in 1_usize..300, rss in 0.0..1e13, pid in 1..4_194_304, zh in any::<bool>(), name in "\\PC{1,60}",
        ) {
            let row = row(&name, pid, rss);
            let rows = [(0, &row)];
            let lang = if zh { Lang::Zh } else { Lang::En };
            let columns = fitting(&rows, Column::Rss, lang, width);
            let all: usize = columns.iter().map(|(_, width)| width + GAP).sum();
            prop_assert!(columns.is_empty() || all - GAP <= width, "{columns:?}");
            for (column, width) in &columns {
                let text = column.cell(&row, 0, lang);
                prop_assert!(matches!(column, Column::Service | Column::Command) || cells(&text) <= *width);
                prop_assert!(cells(&cut(&text, *width)) <= (*width).max(1));
            }
            if width >= 60 {
                for needed in [Column::Service, Column::Pid, Column::Cpu, Column::Rss, Column::Verdict] {
                    prop_assert!(columns.iter().any(|(column, _)| *column == needed), "{needed:?} at {width}: {columns:?}");
                }
            }
        }
    }
}
