//! Who may read: anybody on loopback; beyond it, whoever knows the token or the password.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why the exporter does not start.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Reachable from other machines without a secret or without encryption.
    #[error(
        "{listen} is reachable from other machines: give --token-file or --basic-auth-file and --tls-cert/--tls-key, \
         or listen on 127.0.0.1, or accept the risk with --insecure"
    )]
    Open {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The file with the secret could not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file with the secret has nothing usable in it.
    #[error("{path} holds no {what}")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
}

/// The `Authorization` header values that open the door; none: it stands open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    allowed: Vec<String>,
}

impl Access {
    /// Reads the secrets from files: a token on one line; `user:password`, one a line.
    ///
    /// # Errors
    /// Where a file cannot be read or is empty.
    pub fn from_files(token: Option<&Path>, basic: Option<&Path>) -> Result<Self, AccessError> {
        let mut allowed = Vec::new();
        if let Some(path) = token {
            let text = secret(path)?;
            let token = text.trim();
            if token.is_empty() {
                return Err(AccessError::Empty { path: path.to_owned(), what: "token" });
            }
            allowed.push(format!("Bearer {token}"));
        }
        if let Some(path) = basic {
            let text = secret(path)?;
            let users = text.lines().map(str::trim).filter(|l| l.contains(':'));
            let before = allowed.len();
            allowed.extend(users.map(|user| format!("Basic {}", BASE64_STANDARD.encode(user))));
            if allowed.len() == before {
                return Err(AccessError::Empty { path: path.to_owned(), what: "user:password" });
            }
        }
        Ok(Self { allowed })
    }

    /// Refuses an address beyond loopback unless there are a secret and encryption.
    ///
    /// # Errors
    /// [`AccessError::Open`].
    pub fn check(&self, listen: SocketAddr, tls: bool, insecure: bool) -> Result<(), AccessError> {
        let safe = listen.ip().is_loopback() || insecure || (tls && !self.allowed.is_empty());
        if safe { Ok(()) } else { Err(AccessError::Open { listen }) }
    }

    /// Whether a request with this `Authorization` header may pass.
    #[must_use]
    pub fn permits(&self, header: Option<&str>) -> bool {
        self.allowed.is_empty()
            || header.is_some_and(|given| {
                // Every secret is compared in whole, so that the time tells nothing of which one came near.
                self.allowed.iter().fold(false, |ok, one| ok | same(one.as_bytes(), given.as_bytes()))
            })
    }
}

fn secret(path: &Path) -> Result<String, AccessError> {
    fs::read_to_string(path).map_err(|source| AccessError::Unreadable { path: path.to_owned(), source })
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_needs_secret_and_encryption() {
        let open = Access::default();
        let closed = Access { allowed: vec!["Bearer x".into()] };
        let loopback = "127.0.0.1:1".parse().unwrap();
        let world = "0.0.0.0:1".parse().unwrap();
        assert!(open.check(loopback, false, false).is_ok());
        assert!(open.check(world, true, false).is_err());
        assert!(closed.check(world, false, false).is_err());
        assert!(closed.check(world, true, false).is_ok());
        assert!(open.check(world, false, true).is_ok());
    }

    #[test]
    fn only_the_whole_secret_opens() {
        let access = Access { allowed: vec!["Bearer abc".into(), "Basic dTpw".into()] };
        assert!(access.permits(Some("Bearer abc")) && access.permits(Some("Basic dTpw")));
        assert!(!access.permits(Some("Bearer ab")) && !access.permits(None) && !access.permits(Some("")));
        assert!(Access::default().permits(None));
    }

    #[test]
    fn files() {
        let dir = std::env::temp_dir().join(format!("m5-access-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("basic");
        fs::write(&file, "# users\nu:p\n").unwrap();
        let access = Access::from_files(None, Some(&file)).unwrap();
        fs::write(&file, "\n").unwrap();
        let empty = Access::from_files(Some(&file), None);
        fs::remove_dir_all(&dir).unwrap();
        assert!(access.permits(Some("Basic dTpw")));
        assert!(matches!(empty, Err(AccessError::Empty { .. })));
    }
}
