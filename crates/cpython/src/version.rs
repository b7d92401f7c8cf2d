//! A version as `PY_VERSION_HEX` writes it.

use std::fmt;

/// Major, minor, micro, release level and serial in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

impl Version {
    /// The major version, 3.
    #[must_use]
    pub fn major(self) -> u32 {
        self.0 >> 24
    }

    /// The minor version.
    #[must_use]
    pub fn minor(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    /// The micro version.
    #[must_use]
    pub fn micro(self) -> u32 {
        self.0 >> 8 & 0xff
    }

    /// Reads a version as `sys.version` writes it, `3.9.18` or `3.11.0rc1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end_matches('+').splitn(3, '.');
        let major: u32 = parts.next()?.parse().ok()?;
        let minor: u32 = parts.next()?.parse().ok()?;
        let last = parts.next()?;
        let end = last.find(|c: char| !c.is_ascii_digit()).unwrap_or(last.len());
        let (micro, level) = last.split_at(end);
        let micro: u32 = micro.parse().ok()?;
        let (level, serial) = match level {
            "" => (0xf, "0"),
            _ => {
                let kinds = [("rc", 0xc), ("a", 0xa), ("b", 0xb)];
                kinds.iter().find_map(|(name, value)| Some((*value, level.strip_prefix(name)?)))?
            }
        };
        let serial: u32 = serial.parse().ok()?;
        let fits = major < 256 && minor < 256 && micro < 256 && serial < 16;
        fits.then_some(Self(major << 24 | minor << 16 | micro << 8 | level << 4 | serial))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.micro())?;
        let serial = self.0 & 0xf;
        match self.0 >> 4 & 0xf {
            0xa => write!(f, "a{serial}"),
            0xb => write!(f, "b{serial}"),
            0xc => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_the_interpreters_own() {
        for (hex, name) in [(0x030b_00c1, "3.11.0rc1"), (0x0308_12f0, "3.8.18"), (0x030f_00a7, "3.15.0a7")] {
            assert_eq!(Version(hex).to_string(), name);
            assert_eq!(Version::parse(name), Some(Version(hex)));
        }
        assert_eq!(Version::parse("3.9"), None);
        assert_eq!(Version::parse("3.9.18+"), Version::parse("3.9.18"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = Version::parse(&text);
        }
    }
}
