//! That a process executed another program while it was looked at.

use crate::shared::units;
use crate::text::Style;
use crate::texts::Record;

/// A line about it; nothing where it did not.
pub(crate) fn executed(seconds: Option<f64>, style: Style) -> String {
    let line = |seconds| style.yellow(&style.lang.fill(Record::EndExecuted, &[&units::span(seconds)])) + "\n";
    seconds.map(line).unwrap_or_default()
}

/// The same, or one that it ended, where the recording was cut by that.
pub(crate) fn cut(executed_after: Option<f64>, ended: bool, style: Style) -> String {
    match executed(executed_after, style) {
        none if none.is_empty() && ended => style.yellow(style.lang.say(Record::EndExited)) + "\n",
        line => line,
    }
}
