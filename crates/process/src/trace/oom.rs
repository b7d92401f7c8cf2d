//! Whom the kernel ends first when memory is used up: m5, not the process that it looks at.
//!
//! The score counts as much as the limit: whoever holds more than that beside m5 (file pages count, which others may
//! have brought in) goes first all the same. So m5 asks for room before anything else: [`crate::Headroom::check_own`].

use std::fs;

const OWN: &str = "/proc/self/oom_score_adj";

/// While it lives, the kernel ends m5 before any other process of its group or machine.
#[derive(Debug)]
pub struct FirstVictim(Option<String>);

impl FirstVictim {
    /// Offers m5. Where the kernel refuses, nothing changes.
    #[must_use]
    pub fn begin() -> Self {
        let before = fs::read_to_string(OWN).ok().filter(|b| b.trim() != "1000");
        Self(before.filter(|_| fs::write(OWN, "1000").is_ok()))
    }
}

impl Drop for FirstVictim {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = fs::write(OWN, before.trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_before_afterwards() {
        let before = fs::read_to_string(OWN).unwrap();
        {
            let _first = FirstVictim::begin();
            assert_eq!(fs::read_to_string(OWN).unwrap().trim(), "1000");
        }
        assert_eq!(fs::read_to_string(OWN).unwrap(), before);
    }
}
