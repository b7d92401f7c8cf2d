//! What may be shown of a heap: heaps hold API keys.
//!
//! Names that a programmer wrote (identifiers) are shown. Everything else, and whatever looks like a token
//! although it is shaped like an identifier, is replaced by a tag that is stable within one run of m5 only,
//! so that nobody can try guesses against it.

use std::hash::{BuildHasher, RandomState};

/// Longest name that is shown.
const LONGEST: usize = 48;

/// Decides what leaves the machine.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    contents: bool,
    salt: RandomState,
}

impl Redaction {
    /// Hides contents unless they were asked for.
    #[must_use]
    pub fn new(contents: bool) -> Self {
        Self { contents, salt: RandomState::new() }
    }

    /// An attribute name or a key as it may be shown.
    #[must_use]
    pub fn name(&self, raw: &str) -> String {
        if self.contents {
            return raw.escape_debug().to_string();
        }
        if is_plain_name(raw) {
            return raw.to_owned();
        }
        format!("#{:06x}", self.salt.hash_one(raw) & 0xff_ffff)
    }
}

/// Whether a text is a name that a programmer wrote: an identifier (dots allowed), a short number or the
/// name of a type in angle brackets, and no token.
#[must_use]
pub fn is_plain_name(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    let allowed = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if inner.is_empty() || inner.chars().count() > LONGEST || !inner.chars().all(allowed) {
        return false;
    }
    if inner.bytes().all(|b| b.is_ascii_digit()) {
        return inner.len() <= 6;
    }
    !inner.starts_with(|c: char| c.is_ascii_digit()) && !looks_like_a_token(inner)
}

/// Tokens change between letters and digits, or carry long runs of digits or mixed case; names seldom do.
fn looks_like_a_token(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let pairs = || text.as_bytes().windows(2);
    let changes = pairs().filter(|p| p[0].is_ascii_digit() != p[1].is_ascii_digit()).count();
    let humps = pairs().filter(|p| p[0].is_ascii_uppercase() && p[1].is_ascii_lowercase()).count();
    digits > 6 || changes > 4 || (digits > 0 && humps > 3 && text.len() > 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_shown_and_secrets_are_not() {
        for name in
            ["history", "_cache", "tb_next", "BTCUSDT", "app.feed", "md5", "utf_8", "<tuple>", "42", "价格"]
        {
            assert!(is_plain_name(name), "{name}");
        }
        for secret in [
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "AKIAIOSFODNN7EXAMPLE1234567",
            "alice@example.com",
            "4111111111111111",
            "hello world",
            "",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
        ] {
            assert!(!is_plain_name(secret), "{secret}");
            let shown = Redaction::new(false).name(secret);
            assert!(shown.starts_with('#') && shown.len() == 7, "{shown}");
        }
        assert_eq!(Redaction::new(true).name("a\nb"), "a\\nb");
    }

    proptest! {
        #[test]
        fn what_is_hidden_leaves_no_trace(text in ".{0,80}") {
            let shown = Redaction::new(false).name(&text);
            prop_assert!(shown == text || (shown.starts_with('#') && shown.len() == 7));
        }
    }
}
