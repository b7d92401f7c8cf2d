//! The screens of `m5 top`, drawn from their state.

use super::color::shade;
use super::columns::{Column, cells, cut, fitting};
use super::details::details;
use super::state::{State, View};
use m5_report::Lang;
use m5_report::texts::Top;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};

pub(super) fn draw(frame: &mut Frame<'_>, state: &State, color: bool) {
    let areas = Layout::vertical([Constraint::Min(3), Constraint::Length(1)]).split(frame.area());
    match (state.view, state.chosen()) {
        (View::Help, _) => help(frame, areas[0], state.lang),
        (View::Output, _) => output(frame, areas[0], state),
        (View::Details, Some(process)) => details(frame, areas[0], process, state, color),
        _ => list(frame, areas[0], state, color),
    }
    let style = if state.typing { Style::new() } else { Style::new().add_modifier(Modifier::DIM) };
    let line = fitted(&last_line(state), frame.area().width.into());
    frame.render_widget(Paragraph::new(line).style(style), areas[1]);
}

/// The items of a line of keys that fit, each whole; what is one item is cut.
fn fitted(line: &str, width: usize) -> String {
    let items: Vec<&str> = line.split("  ").collect();
    let some = (1..=items.len()).rev().map(|n| items[..n].join("  "));
    some.into_iter().find(|line| cells(line) <= width).unwrap_or_else(|| cut(line, width))
}

/// What is being typed, what was done, or which keys there are.
fn last_line(state: &State) -> String {
    let lang = state.lang;
    if state.typing {
        return format!("/{}▏", state.filter);
    }
    if !state.message.is_empty() {
        return state.message.clone();
    }
    match state.view {
        View::List if !state.filter.is_empty() => lang.fill(Top::Filtered, &[&state.filter]),
        View::List => lang.fill(Top::Keys, &[&lang.say(state.sort.head())]),
        View::Details => lang.say(Top::DetailKeys).to_owned(),
        View::Output | View::Help => lang.say(Top::Back).to_owned(),
    }
}

fn list(frame: &mut Frame<'_>, area: Rect, state: &State, color: bool) {
    let lang = state.lang;
    let shown = state.shown();
    if shown.is_empty() {
        let text = if state.filter.is_empty() { Top::None } else { Top::NoMatch };
        frame.render_widget(Paragraph::new(lang.say(text)), area);
        return;
    }
    let columns = fitting(&shown, state.sort, lang, area.width.into());
    let head = columns.iter().map(|(column, _)| {
        let mark = if *column == state.sort { " ▼" } else { "" };
        aligned(format!("{}{mark}", lang.say(column.head())), *column)
    });
    let head = Row::new(head).style(Style::new().add_modifier(Modifier::BOLD));
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width as u16));
    let rows = shown.iter().map(|(depth, process)| {
        Row::new(columns.iter().map(|(column, width)| {
            let cell = aligned(cut(&column.cell(process, *depth, lang), *width), *column);
            if color && *column == Column::Verdict {
                cell.style(Style::new().fg(shade(process)))
            } else if color && column.misses(process) {
                cell.style(Style::new().fg(Color::Red))
            } else {
                cell
            }
        }))
    });
    let table = Table::new(rows, widths)
        .header(head)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut chosen = TableState::default().with_selected(state.chosen_index());
    frame.render_stateful_widget(table, area, &mut chosen);
}

fn aligned(text: String, column: Column) -> Cell<'static> {
    let side = if column.right() { Alignment::Right } else { Alignment::Left };
    Cell::from(Text::from(text).alignment(side))
}

/// What a command said, as far as it is scrolled.
fn output(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let lines: Vec<Line<'_>> = state.output.lines().skip(state.scroll).map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn help(frame: &mut Frame<'_>, area: Rect, lang: Lang) {
    let block = Block::bordered().title(format!(" m5 top · {} ", lang.say(Top::Help)));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines: Vec<Line<'_>> = lang
        .say(Top::HelpLines)
        .split('\n')
        .map(|line| match line.split_once("  ") {
            Some((key, what)) => Line::from(vec![Span::styled(format!("{key:<12}"), bold), Span::raw(what)]),
            None => Line::from(line),
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::super::row::Row as Process;
    use super::super::row::tests::row;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    const MIB: f64 = 1_048_576.0;

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state, false)).unwrap();
        terminal.backend().to_string()
    }

    fn two() -> State {
        let mut state = State::new(Lang::En);
        let worker = Process { ppid: 7, ..row("engine/worker", 8, 40.0 * MIB) };
        state.take(vec![row("engine", 7, 80.0 * MIB), worker]);
        state
    }

    #[test]
    fn lists_at_three_widths() {
        let mut state = two();
        for width in [60, 100, 160] {
            insta::assert_snapshot!(format!("list_{width}"), screen(&state, width, 5));
        }
        state.tree = true;
        state.other_language();
        insta::assert_snapshot!("tree_in_chinese", screen(&state, 100, 5));
    }

    #[test]
    fn one_process() {
        let mut state = two();
        state.view = View::Details;
        state.holders = Some((7, "  90.0 % of 1,000 Tick: Store.ticks\n    path: module app".to_owned()));
        insta::assert_snapshot!("details", screen(&state, 100, 24));
        state.other_language();
        insta::assert_snapshot!("details_in_chinese", screen(&state, 60, 24));
    }

    #[test]
    fn help_output_and_a_filter() {
        let mut state = two();
        state.view = View::Help;
        insta::assert_snapshot!("help", screen(&state, 80, 20));
        state.show_output("one\ntwo\nthree".to_owned());
        state.choose(1);
        assert!(!screen(&state, 80, 5).contains("one") && screen(&state, 80, 5).contains("two"));
        state.back();
        state.typing = true;
        state.type_filter(Some('z'));
        let text = screen(&state, 80, 5);
        assert!(text.contains("/z▏") && text.contains("no process matches"), "{text}");
    }
}
