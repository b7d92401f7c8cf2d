//! Colours of what is said of a process.

use super::row::Row;
use m5_stats::Verdict;
use ratatui::style::Color;

/// The colour of a verdict.
pub(super) fn shade(process: &Row) -> Color {
    match process.memory.verdict {
        _ if process.stopped => Color::Yellow,
        Verdict::Flat | Verdict::Saturating | Verdict::Falling => Color::Green,
        Verdict::Growing => Color::Red,
        Verdict::Step => Color::Yellow,
        Verdict::Insufficient => Color::DarkGray,
    }
}
