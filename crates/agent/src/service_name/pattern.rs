//! Patterns of names.

/// Whether a name matches a pattern of `*` and `?`.
pub(crate) fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        assert!(
            name_matches("trading-*", "trading-engine")
                && name_matches("*", "")
                && name_matches("?b*d", "abccd")
        );
        assert!(!name_matches("trading-*", "engine") && !name_matches("?", "") && !name_matches("a", "ab"));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_any_middle(name in "[a-z]{0,12}", cut in 0usize..12) {
            let cut = cut.min(name.len());
            prop_assert!(name_matches(&name, &name));
            let starred = format!("{}*{}", &name[..cut], &name[cut..]);
            prop_assert!(name_matches(&starred, &name));
        }
    }
}
