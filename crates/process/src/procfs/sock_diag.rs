//! TCP sockets of m5's own network namespace by netlink: a tenth of what the text in `/proc/net/tcp` costs,
//! which is milliseconds on any machine, however few connections it has. A dump of all connections walks the kernel's
//! whole table of them, which grows with the machine's memory (0.9 ms with 24 GiB); one that is known is found at once, and
//! listening sockets have a small table of their own.
#![allow(unsafe_code)]

use crate::procfs::sockets::{TcpSocket, unmapped};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_HEADER: usize = 16;
const INET_DIAG_REQUEST: usize = 56;
const INET_DIAG_MESSAGE: usize = 72;
const REQUEST: usize = NLMSG_HEADER + INET_DIAG_REQUEST;
/// `struct inet_diag_sockid`: ports, addresses, interface, cookie.
const SOCKET_ID: usize = 48;
const LISTEN: u32 = 1 << 10;
/// Every state but TIME_WAIT and those before a connection: they have no descriptor.
const STATES: u32 = 0xfff & !(1 << 6) & !(1 << 3);
/// Sockets that are asked for at once: so many answers fit into a socket's buffer.
const AT_ONCE: usize = 32;
/// What does not come by then is given up; the caller reads the text instead.
static PATIENCE: libc::timeval = libc::timeval { tv_sec: 1, tv_usec: 0 };

/// One socket, and what the kernel finds it by again.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) inode: u64,
    pub(crate) socket: TcpSocket,
    pub(crate) id: SocketId,
}

/// The name of one socket among all that there ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketId {
    family: u8,
    bytes: [u8; SOCKET_ID],
}

/// An open way to ask.
#[derive(Debug)]
pub(crate) struct SockDiag {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl SockDiag {
    /// Opens it.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { socket: open()?, buffer: vec![0; 32 * 1024] })
    }

    /// Opens it in the network namespace that this file stands for: a thread goes there, and ends.
    pub(crate) fn open_in(namespace: &Path) -> io::Result<Self> {
        let there = File::open(namespace)?;
        let enter = move || {
            move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network))?;
            Self::open()
        };
        let thread = std::thread::Builder::new().name("m5-sockets".to_owned()).spawn(enter)?;
        thread.join().map_err(|_| io::Error::other("the thread that asks for sockets"))?
    }

    /// Tells every TCP socket of this network namespace.
    pub(crate) fn all(&mut self, tell: &mut dyn FnMut(Found)) -> io::Result<()> {
        self.both(STATES, tell)
    }

    /// Tells those that listen.
    pub(crate) fn listening(&mut self, tell: &mut dyn FnMut(Found)) -> io::Result<()> {
        self.both(LISTEN, tell)
    }

    fn both(&mut self, states: u32, tell: &mut dyn FnMut(Found)) -> io::Result<()> {
        self.dump(libc::AF_INET, states, tell)?;
        // A machine without IPv6 refuses that half.
        match self.dump(libc::AF_INET6, states, tell) {
            Err(error) if timed_out(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn dump(&mut self, family: i32, states: u32, tell: &mut dyn FnMut(Found)) -> io::Result<()> {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        let mut request = request(family as u8, flags);
        request[20..24].copy_from_slice(&states.to_ne_bytes());
        self.send(&request)?;
        loop {
            let n = self.receive()?;
            if decode(&self.buffer[..n], tell)? {
                return Ok(());
            }
        }
    }

    /// Tells those of the sockets that are still there.
    pub(crate) fn those(&mut self, ids: &[SocketId], tell: &mut dyn FnMut(Found)) -> io::Result<()> {
        for ids in ids.chunks(AT_ONCE) {
            let mut requests = Vec::with_capacity(ids.len() * REQUEST);
            for id in ids {
                let mut one = request(id.family, libc::NLM_F_REQUEST as u16);
                one[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
                one[REQUEST - SOCKET_ID..].copy_from_slice(&id.bytes);
                requests.extend(one);
            }
            self.send(&requests)?;
            // Each is answered once, in order: by itself, or by an error where it is gone.
            for _ in ids {
                let n = self.receive()?;
                if let Ok(true) = decode(&self.buffer[..n], tell) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: the buffer is as long as is said and outlives the call.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let (fd, room) = (self.socket.as_raw_fd(), &mut self.buffer);
        // SAFETY: as above, and the buffer is exclusively borrowed.
        let n = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) };
        if n <= 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
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

fn request(family: u8, flags: u16) -> [u8; REQUEST] {
    let mut out = [0; REQUEST];
    let length = out.len() as u32;
    out[0..4].copy_from_slice(&length.to_ne_bytes());
    out[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out[6..8].copy_from_slice(&flags.to_ne_bytes());
    (out[16], out[17]) = (family, libc::IPPROTO_TCP as u8);
    out
}

/// Takes the sockets of one packet; `true` when it was the last.
fn decode(mut packet: &[u8], tell: &mut dyn FnMut(Found)) -> io::Result<bool> {
    while packet.len() >= NLMSG_HEADER {
        let length = half(packet, 0) as usize | (half(packet, 2) as usize) << 16;
        let message = packet.get(NLMSG_HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match i32::from(half(packet, 4)) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => return Err(io::ErrorKind::Unsupported.into()),
            _ => {
                if let Some(found) = socket(message) {
                    tell(found);
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
fn socket(message: &[u8]) -> Option<Found> {
    let message: &[u8; INET_DIAG_MESSAGE] = message.get(..INET_DIAG_MESSAGE)?.try_into().ok()?;
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let address: [u8; 16] = message[24..40].try_into().ok()?;
    let ip = match i32::from(message[0]) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        _ => unmapped(Ipv6Addr::from(address)),
    };
    let inode = u32::from_ne_bytes(message[68..72].try_into().ok()?);
    let state = crate::procfs::sockets::STATES.get(usize::from(message[1])).copied()?;
    let socket = TcpSocket { port: port(4), peer: SocketAddr::new(ip, port(6)), state };
    let id = SocketId { family: message[0], bytes: message[4..4 + SOCKET_ID].try_into().ok()? };
    Some(Found { inode: u64::from(inode), socket, id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FdCounts, SocketTable};
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};

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
        let (mut table, mut ids) = (SocketTable::default(), Vec::new());
        let mut diag = SockDiag::open().unwrap();
        diag.all(&mut |found| {
            if inodes.contains(&found.inode) {
                ids.push(found.id);
                table.insert(found.inode, found.socket);
            }
        })
        .unwrap();
        let groups = table.groups(&inodes);
        assert_eq!(groups, text.groups(&inodes));
        assert!(!open.is_empty() && groups.iter().any(|g| g.state == "LISTEN"));
        // By their names the same is found: the listening ones, and the others.
        let mut again = SocketTable::default();
        diag.listening(&mut |found| again.insert(found.inode, found.socket)).unwrap();
        diag.those(&ids, &mut |found| again.insert(found.inode, found.socket)).unwrap();
        assert_eq!(again.groups(&inodes), groups);
        // What was closed is not, nor what took its place.
        drop(open);
        let mut left = 0;
        diag.those(&ids, &mut |found| left += usize::from(inodes.contains(&found.inode))).unwrap();
        assert_eq!(left, 0);
    }

    proptest! {
        #[test]
        fn never_panics(packet in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&packet, &mut |_| ());
        }

        #[test]
        fn never_hangs_on_a_length(length in any::<u32>(), tail in prop::collection::vec(any::<u8>(), 12..200)) {
            let mut packet = length.to_ne_bytes().to_vec();
            packet.extend(tail);
            let _ = decode(&packet, &mut |_| ());
        }
    }
}
