//! A name with its labels, written as in a metrics page: `name{label="value",…}`.

use std::collections::BTreeMap;

/// Bytes that a name with its labels may take, the zero at its end included.
pub(super) const NAME_BYTES: usize = 120;

/// Name and labels; `None` where it is not written so.
pub(super) fn split(text: &str) -> Option<(String, BTreeMap<String, String>)> {
    let (name, rest) = text.split_once('{').map_or((text, None), |(name, rest)| (name, Some(rest)));
    if !identifier(name) {
        return None;
    }
    let mut labels = BTreeMap::new();
    if let Some(rest) = rest {
        let mut rest = rest.strip_suffix('}')?;
        while !rest.is_empty() {
            let (label, tail) = rest.split_once("=\"")?;
            let (value, tail) = quoted(tail)?;
            if !identifier(label) {
                return None;
            }
            labels.insert(label.to_owned(), value);
            rest = if tail.is_empty() { tail } else { tail.strip_prefix(',')? };
        }
    }
    Some((name.to_owned(), labels))
}

fn identifier(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return text.get(at + 1..).map(|tail| (value, tail)),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_hold_anything() {
        let (name, labels) = split(r#"a_b{c="x\"},\\",d="é"}"#).unwrap();
        assert_eq!(name, "a_b");
        assert_eq!((labels["c"].as_str(), labels["d"].as_str()), ("x\"},\\", "é"));
        assert_eq!(split("plain").unwrap().1.len(), 0);
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["", "a b", "1a", "a{", "a{b}", "a{b=\"c}", "a{b=\"c\"x}", "a{1=\"c\"}"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
