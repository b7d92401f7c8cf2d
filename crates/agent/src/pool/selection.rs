//! Which processes to watch.

use crate::ServiceNames;
use m5_process::{Identity, Process};

/// A choice of processes. An empty one takes every Python process.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// These and no others.
    pub processes: Vec<Identity>,
    /// Services whose name matches one of these patterns (`*` and `?`).
    pub names: Vec<String>,
}

impl Selection {
    /// The processes that come into question: where some are listed, nobody else on the machine is looked at.
    pub(super) fn candidates(&self) -> m5_process::Result<Vec<i32>> {
        match self.processes.is_empty() {
            true => Process::all_pids(),
            false => Ok(self.processes.iter().map(|identity| identity.pid).collect()),
        }
    }

    pub(super) fn lists(&self, identity: Identity) -> bool {
        self.processes.is_empty() || self.processes.contains(&identity)
    }

    /// Whether a process called so is asked for.
    pub(super) fn fits(&self, names: &ServiceNames) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| names.matches(pattern))
    }
}

/// Whether a name matches a pattern of `*` and `?`.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
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
        assert!(matches("trading-*", "trading-engine") && matches("*", "") && matches("?b*d", "abccd"));
        assert!(!matches("trading-*", "engine") && !matches("?", "") && !matches("a", "ab"));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_any_middle(name in "[a-z]{0,12}", cut in 0usize..12) {
            let cut = cut.min(name.len());
            prop_assert!(matches(&name, &name));
            let starred = format!("{}*{}", &name[..cut], &name[cut..]);
            prop_assert!(matches(&starred, &name));
        }
    }
}
