//! That a process executed another program while it was looked at.

use crate::shared::units;
use crate::text::Style;
use crate::texts::Record;

/// A line about it; nothing where it did not.
pub(crate) fn executed(seconds: Option<f64>, style: Style) -> String {
    let line = |seconds| style.yellow(&style.lang.fill(Record::EndExecuted, &[&units::span(seconds)])) + "\n";
    seconds.map(line).unwrap_or_default()
}
