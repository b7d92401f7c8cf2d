//! What m5 starts in order to measure it goes when m5 goes, however m5 ends: also by SIGKILL, which runs no code of ours.
//!
//! A keeper is a small process in a session of its own that waits on a pipe. When the pipe's other end is closed, it ends the
//! started program with all of its process group, and removes the folder that they had. Before the program is known to the
//! keeper, the kernel itself ends it with us.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::DirBuilder;
use std::io::{self, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The kernel sends this signal to a started program when the thread that starts it ends, also by SIGKILL. The program's own
/// children get none.
pub fn ends_with_us(command: &mut Command, signal: i32) -> &mut Command {
    let us = std::process::id() as i32;
    // SAFETY: the closure makes system calls with numbers alone, which may be done between fork and exec.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0 {
                return Err(io::Error::last_os_error());
            }
            // We may have ended before that was said.
            if libc::getppid() != us {
                libc::_exit(0);
            }
            Ok(())
        })
    }
}

/// What is started in order to be measured: a group of its own, without input, that ends with us.
pub fn measured(command: &mut Command) -> &mut Command {
    ends_with_us(command.stdin(Stdio::null()).process_group(0), libc::SIGKILL)
}

/// A folder for a started program, and who removes both if we cannot.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Closed by our end: the keeper's word.
    pipe: PipeWriter,
    pid: i32,
}

impl Keeper {
    /// Makes the folder, for its owner alone; `files` are the names of all that will lie in it.
    ///
    /// # Errors
    /// Those of the file system, and of starting the keeper.
    pub fn begin(files: &[&str]) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (us, nth, now) =
            (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed), crate::unix_ns() % 1_000_000_000);
        let folder = std::env::temp_dir().join(format!("m5-run-{us}-{nth}-{now}"));
        let files: Vec<PathBuf> = files.iter().map(|name| folder.join(name)).collect();
        let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
        let gone = (path(&folder)?, files.iter().map(|file| path(file)).collect::<io::Result<Vec<_>>>()?);
        let (reader, pipe) = io::pipe()?;
        // Before there is anything to remove: no moment is left out.
        // SAFETY: the child runs nothing but `keep`, which makes system calls with what is there already.
        let pid = match unsafe { libc::fork() } {
            // SAFETY: this is the child.
            0 => unsafe { keep(reader.as_raw_fd(), &gone.0, &gone.1) },
            pid if pid > 0 => pid,
            _ => return Err(io::Error::last_os_error()),
        };
        drop(reader);
        let keeper = Self { folder, files, pipe, pid };
        DirBuilder::new().mode(0o700).create(&keeper.folder)?;
        Ok(keeper)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program that was started, first of its process group; a few of them at most.
    ///
    /// # Errors
    /// Where the keeper is gone.
    pub fn keep(&mut self, pid: u32) -> io::Result<()> {
        self.pipe.write_all(&(pid as i32).to_ne_bytes())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        // What a program left there itself goes too, which the keeper does not know of.
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = self.pipe.write_all(&DONE.to_ne_bytes());
        let mut status = 0;
        // SAFETY: our own child, which nobody else waits for, and which ends now; `status` is a live local.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
    }
}

/// Said instead of a pid: there is nothing left to do.
const DONE: i32 = 0;

/// The keeper's whole life, in the forked child.
///
/// # Safety
/// Only in a child that is about to end: it never returns. It allocates nothing and takes no lock.
unsafe fn keep(pipe: i32, folder: &CString, files: &[CString]) -> ! {
    // SAFETY: plain system calls on numbers, live locals and strings that were made before the fork.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"m5-keeper".as_ptr());
        // Whoever reads what we print waits until nobody has it open any more.
        close_others(pipe);
        let mut programs = [None; 4];
        let mut known = 0;
        loop {
            let mut word = 0i32;
            match libc::read(pipe, (&raw mut word).cast(), size_of::<i32>()) {
                4 if word == DONE => libc::_exit(0),
                4 => {
                    if let Some(place) = programs.get_mut(known) {
                        *place = Some((word, libc::syscall(libc::SYS_pidfd_open, word, 0) as i32));
                        known += 1;
                    }
                }
                _ => break,
            }
        }
        for (pid, pidfd) in programs.into_iter().flatten() {
            end(pid, pidfd);
        }
        for file in files {
            libc::unlink(file.as_ptr());
        }
        // Whoever was ended may have been about to make a file.
        for _ in 0..50 {
            if libc::rmdir(folder.as_ptr()) == 0 || *libc::__errno_location() != libc::ENOTEMPTY {
                break;
            }
            let nap = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            libc::nanosleep(&raw const nap, std::ptr::null_mut());
            for file in files {
                libc::unlink(file.as_ptr());
            }
        }
        libc::_exit(0)
    }
}

/// Ends a group. Its first process may have been ended with us already: its number stays taken for as long as anybody is in
/// the group. Where another process has it, nobody is.
///
/// # Safety
/// As [`keep`].
unsafe fn end(pid: i32, pidfd: i32) {
    // SAFETY: plain system calls on numbers.
    unsafe {
        let none = std::ptr::null::<libc::siginfo_t>();
        let gone = pidfd >= 0 && libc::syscall(libc::SYS_pidfd_send_signal, pidfd, 0, none, 0) != 0;
        let another = gone && libc::kill(pid, 0) == 0;
        if !another {
            libc::kill(-pid, libc::SIGKILL);
        }
    }
}

/// Closes every other descriptor.
///
/// # Safety
/// As [`keep`].
unsafe fn close_others(but: i32) {
    // SAFETY: plain system calls on numbers; nothing of this process uses them any more.
    unsafe {
        let close = |from: i32, to: u32| libc::syscall(libc::SYS_close_range, from, to, 0) == 0;
        if !(close(but + 1, u32::MAX) && (but == 0 || close(0, but as u32 - 1))) {
            let mut most: libc::rlimit = std::mem::zeroed();
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut most);
            for fd in 0..most.rlim_cur.min(65_536) as i32 {
                if fd != but {
                    libc::close(fd);
                }
            }
        }
    }
}
