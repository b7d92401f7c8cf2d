//! What is on the screen of `m5 top`, and what the keys do to it. Knows nothing of the view.

use super::columns::Column;
use super::row::Row;
use m5_report::texts::Top;
use m5_report::{Lang, text};

/// Which screen it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// All processes.
    List,
    /// The chosen one.
    Details,
    /// What a command said.
    Output,
    /// The keys.
    Help,
}

/// Everything on the screen.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lang: Lang,
    rows: Vec<Row>,
    pub(super) sort: Column,
    /// Children below their parents.
    pub(super) tree: bool,
    pub(super) chosen: Option<i32>,
    pub(super) view: View,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) typing: bool,
    pub(super) quit: bool,
    pub(super) message: String,
    /// What the last command said, of which process, and the first line that is seen.
    pub(super) output: String,
    pub(super) scroll: usize,
    /// Who holds what in the last snapshot of a process.
    pub(super) holders: Option<(i32, String)>,
}

impl State {
    pub(super) fn new(lang: Lang) -> Self {
        Self {
            lang,
            rows: Vec::new(),
            sort: Column::Rss,
            tree: false,
            chosen: None,
            view: View::List,
            filter: String::new(),
            typing: false,
            quit: false,
            message: String::new(),
            output: String::new(),
            scroll: 0,
            holders: None,
        }
    }

    /// Processes of which these rows no longer tell, or tell of another execution, by pid and start.
    pub(super) fn changed(&self, rows: &[Row]) -> Vec<(i32, u64)> {
        let same = |old: &Row| rows.iter().any(|new| (new.pid, new.execution) == (old.pid, old.execution));
        self.rows.iter().filter(|old| !same(old)).map(|old| (old.pid, old.execution.0)).collect()
    }

    /// These processes execute another program: what is known of the old one is not of the new one.
    pub(super) fn executed(&mut self, pids: &[i32]) {
        self.holders = self.holders.take().filter(|(pid, _)| !pids.contains(pid));
        if let Some(pid) = pids.iter().find(|pid| Some(**pid) == self.chosen).or(pids.first()) {
            self.message = self.lang.fill(Top::Executed, &[pid]);
        }
    }

    /// Takes new rows; the chosen process stays chosen wherever it goes, and goes when it ends.
    pub(super) fn take(&mut self, mut rows: Vec<Row>) {
        let sort = self.sort;
        rows.sort_by(|a, b| sort.key(b).total_cmp(&sort.key(a)).then_with(|| a.service.cmp(&b.service)));
        self.rows = rows;
        self.keep_chosen();
    }

    /// What the filter lets through, each with its depth below its parents.
    pub(super) fn shown(&self) -> Vec<(usize, &Row)> {
        let some: Vec<&Row> =
            self.rows.iter().filter(|r| self.filter.is_empty() || r.matches(&self.filter)).collect();
        if !self.tree {
            return some.into_iter().map(|row| (0, row)).collect();
        }
        text::below_parents(&some, |row| (row.pid, row.ppid)).into_iter().map(|(d, row)| (d, *row)).collect()
    }

    fn keep_chosen(&mut self) {
        if self.chosen_index().is_none() {
            let first = self.shown().first().map(|(_, row)| row.pid);
            self.chosen = first;
            if self.view == View::Details {
                self.view = View::List;
            }
        }
    }

    pub(super) fn sort_next(&mut self, by: isize) {
        self.sort = self.sort.next_to_sort_by(by);
        let rows = std::mem::take(&mut self.rows);
        self.take(rows);
    }

    pub(super) fn other_language(&mut self) {
        self.lang = if self.lang == Lang::En { Lang::Zh } else { Lang::En };
    }

    /// Types a letter of the filter, or takes one back.
    pub(super) fn type_filter(&mut self, letter: Option<char>) {
        match letter {
            Some(letter) => self.filter.push(letter),
            None => drop(self.filter.pop()),
        }
        self.keep_chosen();
    }

    /// Ends typing; what was typed stays or goes.
    pub(super) fn end_filter(&mut self, keep: bool) {
        self.typing = false;
        if !keep {
            self.filter.clear();
        }
        self.keep_chosen();
    }

    pub(super) fn back(&mut self) {
        match self.view {
            View::List => self.end_filter(false),
            View::Details | View::Output | View::Help => self.view = View::List,
        }
    }

    /// Shows what a command said.
    pub(super) fn show_output(&mut self, output: String) {
        (self.output, self.scroll, self.view) = (output, 0, View::Output);
    }

    /// Shows what it said when it ran anew, from the line that was read last.
    pub(super) fn renew_output(&mut self, output: String) {
        self.scroll = self.scroll.min(output.lines().count().saturating_sub(1));
        self.output = output;
    }

    pub(super) fn chosen(&self) -> Option<&Row> {
        self.shown().into_iter().map(|(_, row)| row).find(|row| Some(row.pid) == self.chosen)
    }

    pub(super) fn chosen_index(&self) -> Option<usize> {
        self.shown().iter().position(|(_, row)| Some(row.pid) == self.chosen)
    }

    /// Moves the choice, or the text that is read.
    pub(super) fn choose(&mut self, by: isize) {
        if self.view == View::Output {
            let last = self.output.lines().count().saturating_sub(1);
            self.scroll = self.scroll.saturating_add_signed(by).min(last);
            return;
        }
        let shown = self.shown();
        let Some(last) = shown.len().checked_sub(1) else { return };
        let index = self.chosen_index().unwrap_or(0).saturating_add_signed(by).min(last);
        self.chosen = shown.get(index).map(|(_, row)| row.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn the_choice_follows_its_process() {
        let mut state = State::new(Lang::En);
        state.take(vec![row("a", 1, 10.0), row("b", 2, 20.0)]);
        assert_eq!(state.chosen, Some(2));
        state.choose(1);
        assert_eq!(state.chosen, Some(1));
        state.take(vec![row("a", 1, 30.0), row("b", 2, 20.0)]);
        assert_eq!((state.chosen, state.chosen_index()), (Some(1), Some(0)));
        state.choose(-5);
        state.take(vec![row("b", 2, 20.0)]);
        assert_eq!(state.chosen, Some(2));
        state.take(vec![]);
        state.choose(1);
        assert_eq!(state.chosen, None);
    }

    #[test]
    fn another_execution_is_said_and_what_was_known_goes() {
        let mut state = State::new(Lang::En);
        state.take(vec![row("a", 1, 10.0), row("b", 2, 20.0)]);
        state.holders = Some((2, "app.cache".to_owned()));
        let mut rows = vec![row("a", 1, 10.0), row("b", 2, 5.0)];
        assert!(state.changed(&rows).is_empty());
        rows[1].execution.1 = Some(7);
        assert_eq!(state.changed(&rows), [(2, 1)]);
        assert_eq!(state.changed(&rows[..1]), [(2, 1)], "what is no Python any more is told of, too");
        state.executed(&[2]);
        state.take(rows);
        assert!(state.holders.is_none() && state.message.contains("PID 2"), "{}", state.message);
        state.message.clear();
        state.executed(&[]);
        assert!(state.message.is_empty());
    }

    #[test]
    fn sorts_go_round() {
        let mut state = State::new(Lang::En);
        let first = state.sort;
        let mut seen = vec![first];
        loop {
            state.sort_next(1);
            if state.sort == first {
                break;
            }
            assert!(!seen.contains(&state.sort));
            seen.push(state.sort);
        }
        assert!(seen.contains(&Column::Cpu) && seen.contains(&Column::Service));
        state.sort_next(-1);
        assert_eq!(seen.last(), Some(&state.sort));
    }

    #[test]
    fn a_filter_is_typed_kept_and_let_go() {
        let mut state = State::new(Lang::En);
        state.take(vec![row("engine", 1, 10.0), row("web", 2, 20.0)]);
        "eng".chars().for_each(|c| state.type_filter(Some(c)));
        assert_eq!((state.shown().len(), state.chosen), (1, Some(1)));
        state.type_filter(Some('x'));
        assert_eq!((state.shown().len(), state.chosen), (0, None));
        state.type_filter(None);
        state.end_filter(true);
        assert_eq!((state.filter.as_str(), state.chosen), ("eng", Some(1)));
        state.back();
        assert_eq!(state.shown().len(), 2);
    }

    #[test]
    fn children_stand_below_their_parents() {
        let mut state = State::new(Lang::En);
        let child = |pid, rss| Row { ppid: 1, ..row("web/worker", pid, rss) };
        state.take(vec![
            child(3, 90.0),
            row("other", 9, 50.0),
            child(2, 70.0),
            Row { ppid: 0, ..row("web", 1, 10.0) },
        ]);
        state.tree = true;
        let shown: Vec<_> = state.shown().iter().map(|(depth, row)| (*depth, row.pid)).collect();
        assert!(
            shown == [(0, 1), (1, 3), (1, 2), (1, 9)] || shown == [(0, 1), (1, 3), (1, 9), (1, 2)],
            "{shown:?}"
        );
    }
}
