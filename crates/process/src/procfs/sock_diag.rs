//! TCP sockets of m5's own network namespace by netlink: a tenth of what the text in `/proc/net/tcp` costs,
//! which is milliseconds on any machine, however few connections it has.
#![allow(unsafe_code)]

use crate::procfs::sockets::{SocketTable, TcpSocket, unmapped};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_HEADER: usize = 16;
const INET_DIAG_REQUEST: usize = 56;
const INET_DIAG_MESSAGE: usize = 72;
/// Every state but TIME_WAIT and those before a connection: they have no descriptor.
const STATES: u32 = 0xfff & !(1 << 6) & !(1 << 3);
/// A dump that does not end by then is given up; the caller reads the text instead.
static PATIENCE: libc::timeval = libc::timeval { tv_sec: 1, tv_usec: 0 };

/// Every TCP socket of this network namespace.
pub(crate) fn table() -> io::Result<SocketTable> {
    let socket = open()?;
    let (mut table, mut room) = (SocketTable::default(), vec![0; 32 * 1024]);
    dump(&socket, libc::AF_INET, &mut table, &mut room)?;
    // A machine without IPv6 refuses that half.
    let _ = dump(&socket, libc::AF_INET6, &mut table, &mut room);
    Ok(table)
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: plain system calls; the descriptor is new and owned by nobody else.
    let fd = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let size = size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the option's value is a timeval that outlives the call.
    unsafe {
        let value = (&raw const PATIENCE).cast();
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, value, size);
    }
    Ok(fd)
}

fn dump(socket: &OwnedFd, family: i32, table: &mut SocketTable, buffer: &mut [u8]) -> io::Result<()> {
    let request = request(family);
    // SAFETY: the buffer is as long as is said and outlives the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        // SAFETY: as above, and the buffer is exclusively borrowed.
        let n = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        if n <= 0 {
            return Err(io::Error::last_os_error());
        }
        if decode(&buffer[..n as usize], table)? {
            return Ok(());
        }
    }
}

fn request(family: i32) -> [u8; NLMSG_HEADER + INET_DIAG_REQUEST] {
    let mut out = [0; NLMSG_HEADER + INET_DIAG_REQUEST];
    let length = out.len() as u32;
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    out[0..4].copy_from_slice(&length.to_ne_bytes());
    out[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out[6..8].copy_from_slice(&flags.to_ne_bytes());
    (out[16], out[17]) = (family as u8, libc::IPPROTO_TCP as u8);
    out[20..24].copy_from_slice(&STATES.to_ne_bytes());
    out
}

/// Takes the sockets of one packet; `true` when it was the last.
fn decode(mut packet: &[u8], table: &mut SocketTable) -> io::Result<bool> {
    while packet.len() >= NLMSG_HEADER {
        let length = half(packet, 0) as usize | (half(packet, 2) as usize) << 16;
        let message = packet.get(NLMSG_HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match i32::from(half(packet, 4)) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => return Err(io::ErrorKind::Unsupported.into()),
            _ => {
                if let Some((inode, socket)) = socket(message) {
                    table.insert(inode, socket);
                }
            }
        }
        packet = packet.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// `struct inet_diag_msg`.
fn socket(message: &[u8]) -> Option<(u64, TcpSocket)> {
    let message: &[u8; INET_DIAG_MESSAGE] = message.get(..INET_DIAG_MESSAGE)?.try_into().ok()?;
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let address: [u8; 16] = message[24..40].try_into().ok()?;
    let ip = match i32::from(message[0]) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        _ => unmapped(Ipv6Addr::from(address)),
    };
    let inode = u32::from_ne_bytes(message[68..72].try_into().ok()?);
    let state = crate::procfs::sockets::STATES.get(usize::from(message[1])).copied()?;
    Some((u64::from(inode), TcpSocket { port: port(4), peer: SocketAddr::new(ip, port(6)), state }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FdCounts;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    /// Of these descriptors only: other tests of this process open and close sockets meanwhile.
    fn inodes(descriptors: &[i32]) -> Vec<u64> {
        let mut fds = FdCounts::default();
        for fd in descriptors {
            fds.add(&std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().to_string_lossy());
        }
        fds.socket_inodes
    }

    #[test]
    fn says_what_the_text_says() {
        let mut open = Vec::new();
        for host in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let port = listener.local_addr().unwrap().port();
            let to =
                if host.starts_with("[::1]") { format!("[::1]:{port}") } else { format!("127.0.0.1:{port}") };
            let client = TcpStream::connect(to).unwrap();
            let server = listener.accept().unwrap().0;
            open.push((listener, client, server));
        }
        let text = crate::Process::open(std::process::id() as i32).unwrap().socket_table().unwrap();
        let own =
            |(l, c, s): &(TcpListener, TcpStream, TcpStream)| [l.as_raw_fd(), c.as_raw_fd(), s.as_raw_fd()];
        let inodes = inodes(&open.iter().flat_map(own).collect::<Vec<_>>());
        let groups = table().unwrap().groups(&inodes);
        assert_eq!(groups, text.groups(&inodes));
        assert!(!open.is_empty() && groups.iter().any(|g| g.state == "LISTEN"));
    }

    proptest! {
        #[test]
        fn never_panics(packet in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&packet, &mut SocketTable::default());
        }

        #[test]
        fn never_hangs_on_a_length(length in any::<u32>(), tail in prop::collection::vec(any::<u8>(), 12..200)) {
            let mut packet = length.to_ne_bytes().to_vec();
            packet.extend(tail);
            let _ = decode(&packet, &mut SocketTable::default());
        }
    }
}
