//! Socket tables shared by the processes of a network namespace: one read serves them all, and what one round found makes
//! the next one cheap.

use super::fds::socket_inode;
use super::sock_diag::{Found, SockDiag, SocketId};
use crate::{ConnectionGroup, Process, Result, SocketTable};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;

/// More sockets than that are not asked for one by one: a dump of all is cheaper.
const MOST: usize = 128;

/// The tables of one moment, and what is known of the sockets from the one before.
#[derive(Debug, Default)]
pub struct SocketTables {
    namespaces: HashMap<PathBuf, Namespace>,
    /// Of namespaces that cannot be entered, by text.
    texts: HashMap<PathBuf, SocketTable>,
    /// The kernel does not let us into another's.
    refused: bool,
}

impl SocketTables {
    /// A round of readings begins: the tables of the last one are old.
    pub fn begin_round(&mut self) {
        self.texts.clear();
        self.namespaces.retain(|_, namespace| namespace.begin_round());
    }

    /// The TCP connections of a process with these socket inodes, by state and peer.
    ///
    /// # Errors
    /// As [`Process::socket_table`].
    pub fn connections(&mut self, process: &Process, inodes: &[u64]) -> Result<Vec<ConnectionGroup>> {
        if inodes.is_empty() {
            return Ok(Vec::new());
        }
        // Where the namespace may not be seen, the process gets a table of its own.
        let key = std::fs::read_link(process.path("ns/net")).unwrap_or_else(|_| process.path("net"));
        if let Some(table) = self.texts.get(&key) {
            return Ok(table.groups(inodes));
        }
        let own = std::fs::read_link("/proc/self/ns/net").is_ok_and(|own| own == key);
        if own || !self.refused {
            let namespace = self.namespaces.entry(key.clone()).or_insert_with(|| Namespace::new(own));
            match namespace.groups(process, inodes) {
                Ok(groups) => return Ok(groups),
                Err(error) => self.refused |= !own && error.kind() == io::ErrorKind::PermissionDenied,
            }
            self.namespaces.remove(&key);
        }
        let table = process.socket_table()?;
        let groups = table.groups(inodes);
        self.texts.insert(key, table);
        Ok(groups)
    }
}

/// The sockets of a network namespace.
#[derive(Debug, Default)]
struct Namespace {
    /// Whether it is ours. Then what asks stays open; in another's it would keep the namespace there after its processes.
    own: bool,
    diag: Option<SockDiag>,
    /// What is true in this round; none before the first question.
    table: Option<SocketTable>,
    /// Whether that is all sockets, or those that listen and those that are known.
    whole: bool,
    /// Names of the connections in the table, by inode; between rounds, of those that processes have.
    names: HashMap<u64, SocketId>,
    /// Sockets of other kinds (of the machine itself, datagrams): no table has them.
    others: HashSet<u64>,
    /// What was asked for in this round.
    asked: HashSet<u64>,
}

impl Namespace {
    fn new(own: bool) -> Self {
        Self { own, ..Self::default() }
    }

    /// What nobody asked for in the last round is forgotten; whether anybody asked for anything.
    fn begin_round(&mut self) -> bool {
        (self.table, self.whole) = (None, false);
        let asked = std::mem::take(&mut self.asked);
        self.names.retain(|inode, _| asked.contains(inode));
        self.names.shrink_to(2 * self.names.len());
        self.others.retain(|inode| asked.contains(inode));
        !asked.is_empty()
    }

    fn groups(&mut self, process: &Process, inodes: &[u64]) -> io::Result<Vec<ConnectionGroup>> {
        self.asked.extend(inodes);
        let mut table = match self.table.take() {
            Some(table) => table,
            None if self.names.is_empty() || self.names.len() > MOST => self.all(process)?,
            None => self.known(process)?,
        };
        if !self.whole && self.strange(&table, inodes).next().is_some() {
            table = self.all(process)?;
        }
        // What is TCP and in no table (not connected yet, or not any more) may come to be in it at any time, and is looked
        // for among all in each round.
        let strange: Vec<u64> = self.strange(&table, inodes).collect();
        if !strange.is_empty() {
            self.others.extend(of_other_kinds(process, &strange));
        }
        let groups = table.groups(inodes);
        self.table = Some(table);
        Ok(groups)
    }

    /// Those that were found nowhere and may be connections.
    fn strange<'a>(&'a self, table: &'a SocketTable, inodes: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
        inodes.iter().copied().filter(|inode| !table.has(*inode) && !self.others.contains(inode))
    }

    fn all(&mut self, process: &Process) -> io::Result<SocketTable> {
        self.whole = true;
        self.names.clear();
        self.read(process, |diag, tell| diag.all(tell))
    }

    /// What listens, and of the connections those that were known.
    fn known(&mut self, process: &Process) -> io::Result<SocketTable> {
        let ids: Vec<SocketId> = std::mem::take(&mut self.names).into_values().collect();
        self.read(process, |diag, mut tell| {
            diag.listening(&mut tell)?;
            diag.those(&ids, &mut tell)
        })
    }

    fn read(
        &mut self,
        process: &Process,
        ask: impl FnOnce(&mut SockDiag, &mut dyn FnMut(Found)) -> io::Result<()>,
    ) -> io::Result<SocketTable> {
        let mut diag = match (self.diag.take(), self.own) {
            (Some(diag), _) => diag,
            (None, true) => SockDiag::open()?,
            (None, false) => SockDiag::open_in(&process.path("ns/net"))?,
        };
        let (mut table, names) = (SocketTable::default(), &mut self.names);
        ask(&mut diag, &mut |found| {
            if found.socket.state != "LISTEN" {
                names.insert(found.inode, found.id);
            }
            table.insert(found.inode, found.socket);
        })?;
        self.diag = self.own.then_some(diag);
        Ok(table)
    }
}

/// Those of a process's sockets that are no TCP, as far as the kernel tells.
fn of_other_kinds(process: &Process, inodes: &[u64]) -> Vec<u64> {
    let mut others = Vec::new();
    let _ = process.each_fd_link(|number, link| {
        let Some(inode) = socket_inode(link).filter(|inode| inodes.contains(inode)) else { return };
        let mut name = [0; 32];
        let path = process.path(&format!("fd/{number}"));
        // The socket itself is not touched: its protocol's name is an attribute of its inode.
        if let Ok(len) = rustix::fs::getxattr(path, "system.sockprotoname", &mut name)
            && !name.get(..len).is_some_and(|name| name.starts_with(b"TCP"))
        {
            others.push(inode);
        }
    });
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FdCounts;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    fn inode(descriptor: &impl AsRawFd) -> u64 {
        let mut fds = FdCounts::default();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).unwrap();
        fds.add(&link.to_string_lossy());
        fds.socket_inodes[0]
    }

    /// Whatever happens to sockets between two rounds, the next one says what a fresh table says.
    #[test]
    fn rounds_say_what_fresh_tables_say() {
        let me = Process::open(std::process::id() as i32).unwrap();
        let mut tables = SocketTables::default();
        let mut same = |inodes: &[u64]| {
            tables.begin_round();
            let said = tables.connections(&me, inodes).unwrap();
            assert_eq!(said, me.connections(inodes).unwrap());
            assert_eq!(said, tables.connections(&me, inodes).unwrap(), "asked twice in a round");
            (said, tables.namespaces.values().any(|n| n.whole))
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (unix, _other) = UnixStream::pair().unwrap();
        let connect = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let (client, server) = connect();
        let mut inodes = vec![inode(&listener), inode(&unix), inode(&client), inode(&server)];
        assert!(same(&inodes).1, "nothing is known yet");
        assert!(!same(&inodes).1, "all are known, and what is no TCP is left out");
        // A new pair.
        let second = connect();
        inodes.extend([inode(&second.0), inode(&second.1)]);
        assert!(same(&inodes).1);
        assert!(!same(&inodes).1);
        // The other end closes: another state of the same socket.
        drop(server);
        inodes.remove(3);
        let (said, whole) = same(&inodes);
        assert!(!whole && said.iter().any(|g| g.state == "CLOSE_WAIT"), "{said:?}");
        // A reset: the descriptor stays and its socket is in no table any more.
        // What is closed with bytes unread is reset.
        (&second.0).write_all(b"x").unwrap();
        second.1.peek(&mut [0]).unwrap();
        inodes.pop();
        drop(second.1);
        same(&inodes);
        same(&inodes);
        // Nothing is kept of what is no longer asked for.
        same(&[inode(&listener)]);
        tables.begin_round();
        assert!(tables.namespaces.values().all(|n| n.names.is_empty() && n.others.is_empty()));
        tables.begin_round();
        assert!(tables.namespaces.is_empty());
    }

    /// Another namespace is entered, and what is said is what its text says; nothing of it stays open.
    #[test]
    fn another_namespace_says_what_its_text_says() {
        const PROGRAM: &str = "import socket, sys\nl = socket.create_server(('127.0.0.1', 0))\n\
            c = socket.create_connection(l.getsockname())\ns = l.accept()\nprint('ready', flush=True)\nsys.stdin.read()";
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && exec python3 -c \"$0\"", PROGRAM]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = spawned else { return println!("left out: no unshare here") };
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line == "ready\n" {
            let process = Process::open(child.id() as i32).unwrap();
            let inodes = process.fds().unwrap().socket_inodes;
            let mut tables = SocketTables::default();
            for _ in 0..3 {
                tables.begin_round();
                let said = tables.connections(&process, &inodes).unwrap();
                assert_eq!(said, process.connections(&inodes).unwrap());
                assert_eq!(said.iter().map(|g| g.count).sum::<u64>(), 3, "{said:?}");
            }
            assert!(tables.refused || tables.namespaces.values().all(|n| !n.own && n.diag.is_none()));
        } else {
            println!("left out: no network of its own can be made here");
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
