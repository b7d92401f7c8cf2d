//! One process by pid and start time: every reading goes through here, below an injectable `/proc`.

use crate::procfs::cgroup::CGROUPS;
use crate::procfs::held::read_once;
use crate::{
    Cgroup, ConnectionGroup, Error, FdCounts, Identity, LiveMemory, MappedMemory, Mapping, MappingFlags,
    Result, Rollup, SocketTable, Stat, Status, parse_flags, parse_maps, parse_smaps,
};
use std::fs;
use std::path::{Path, PathBuf};

/// A process that exists, or did when it was opened.
#[derive(Debug, Clone)]
pub struct Process {
    proc_root: PathBuf,
    identity: Identity,
}

impl Process {
    /// Opens the process with this pid below `/proc`.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] where there is none.
    pub fn open(pid: i32) -> Result<Self> {
        Self::open_at(Path::new("/proc"), pid)
    }

    /// The same; where its first thread has ended while others go on, by the one of those that came first: the kernel
    /// shows nothing of a process under the number of a thread that has ended, and all of it under that of any other.
    ///
    /// # Errors
    /// As [`Process::open`].
    pub fn open_by_living_thread(pid: i32) -> Result<Self> {
        let process = Self::open(pid)?;
        if process.stat()?.state != 'Z' {
            return Ok(process);
        }
        let others =
            process.threads()?.into_iter().filter(|tid| *tid != pid).filter_map(|tid| Self::open(tid).ok());
        let first = others.filter(Self::alive).min_by_key(|p| (p.identity.start_ticks, p.pid()));
        Ok(first.unwrap_or(process))
    }

    /// The number of its first thread: the pid, unless it was opened by another thread.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended; [`Error::Malformed`] where the kernel does not say.
    pub fn thread_group(&self) -> Result<i32> {
        let status = self.text("status")?;
        let group = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
        group.ok_or_else(|| Error::malformed("status", "no Tgid"))
    }

    /// The same below another procfs root.
    ///
    /// # Errors
    /// As [`Process::open`].
    pub fn open_at(proc_root: &Path, pid: i32) -> Result<Self> {
        let identity = Identity { pid, start_ticks: 0 };
        let mut process = Self { proc_root: proc_root.to_owned(), identity };
        process.identity.start_ticks = process.stat()?.start_ticks;
        Ok(process)
    }

    /// All pids below `/proc`.
    ///
    /// # Errors
    /// [`Error::Io`] where `/proc` cannot be listed.
    pub fn all_pids() -> Result<Vec<i32>> {
        let dir = fs::read_dir("/proc").map_err(|source| Error::Io { what: "/proc".into(), source })?;
        let mut pids: Vec<i32> = dir.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect();
        pids.sort_unstable();
        Ok(pids)
    }

    /// The processes below one, children before their own children.
    ///
    /// # Errors
    /// [`Error::Io`] where `/proc` cannot be listed.
    pub fn descendants(pid: i32) -> Result<Vec<i32>> {
        let parent = |p: i32| Some((p, Self::open(p).ok()?.stat().ok()?.ppid));
        let parents: Vec<(i32, i32)> = Self::all_pids()?.into_iter().filter_map(parent).collect();
        let (mut found, mut next) = (vec![pid], 0);
        while let Some(above) = found.get(next).copied() {
            found.extend(parents.iter().filter(|(p, up)| *up == above && *p != pid).map(|(p, _)| *p));
            next += 1;
        }
        found.remove(0);
        Ok(found)
    }

    /// What the kernel told it that the processor can do (`AT_HWCAP`); `None` where that cannot be read.
    #[must_use]
    pub fn hardware_capabilities(&self) -> Option<u64> {
        self.told_by_the_kernel(16)
    }

    /// Where the sixteen bytes lie that the kernel draws for each execution (`AT_RANDOM`); `None` where that cannot be read.
    pub(crate) fn random_bytes_address(&self) -> Option<u64> {
        self.told_by_the_kernel(25)
    }

    /// An entry of the vector that the kernel gives to a program as it begins.
    fn told_by_the_kernel(&self, entry: u64) -> Option<u64> {
        let auxv = fs::read(self.path("auxv")).ok()?;
        let word = |half: &[u8]| half.try_into().ok().map(u64::from_le_bytes);
        auxv.as_chunks::<16>()
            .0
            .iter()
            .find_map(|pair| (word(&pair[..8]) == Some(entry)).then(|| word(&pair[8..])).flatten())
    }

    /// Its children. Without the kernel's own list (`CONFIG_PROC_CHILDREN`) every process is asked.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended; [`Error::Io`] where the kernel was built without the list of
    /// children.
    pub fn children(&self) -> Result<Vec<i32>> {
        let mut found = Vec::new();
        for tid in self.threads()? {
            match fs::read_to_string(self.path(&format!("task/{tid}/children"))) {
                Ok(text) => found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
                // The main thread is there while the process is: what is missing is the kernel's list.
                Err(_) if tid == self.pid() && self.alive() => {
                    let is_child = |pid: &i32| {
                        Self::open_at(&self.proc_root, *pid)
                            .and_then(|p| p.stat())
                            .is_ok_and(|s| s.ppid == self.pid())
                    };
                    return Ok(Self::all_pids()?.into_iter().filter(is_child).collect());
                }
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Pid and start time.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// The memory of the process while it runs.
    #[must_use]
    pub fn memory(&self) -> LiveMemory {
        LiveMemory::new(self.identity.pid)
    }

    /// Whether it still runs: same start time, not a zombie, and not on the way to be one.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.stat().is_ok_and(|s| s.start_ticks == self.identity.start_ticks && s.runs())
    }

    /// Whether a thread of it goes on beside the one that it was opened by.
    pub(crate) fn has_other_living_threads(&self) -> bool {
        let others = self.threads().unwrap_or_default().into_iter().filter(|tid| *tid != self.pid());
        others.filter_map(|tid| Self::open_at(&self.proc_root, tid).ok()).any(|thread| thread.alive())
    }

    /// `/proc/PID/stat`.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended; [`Error::Malformed`] where the text is not what kernels write.
    /// Every user may read it.
    pub fn stat(&self) -> Result<Stat> {
        Stat::parse(&self.text("stat")?)
    }

    /// `/proc/PID/status`.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended; [`Error::Malformed`] where the text is not what kernels write.
    /// Every user may read it.
    pub fn status(&self) -> Result<Status> {
        Ok(Status::parse(&self.text("status")?))
    }

    /// `/proc/PID/smaps_rollup`: costs milliseconds with the target's mmap lock held.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable); [`Error::Malformed`] as above.
    pub fn rollup(&self) -> Result<Rollup> {
        Rollup::parse(&self.text("smaps_rollup")?)
    }

    /// `/proc/PID/maps`.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable); [`Error::Malformed`] where a line is no mapping.
    pub fn maps(&self) -> Result<Vec<Mapping>> {
        parse_maps(&self.text("maps")?)
    }

    /// File descriptors by kind.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable).
    pub fn fds(&self) -> Result<FdCounts> {
        let mut counts = FdCounts::default();
        self.each_fd_link(|_, link| counts.add(link))?;
        Ok(counts)
    }

    /// Memory by mapping, from `/proc/PID/smaps`: dear, see [`Process::rollup`].
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable).
    pub fn mapped_memory(&self) -> Result<Vec<MappedMemory>> {
        Ok(parse_smaps(&self.text("smaps")?))
    }

    /// What the kernel was told about each mapping, from `/proc/PID/smaps`: dear, see [`Process::rollup`].
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable).
    pub fn mapping_flags(&self) -> Result<Vec<MappingFlags>> {
        Ok(parse_flags(&self.text("smaps")?))
    }

    /// The environment with which it was started. It holds secrets: nothing of it is shown.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended, [`Error::Permission`] without the right to trace it (another
    /// user's, or not dumpable).
    pub fn environment(&self) -> Result<Vec<String>> {
        let text = self.text("environ")?;
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// TCP connections by state and peer, of these socket inodes.
    ///
    /// # Errors
    /// As [`Process::socket_table`].
    pub fn connections(&self, inodes: &[u64]) -> Result<Vec<ConnectionGroup>> {
        Ok(self.socket_table()?.groups(inodes))
    }

    /// The TCP sockets of its network namespace.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended. A kernel without IPv6 has one table less.
    pub fn socket_table(&self) -> Result<SocketTable> {
        let mut table = SocketTable::default();
        table.add(&self.text("net/tcp")?);
        if let Ok(v6) = self.text("net/tcp6") {
            table.add(&v6);
        }
        Ok(table)
    }

    /// The groups that it is in: the text of `/proc/PID/cgroup`, which [`crate::Cgroups`] reads them by.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended. Every user may read it.
    pub fn cgroup_names(&self) -> Result<String> {
        self.text("cgroup")
    }

    /// The memory cgroup, where one can be read.
    #[must_use]
    pub fn cgroup(&self) -> Option<Cgroup> {
        Cgroup::read(&self.cgroup_names().ok()?, Path::new(CGROUPS))
    }

    /// The command line.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended. Every user may read it; that of a zombie or of a kernel thread is
    /// empty.
    pub fn command(&self) -> Result<Vec<String>> {
        let text = self.text("cmdline")?;
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// A file as the process itself sees it, through its root (containers, chroots).
    #[must_use]
    pub fn file_in_root(&self, path: &str) -> PathBuf {
        self.path("root").join(path.trim_start_matches('/'))
    }

    /// The thread ids.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`] once it has ended.
    pub fn threads(&self) -> Result<Vec<i32>> {
        let dir = fs::read_dir(self.path("task")).map_err(|e| Error::from_io(self.pid(), "task", e))?;
        Ok(dir.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).collect())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.proc_root.join(self.identity.pid.to_string()).join(name)
    }

    fn text(&self, name: &str) -> Result<String> {
        let bytes = read_once(&self.path(name)).map_err(|e| Error::from_io(self.pid(), name, e))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself() {
        let me = Process::open(std::process::id() as i32).unwrap();
        assert!(me.alive());
        assert!(me.status().unwrap().rss_bytes.unwrap() > 0);
        assert!(me.fds().unwrap().total >= 3);
        assert!(!me.threads().unwrap().is_empty());
        assert!(me.rollup().unwrap().pss_bytes > 0);
        assert!(me.maps().unwrap().iter().any(|m| m.executable));
    }

    #[test]
    fn no_such_process() {
        assert!(matches!(Process::open(i32::MAX), Err(Error::NoSuchProcess { .. })));
    }
}
