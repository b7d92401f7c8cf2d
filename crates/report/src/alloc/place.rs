//! A line, for people.

use crate::text::Style;
use crate::texts::Alloc;
use m5_cpython::PyFrame;

/// File, line and function, without control characters.
pub(super) fn place(frame: &PyFrame, style: Style) -> String {
    if frame.function.is_empty() {
        return style.lang.say(Alloc::Nowhere).to_owned();
    }
    let line = frame.line.map(|l| format!(":{l}")).unwrap_or_default();
    format!("{}{line} {}", frame.file, frame.function).chars().filter(|c| !c.is_control()).collect()
}
