//! TCP sockets by state and peer, from the target's own network namespace.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One line of `/proc/PID/net/tcp` or `tcp6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpSocket {
    /// This end's port.
    pub port: u16,
    /// The other end.
    pub peer: SocketAddr,
    /// State by its usual name (`ESTABLISHED`, `CLOSE_WAIT`…).
    pub state: &'static str,
}

/// Connections that share state and peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionGroup {
    /// State by its usual name.
    pub state: String,
    /// Peer as `address:port`, `address:*` where it connected to us; empty for listening sockets.
    pub peer: String,
    /// How many.
    pub count: u64,
}

/// Sockets of a network namespace by inode.
#[derive(Debug, Clone, Default)]
pub struct SocketTable(BTreeMap<u64, TcpSocket>);

impl SocketTable {
    /// Adds the text of a `tcp` or `tcp6` file; lines that do not parse are left out.
    pub fn add(&mut self, text: &str) {
        self.0.extend(text.lines().skip(1).filter_map(line));
    }

    /// Adds one socket.
    pub(crate) fn insert(&mut self, inode: u64, socket: TcpSocket) {
        self.0.insert(inode, socket);
    }

    /// Whether one is in it.
    pub(crate) fn has(&self, inode: u64) -> bool {
        self.0.contains_key(&inode)
    }

    /// Groups the sockets with these inodes by state and peer. Those that were accepted on a listening port
    /// share their peer's address whatever its port: a client picks a new one each time.
    #[must_use]
    pub fn groups(&self, inodes: &[u64]) -> Vec<ConnectionGroup> {
        let mut groups: BTreeMap<(&str, String), u64> = BTreeMap::new();
        let listening: BTreeSet<u16> =
            self.0.values().filter(|s| s.state == "LISTEN").map(|s| s.port).collect();
        for socket in inodes.iter().filter_map(|inode| self.0.get(inode)) {
            let peer = match socket.state {
                "LISTEN" => String::new(),
                _ if listening.contains(&socket.port) => format!("{}:*", host(socket.peer.ip())),
                _ => socket.peer.to_string(),
            };
            *groups.entry((socket.state, peer)).or_default() += 1;
        }
        groups
            .into_iter()
            .map(|((state, peer), count)| ConnectionGroup { state: state.to_owned(), peer, count })
            .collect()
    }
}

pub(crate) const STATES: [&str; 13] = [
    "UNKNOWN",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

fn line(text: &str) -> Option<(u64, TcpSocket)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let state = usize::from_str_radix(fields.get(3)?, 16).ok()?;
    let (port, peer) = (address(fields.get(1)?)?.port(), address(fields.get(2)?)?);
    let socket = TcpSocket { port, peer, state: STATES.get(state).copied()? };
    Some((fields.get(9)?.parse().ok()?, socket))
}

/// An IPv4 address in an IPv6 coat is an IPv4 address.
pub(crate) fn unmapped(ip: Ipv6Addr) -> IpAddr {
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The kernel prints each 32-bit word of an address in host order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Option<Vec<[u8; 4]>> = (0..ip.len() / 8)
        .map(|i| Some(u32::from_str_radix(ip.get(i * 8..i * 8 + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    let ip = match words?.as_slice() {
        [v4] => IpAddr::V4(Ipv4Addr::from(*v4)),
        v6 => {
            let bytes: [u8; 16] = v6.concat().try_into().ok()?;
            unmapped(Ipv6Addr::from(bytes))
        }
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    #[test]
    fn finds_a_connection_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop(server);
        let mut one = [0; 1];
        assert_eq!((&client).read(&mut one).unwrap(), 0);
        let link = std::fs::read_link(format!("/proc/self/fd/{}", client.as_raw_fd())).unwrap();
        let mut fds = crate::FdCounts::default();
        fds.add(link.to_str().unwrap());
        let mut table = SocketTable::default();
        table.add(&std::fs::read_to_string("/proc/self/net/tcp").unwrap());
        let groups = table.groups(&fds.socket_inodes);
        assert_eq!(groups[0].state, "CLOSE_WAIT");
        assert_eq!(groups[0].peer, listener.local_addr().unwrap().to_string());
    }
}
