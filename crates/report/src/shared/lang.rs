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
            if let Some(value) = values.next() {
                out.push_str(&value.to_string());
            }
            out.push_str(part);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Fault;

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
