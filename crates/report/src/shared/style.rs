//! How text looks: its language, and whether colours may be used.

use crate::Lang;

/// Language and colour of a text report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// The language.
    pub lang: Lang,
    /// Whether to colour.
    pub color: bool,
}

impl Style {
    /// A heading.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint(1, text)
    }

    /// Something of less weight.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint(2, text)
    }

    /// Good.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint(32, text)
    }

    /// Doubtful.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.paint(33, text)
    }

    /// Bad.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint(31, text)
    }

    fn paint(self, code: u32, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let mark = |code| char::from_u32(MARKS + code).unwrap_or_default();
        format!("{}{text}{}", mark(code), mark(RESET))
    }
}

/// Where a style begins and ends in a report: characters that mean nothing to a terminal, so that no word of a target
/// can be taken for a style. [`for_terminal`] makes colour codes of them.
const MARKS: u32 = 0x10_ff00;
const RESET: u32 = 0;
/// The codes that there are: end, bold, dim, red, green, yellow.
const CODES: [u32; 6] = [RESET, 1, 2, 31, 32, 33];

/// The code that a mark stands for.
pub(crate) fn code_of(mark: char) -> Option<u32> {
    CODES.into_iter().find(|code| u32::from(mark) == MARKS + code)
}

/// A report as it may be shown: styles become colour codes, or nothing, and what could steer a terminal or turn the
/// order of its text around is replaced, whatever a target calls its things.
#[must_use]
pub fn for_terminal(report: &str, color: bool) -> String {
    let mut out = String::with_capacity(report.len());
    for c in report.chars() {
        match code_of(c) {
            Some(code) if color => out.push_str(&format!("\x1b[{code}m")),
            Some(_) => {}
            None if steers(c) => out.push(char::REPLACEMENT_CHARACTER),
            None => out.push(c),
        }
    }
    out
}

/// The same for JSON, whose strings can spell such a character.
#[must_use]
pub fn json_for_terminal(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}

/// Control characters but line ends and tabs, and marks that change the direction of text.
fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_words_steer_nothing() {
        let style = Style { lang: Lang::En, color: true };
        let hostile = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\u{9b}2J\u{202e}evil\r";
        let report = format!("{} {hostile}\n\tx\n", style.bold("who"));
        let colored = for_terminal(&report, true);
        assert_eq!(colored.matches('\x1b').count(), 2, "{colored:?}");
        assert!(colored.starts_with("\x1b[1mwho\x1b[0m ") && colored.ends_with("\n\tx\n"));
        let plain = for_terminal(&report, false);
        assert!(!plain.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{plain:?}");
        assert!(plain.starts_with("who ") && !plain.contains('\u{202e}'));
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({"name": "a\u{9b}b\u{202e}\u{7f}\x1b"});
        let shown = json_for_terminal(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!shown.contains(steers));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
