//! File descriptors by kind: what a leak of descriptors is made of.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a descriptor refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FdKind {
    /// A file, directory or device with a path.
    File,
    /// A socket of any family.
    Socket,
    /// A pipe or FIFO.
    Pipe,
    /// An epoll instance.
    Eventpoll,
    /// Another anonymous inode: eventfd, timerfd, inotify…
    Anon,
    /// A memfd.
    Memfd,
}

impl FdKind {
    /// Its name in documents and labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::Eventpoll => "eventpoll",
            Self::Anon => "anon",
            Self::Memfd => "memfd",
        }
    }
}

/// Descriptors counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FdCounts {
    /// All of them.
    pub total: u64,
    /// By kind.
    pub by_kind: BTreeMap<FdKind, u64>,
    /// Inodes of the sockets, to be looked up in a socket table.
    #[serde(skip)]
    pub socket_inodes: Vec<u64>,
}

impl FdCounts {
    /// Adds the target of one link under `/proc/PID/fd`.
    pub fn add(&mut self, link: &str) {
        self.total += 1;
        *self.by_kind.entry(fd_kind(link)).or_default() += 1;
        if let Some(inode) = socket_inode(link) {
            self.socket_inodes.push(inode);
        }
    }
}

/// The inode of a socket, from the link of its descriptor.
#[must_use]
pub fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// What a descriptor refers to, by its link.
#[must_use]
pub fn fd_kind(link: &str) -> FdKind {
    if link.starts_with('/') {
        return if link.starts_with("/memfd:") { FdKind::Memfd } else { FdKind::File };
    }
    let (head, tail) = link.split_once(':').unwrap_or(("", link));
    match (head, tail) {
        ("socket", _) => FdKind::Socket,
        ("pipe", _) => FdKind::Pipe,
        ("anon_inode", "[eventpoll]") => FdKind::Eventpoll,
        ("anon_inode", _) => FdKind::Anon,
        _ => FdKind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let mut counts = FdCounts::default();
        for link in ["socket:[42]", "pipe:[1]", "anon_inode:[eventpoll]", "/dev/null", "/memfd:x (deleted)"] {
            counts.add(link);
        }
        assert_eq!(counts.total, 5);
        assert_eq!(counts.socket_inodes, [42]);
        assert_eq!(counts.by_kind.len(), 5);
    }
}
