//! The languages of reports, and how a text of the catalogue is said in one of them.

use std::fmt::Display;

/// A language that reports are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

/// An entry of the catalogue (see [`crate::texts`]).
pub trait Text: Copy {
    /// The entry in a language; `{}` stands for a value.
    fn template(self, lang: Lang) -> &'static str;
}

impl Lang {
    /// The language that a locale name such as `zh_CN.UTF-8` asks for.
    #[must_use]
    pub fn from_locale(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("zh") { Self::Zh } else { Self::En }
    }

    /// How pages name it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// A text without values.
    #[must_use]
    pub fn say(self, text: impl Text) -> &'static str {
        text.template(self)
    }

    /// A text with its values, in order.
    #[must_use]
    pub fn fill(self, text: impl Text, values: &[&dyn Display]) -> String {
        let mut out = String::new();
        let mut values = values.iter();
        let mut parts = text.template(self).split("{}");
        out.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let value = values.next().map(ToString::to_string).unwrap_or_default();
            out.push_str(&value);
            agree(&mut out, part, value == "1");
        }
        out
    }
}

/// Appends a part of a text whose words agree with the number before it: of `{one|several}` the first where it is `one`.
fn agree(out: &mut String, part: &str, one: bool) {
    let mut rest = part;
    while let Some((before, choice)) = rest.split_once('{') {
        let Some((words, after)) = choice.split_once('}') else { break };
        out.push_str(before);
        match words.split_once('|') {
            Some((first, several)) => out.push_str(if one { first } else { several }),
            None => out.extend(["{", words, "}"]),
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Fault;

    #[test]
    fn one_is_not_several() {
        let said = |n: u64| Lang::En.fill(crate::texts::Gc::UncollectableFound, &[&n]);
        let mut out = String::new();
        agree(&mut out, " process{|es} {was|were} seen", true);
        agree(&mut out, ", inconsistenc{y|ies} {job}", false);
        assert_eq!(out, " process was seen, inconsistencies {job}");
        assert!(!said(1).contains('{') && said(1) != said(11));
    }

    #[test]
    fn locales() {
        assert_eq!(Lang::from_locale("zh_CN.UTF-8"), Lang::Zh);
        assert_eq!(Lang::from_locale("C.UTF-8"), Lang::En);
        assert_eq!(Lang::from_locale(""), Lang::En);
    }

    #[test]
    fn values_are_filled_in() {
        assert!(Lang::En.fill(Fault::NoSuchProcess, &[&7]).contains("PID 7"));
        assert!(Lang::Zh.fill(Fault::NoSuchProcess, &[&7]).contains('7'));
    }
}
