//! By which names the server may be asked. A page of elsewhere whose name was made to point at this machine (DNS
//! rebinding) reads nothing: its browser sends that name as `Host`.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// A name or address as `--allowed-host` gives it, where it is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no host name: write NAME or NAME:PORT, without scheme and path")]
pub struct HostError(String);

/// One more name by which the server may be asked, with any port or with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    port: Option<u16>,
}

impl std::str::FromStr for AllowedHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (name, port) = parsed(text).ok_or_else(|| HostError(text.to_owned()))?;
        Ok(Self { name, port })
    }
}

/// Why a request is refused before anything else is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It names no host, or more than one.
    Unnamed,
    /// It names one that is not this server's.
    Other,
}

/// The names of a server that listens.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    listen: SocketAddr,
    default_port: u16,
    more: Vec<AllowedHost>,
}

impl Hosts {
    pub(super) fn new(listen: SocketAddr, tls: bool, more: &[AllowedHost]) -> Self {
        Self { listen, default_port: if tls { 443 } else { 80 }, more: more.to_vec() }
    }

    /// Looks at the `Host` header, and at the address in the request line where there is one.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return Err(Foreign::Unnamed) };
        let host = host.to_str().ok().is_some_and(|text| self.permits(text));
        let line = uri.authority().is_none_or(|authority| self.permits(authority.as_str()));
        if host && line { Ok(()) } else { Err(Foreign::Other) }
    }

    fn permits(&self, text: &str) -> bool {
        let Some((name, port)) = parsed(text) else { return false };
        if self.more.iter().any(|m| m.name == name && m.port.is_none_or(|p| p == self.port(port))) {
            return true;
        }
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let own = match bare.parse::<IpAddr>() {
            // An address cannot be made to point elsewhere: whoever listens on all answers to each.
            Ok(ip) => ip.is_loopback() || ip == self.listen.ip() || self.listen.ip().is_unspecified(),
            Err(_) => name == "localhost",
        };
        own && self.port(port) == self.listen.port()
    }

    fn port(&self, given: Option<u16>) -> u16 {
        given.unwrap_or(self.default_port)
    }
}

/// Name in small letters, without a last dot, and the port.
fn parsed(text: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = text.parse().ok()?;
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let port = match text.strip_prefix(authority.host())? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?.parse().ok()?),
    };
    (!name.is_empty()).then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, more: &[&str]) -> Hosts {
        let more: Vec<AllowedHost> = more.iter().map(|m| m.parse().unwrap()).collect();
        Hosts::new(listen.parse().unwrap(), false, &more)
    }

    #[test]
    fn loopback_answers_to_its_own_names_and_port() {
        let here = hosts("127.0.0.1:9464", &[]);
        for own in ["127.0.0.1:9464", "localhost:9464", "LocalHost.:9464", "[::1]:9464"] {
            assert!(here.permits(own), "{own}");
        }
        for foreign in [
            "evil.example:9464",
            "127.0.0.1.evil.example:9464",
            "localhost.evil.example:9464",
            "192.168.0.7:9464",
            "localhost",
            "localhost:1",
            "evil@localhost:9464",
            "localhost:9464x",
            "localhost:",
            "",
            ":9464",
            "[::1",
        ] {
            assert!(!here.permits(foreign), "{foreign}");
        }
        assert!(hosts("127.0.0.1:80", &[]).permits("localhost"));
    }

    #[test]
    fn names_that_were_allowed() {
        let here = hosts("0.0.0.0:9464", &["m5.example", "metrics:8443"]);
        for own in ["m5.example", "M5.Example:1234", "metrics:8443", "10.1.2.3:9464", "localhost:9464"] {
            assert!(here.permits(own), "{own}");
        }
        for foreign in ["metrics:9464", "metrics", "other.m5.example", "10.1.2.3:1", "evil.example:9464"] {
            assert!(!here.permits(foreign), "{foreign}");
        }
        for no_name in ["http://m5.example/", "m5.example/x", "", "a:b", "u@m5.example", "m5 example"] {
            assert!(no_name.parse::<AllowedHost>().is_err(), "{no_name}");
        }
    }
}
