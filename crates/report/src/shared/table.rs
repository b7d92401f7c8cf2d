//! Columns that line up, also where a character is two cells wide.

use crate::shared::style::code_of;
use unicode_width::UnicodeWidthStr;

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Left: words.
    Left,
    /// Right: numbers.
    Right,
}

/// Rows of cells.
#[derive(Debug, Clone)]
pub struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// A table with these columns, each line indented by some spaces.
    #[must_use]
    pub fn new(align: &[Align], indent: usize) -> Self {
        Self { align: align.to_vec(), rows: Vec::new(), indent }
    }

    /// Adds a row; cells beyond the columns are dropped.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).take(self.align.len()).collect());
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each with its newline. The last cell of a row is not padded to the right.
    #[must_use]
    pub fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.align.len())
            .map(|i| self.rows.iter().filter_map(|r| r.get(i)).map(|c| width(c)).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for (i, ((cell, column), align)) in row.iter().zip(&widths).zip(&self.align).enumerate() {
                let pad = " ".repeat(column - width(cell));
                let gap = if i == 0 { "" } else { "  " };
                line.push_str(gap);
                match align {
                    Align::Left => line.extend([cell.as_str(), &pad]),
                    Align::Right => line.extend([pad.as_str(), cell]),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Cells on the terminal; styles take none.
fn width(text: &str) -> usize {
    text.chars().filter(|c| code_of(*c).is_none()).collect::<String>().width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::style::{Style, for_terminal};

    #[test]
    fn wide_characters_and_colours_line_up() {
        let mut table = Table::new(&[Align::Left, Align::Right], 1);
        table.row(["内存", "1"]);
        let bold = Style { color: true, ..Style::default() }.bold("ab");
        table.row([bold.as_str(), "23"]);
        assert_eq!(for_terminal(&table.render(), true), " 内存   1\n \x1b[1mab\x1b[0m    23\n");
    }
}
