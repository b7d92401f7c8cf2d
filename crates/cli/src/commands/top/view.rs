//! The screen of `m5 top`, drawn from its state.

use super::state::{Row as Process, Sort, State};
use m5_report::Lang;
use m5_report::texts::Top;
use m5_report::units;
use m5_stats::Verdict;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table, TableState};

/// Cells of the little curve.
const TREND: usize = 12;

pub(super) fn draw(frame: &mut Frame<'_>, state: &State, color: bool) {
    let areas = Layout::vertical([Constraint::Min(3), Constraint::Length(1)]).split(frame.area());
    match state.chosen().filter(|_| state.open) {
        Some(process) => details(frame, areas[0], process, state.lang, color),
        None => list(frame, areas[0], state, color),
    }
    let hint = if state.message.is_empty() { hint(state) } else { state.message.clone() };
    frame.render_widget(Paragraph::new(hint).style(Style::new().add_modifier(Modifier::DIM)), areas[1]);
}

fn hint(state: &State) -> String {
    if state.open {
        return state.lang.say(Top::Back).to_owned();
    }
    let sort = match state.sort {
        Sort::Rss => Top::Rss,
        Sort::Growth => Top::Growth,
        Sort::Pause => Top::Pause,
        Sort::Fds => Top::Fds,
        Sort::Service => Top::Service,
    };
    state.lang.fill(Top::Keys, &[&state.lang.say(sort)])
}

fn list(frame: &mut Frame<'_>, area: Rect, state: &State, color: bool) {
    let lang = state.lang;
    if state.rows.is_empty() {
        frame.render_widget(Paragraph::new(lang.say(Top::None)), area);
        return;
    }
    let heads = [
        Top::Service,
        Top::Pid,
        Top::Rss,
        Top::Trend,
        Top::Growth,
        Top::Verdict,
        Top::Pause,
        Top::Longest,
        Top::Fds,
        Top::Connections,
    ];
    let head = Row::new(heads.map(|h| lang.say(h))).style(Style::new().add_modifier(Modifier::BOLD));
    let widths = [
        Constraint::Min(16),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(TREND as u16),
        Constraint::Length(18),
        Constraint::Length(14),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(6),
        Constraint::Length(6),
    ];
    let rows = state.rows.iter().map(|p| row(p, lang, color));
    let table = Table::new(rows, widths)
        .header(head)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut chosen = TableState::default().with_selected(state.chosen_index());
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn row(p: &Process, lang: Lang, color: bool) -> Row<'static> {
    let absent = || "–".to_owned();
    let style = if color { Style::new().fg(shade(p.verdict)) } else { Style::new() };
    Row::new([
        Line::from(p.service.clone()),
        Line::from(p.pid.to_string()),
        Line::from(units::bytes(p.rss)),
        Line::from(curve(&p.trend)),
        Line::from(p.growth.map_or_else(absent, units::growth)),
        Line::from(Span::styled(lang.say(m5_report::text::verdict_text(p.verdict)), style)),
        Line::from(p.pause_p95.map_or_else(absent, units::time)),
        Line::from(p.longest.map_or_else(absent, units::time)),
        Line::from(p.fds.map_or_else(absent, |n| n.to_string())),
        Line::from(p.connections.map_or_else(absent, |n| n.to_string())),
    ])
}

fn shade(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Flat | Verdict::Saturating | Verdict::Falling => Color::Green,
        Verdict::Growing => Color::Red,
        Verdict::Step => Color::Yellow,
        Verdict::Insufficient => Color::DarkGray,
    }
}

/// The last samples as blocks, from the lowest to the highest of them.
fn curve(values: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(TREND)..];
    let (low, high) = (shown.iter().min().copied().unwrap_or(0), shown.iter().max().copied().unwrap_or(0));
    // A change of less than one part in a thousand is a flat line, not a mountain.
    let span = (high - low).max(high / 1000).max(1);
    shown.iter().map(|v| BLOCKS[(7 * (v - low) / span) as usize]).collect()
}

fn details(frame: &mut Frame<'_>, area: Rect, p: &Process, lang: Lang, color: bool) {
    let title = format!(" {} · PID {} · Python {} ", p.service, p.pid, p.python.as_deref().unwrap_or("?"));
    let block = Block::bordered().title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let parts =
        Layout::vertical([Constraint::Length(3), Constraint::Length(6), Constraint::Min(1)]).split(inner);
    let verdict = Span::styled(
        lang.say(m5_report::text::verdict_text(p.verdict)),
        if color { Style::new().fg(shade(p.verdict)) } else { Style::new() },
    );
    let facts = vec![
        Line::from(vec![
            Span::raw(format!("{} {}   ", lang.say(Top::Rss), units::bytes(p.rss))),
            verdict,
            Span::raw(p.growth.map_or_else(String::new, |g| format!("   {}", units::growth(g)))),
        ]),
        Line::from(lang.say(Top::Trend)),
    ];
    frame.render_widget(Paragraph::new(facts), parts[0]);
    let low = p.trend.iter().min().copied().unwrap_or(0);
    let heights: Vec<u64> = p.trend.iter().map(|v| v - low + 1).collect();
    let from = heights.len().saturating_sub(parts[1].width as usize);
    frame.render_widget(Sparkline::default().data(&heights[from..]), parts[1]);
    let mut lines = vec![Line::from(lang.say(Top::Pauses)).style(Style::new().add_modifier(Modifier::BOLD))];
    lines.extend(p.pauses.iter().take(parts[2].height as usize).map(|(seconds, generation)| {
        let label = generation.map_or_else(|| "?".to_owned(), |g| g.to_string());
        Line::from(format!("gen {label}  {}", units::time(*seconds)))
    }));
    frame.render_widget(Paragraph::new(lines), parts[2]);
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::row;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(state: &State) -> String {
        let mut terminal = Terminal::new(TestBackend::new(120, 12)).unwrap();
        terminal.draw(|frame| draw(frame, state, false)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_list_and_the_details() {
        let mut state = State::new(Lang::En);
        state.take(vec![row("engine/0", 7, 80.0 * 1_048_576.0), row("web/0", 8, 40.0 * 1_048_576.0)]);
        insta::assert_snapshot!("list", screen(&state));
        state.other_language();
        state.open = true;
        insta::assert_snapshot!("details_in_chinese", screen(&state));
    }

    #[test]
    fn noise_is_a_flat_line() {
        assert_eq!(curve(&[1_000_000, 1_000_001, 1_000_000]), "▁▁▁");
        assert_eq!(curve(&[0, 7, 14]), "▁▄█");
        assert_eq!(curve(&[]), "");
    }
}
