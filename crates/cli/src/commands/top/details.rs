//! One process on the whole screen: figures, its memory over time with axes, its pauses, and who holds what.

use super::color::shade;
use super::columns::cpu;
use super::row::Row;
use super::state::State;
use m5_report::texts::Top;
use m5_report::{Lang, units};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Wrap};

/// Rows of the figures, and of the chart at most.
const FIGURES: u16 = 8;
const FIGURES_NARROW: u16 = 10;
const CHART: u16 = 10;
const CHART_NARROW: u16 = 6;
/// Cells of the pauses where they stand beside the holders, and of a screen that is too narrow for that: there this many
/// rows of pauses stand above them.
const PAUSES: u16 = 24;
const NARROW: u16 = 80;
const FEW: u16 = 4;
/// Bytes of a figure's name from which on it may stand on two lines.
const LONG_NAME: usize = 20;

pub(super) fn details(frame: &mut Frame<'_>, area: Rect, row: &Row, state: &State, color: bool) {
    let lang = state.lang;
    let python = row.python.as_ref().map_or_else(String::new, |python| format!(" · Python {python}"));
    let block = Block::bordered().title(format!(" {} · PID {}{python} ", row.service, row.pid));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let narrow = inner.width < NARROW;
    let (figures_height, chart) = if narrow { (FIGURES_NARROW, CHART_NARROW) } else { (FIGURES, CHART) };
    let heights = [Constraint::Length(figures_height), Constraint::Max(chart), Constraint::Min(4)];
    let parts = Layout::vertical(heights).split(inner);
    frame.render_widget(Paragraph::new(figures(row, lang, color)).wrap(Wrap { trim: true }), parts[0]);
    memory(frame, parts[1], row, lang, color);
    let halves = match narrow {
        true => Layout::vertical([Constraint::Max(FEW), Constraint::Min(2)]),
        false => Layout::horizontal([Constraint::Length(PAUSES), Constraint::Min(10)]).spacing(2),
    };
    let halves = halves.split(parts[2]);
    frame.render_widget(Paragraph::new(pauses(row, halves[0].height, lang)), halves[0]);
    frame.render_widget(Paragraph::new(holders(row, state)).wrap(Wrap { trim: false }), halves[1]);
}

fn figures(row: &Row, lang: Lang, color: bool) -> Vec<Line<'static>> {
    let absent = || "–".to_owned();
    // A value stays whole at the end of a line, and beside what it is called; a long name may be broken.
    let head = |text: Top| {
        let name = lang.say(text);
        let name = if name.len() > LONG_NAME { name.to_owned() } else { name.replace(' ', "\u{a0}") };
        Span::styled(format!("{name}\u{a0}"), Style::new().add_modifier(Modifier::DIM))
    };
    let value = |text: String| Span::raw(format!("{}   ", text.replace(' ', "\u{a0}")));
    let verdict = if color { Style::new().fg(shade(row)) } else { Style::new() };
    let missed = row.missed().next().is_some();
    let goals = if color && missed { Style::new().fg(Color::Red) } else { Style::new() };
    let count = |n: Option<u64>| n.map_or_else(absent, |n| n.to_string());
    let collections = row.collections.map(|all| all.map(|n| n.to_string()).join(" · "));
    vec![
        Line::from(vec![
            head(Top::Rss),
            value(row.rss.map_or_else(absent, units::bytes)),
            head(Top::Floor),
            value(row.memory.level.map_or_else(absent, units::bytes)),
            head(Top::Limit),
            value(row.limit.map_or_else(|| lang.say(Top::NoLimit).to_owned(), units::bytes)),
            Span::styled(row.verdict(lang), verdict.add_modifier(Modifier::BOLD)),
        ]),
        Line::from(row.evidence(lang)),
        Line::from(vec![
            head(Top::Cpu),
            value(row.cpu.map_or_else(absent, cpu)),
            head(Top::Threads),
            value(row.threads.to_string()),
            head(Top::Fds),
            value(count(row.fds)),
            head(Top::Connections),
            value(count(row.connections)),
            head(Top::Uptime),
            value(units::span(row.uptime)),
        ]),
        Line::from(vec![
            head(Top::Pause),
            value(row.pause_p95.map_or_else(absent, units::time)),
            head(Top::Longest),
            value(row.longest.map_or_else(absent, units::time)),
            head(Top::Seen),
            value(row.coverage.map_or_else(absent, units::percent)),
            head(Top::Collections),
            value(collections.unwrap_or_else(absent)),
        ]),
        Line::from(row.goals(lang)).style(goals),
        Line::from(row.command.clone()),
    ]
}

/// Memory over the time that it is watched.
fn memory(frame: &mut Frame<'_>, area: Rect, row: &Row, lang: Lang, color: bool) {
    let (Some(first), Some(last)) = (row.trend.first(), row.trend.last()) else { return };
    let low = row.trend.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = row.trend.iter().map(|p| p.1).fold(0.0, f64::max);
    // Noise does not fill the chart.
    let room = ((high - low) * 0.1).max(high * 0.005).max(1.0);
    let (bottom, top) = ((low - room).max(0.0), high + room);
    let style = if color { Style::new().fg(shade(row)) } else { Style::new() };
    let data =
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(style).data(&row.trend);
    let since = format!("-{}", units::span(last.0 - first.0));
    let chart = Chart::new(vec![data])
        .x_axis(
            Axis::default()
                .bounds([first.0, last.0.max(first.0 + 1.0)])
                .labels([since, lang.say(Top::Now).to_owned()]),
        )
        .y_axis(
            Axis::default()
                .bounds([bottom, top])
                .labels([bottom, (bottom + top) / 2.0, top].map(units::bytes)),
        );
    frame.render_widget(chart, area);
}

fn pauses(row: &Row, height: u16, lang: Lang) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::from(lang.say(Top::Pauses)).style(bold)];
    if row.pauses.is_empty() {
        lines.push(Line::from(lang.say(Top::NoPauses)));
    }
    lines.extend(row.pauses.iter().take(height.into()).map(|(seconds, generation)| {
        let label = generation.map_or_else(|| "?".to_owned(), |g| g.to_string());
        Line::from(format!("gen {label}  {:>10}", units::time(*seconds)))
    }));
    lines
}

/// Who holds what in the last snapshot, or which key takes one.
fn holders(row: &Row, state: &State) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let text = match &state.holders {
        Some((pid, text)) if *pid == row.pid => text.as_str(),
        _ => state.lang.say(Top::NoHolders),
    };
    let mut lines = vec![Line::from(state.lang.say(Top::Holders)).style(bold)];
    lines.extend(text.lines().map(|line| Line::from(line.to_owned())));
    lines
}
