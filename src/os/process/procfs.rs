//! What the kernel tells about processes under `/proc`, and the one safe way to signal a single one.
//!
//! A pid is only a number that may be somebody else's tomorrow. [`ProcessId`] adds the start time, and [`Process`] a
//! descriptor that the kernel ties to one process: signals go through it and reach that process or nobody.

use std::{
    cell::OnceCell,
    fs,
    io::{self, Read},
    mem,
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::Path,
    str::FromStr,
};

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::marks::Environment;
use crate::model::exit::StopSignal;

/// A process that cannot be mistaken for another: its pid and when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub started: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    state: u8,
    pub(super) parent: u32,
    pub(super) group: u32,
    /// Its own and its reaped children's, in ticks.
    pub(super) cpu_ticks: u64,
    /// What of its memory is in RAM.
    pub(super) memory_pages: u64,
    pub(super) started: u64,
}

impl Stat {
    /// Tells whether it still runs: neither a zombie nor gone.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Ticks a second in `/proc`: the same on every architecture that Rust's tier 1 and 2 know.
pub(super) const TICKS_PER_SECOND: u64 = 100;

/// How often a list of children is read that changes all the time.
const READS_MAX: usize = 20;

/// Reads the state of a process; `None` when there is none, or none that we may see.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&read(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads the environment a process was started with; empty when it may not be read.
pub(super) fn environment(pid: u32) -> Environment {
    Environment(read(format!("/proc/{pid}/environ")).unwrap_or_default())
}

/// Reads which cgroup of the second version a process is in.
pub(super) fn cgroup(pid: u32) -> Option<String> {
    let memberships = read(format!("/proc/{pid}/cgroup")).ok()?;
    let memberships = String::from_utf8(memberships).ok()?;
    memberships.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// Reads the number that marks a process as one of a run.
pub(super) fn number(pid: u32) -> Option<u64> {
    parse_number(&read(format!("/proc/{pid}/limits")).ok()?)
}

/// Lists the children of a process, by whichever of its threads started them. Costs some 10 µs.
pub(super) fn children(pid: u32) -> Vec<u32> {
    if let Some(list) = children_of_one_thread(pid) {
        return list;
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match children_file(&thread.path().join("children")) {
            Ok(list) => found.extend(list),
            // Either the thread has just ended, or the kernel is built without these files.
            Err(_) if Path::new("/proc/thread-self/children").exists() => {}
            Err(_) => return children_by_search(pid),
        }
    }
    found
}

/// Lists the children of a process that has one thread, as most have: then there is no list of threads to read, and no thread
/// whose children may go to another's list meanwhile.
pub(super) fn children_of_one_thread(pid: u32) -> Option<Vec<u32>> {
    let is_alone = subfolder_count(Path::new(&format!("/proc/{pid}/task"))) == Some(1);
    let path = format!("/proc/{pid}/task/{pid}/children");
    is_alone.then(|| children_file(Path::new(&path)).ok()).flatten()
}

/// Lists the processes that the kernel made our children because their parents are gone: those of the first thread,
/// since children we start are listed with the thread that starts them. Costs one short call when there are none.
pub(super) fn adopted() -> Adopted {
    let own = std::process::id();
    let list = OWN_CHILDREN.try_with(|kept| {
        let file = match kept.get() {
            Some(file) => file,
            None => {
                let opened = fs::File::open(format!("/proc/self/task/{own}/children"))?;
                kept.get_or_init(|| opened)
            }
        };
        children_in(|| read_again(file))
    });
    match list {
        Ok(Ok(list)) => Adopted { pids: list, with_spawned: false },
        // Also where the thread is about to end.
        Ok(Err(_)) | Err(_) => Adopted { pids: children_by_search(own), with_spawned: true },
    }
}

thread_local! {
    /// Kept open, for every run's end looks: 0.3 µs to read it, 4.2 with opening and closing. One for each thread: a thread
    /// with a table of files of its own leaves the host's before it looks for the first time, see [`super::apart`].
    static OWN_CHILDREN: OnceCell<fs::File> = const { OnceCell::new() };
}

/// What [`adopted`] found.
pub(super) struct Adopted {
    pub(super) pids: Vec<u32>,
    /// The kernel could not tell orphans from children that we are just starting.
    pub(super) with_spawned: bool,
}

/// Lists every process of the machine that we may see.
pub(super) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn children_by_search(parent: u32) -> Vec<u32> {
    all().into_iter().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

fn children_file(path: &Path) -> io::Result<Vec<u32>> {
    children_in(|| read(path))
}

/// Reads a list of children. The kernel makes it one by one and may leave out some when another is reaped meanwhile, so
/// a list that is not empty counts when it is read twice alike.
fn children_in(read: impl Fn() -> io::Result<Vec<u8>>) -> io::Result<Vec<u32>> {
    let mut list = read()?;
    for _ in 0..READS_MAX {
        let last = if list.is_empty() { break } else { mem::replace(&mut list, read()?) };
        if last == list {
            break;
        }
    }
    Ok(list.split(|byte| *byte == b' ').filter_map(number_in).collect())
}

/// Counts the folders in a folder of `/proc` or of cgroups without reading it: each links to it, and it has two links of
/// its own. `None` where links are not counted so.
pub(super) fn subfolder_count(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok()?.nlink().checked_sub(2)
}

/// Reads a small file of `/proc` with few system calls: their length is not known beforehand.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1024);
    // A file itself would be asked for its size and position first, which say nothing here.
    fs::File::open(path)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file of `/proc` from its beginning: the kernel writes it anew for that.
fn read_again(file: &fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Most lists are shorter, and what lies within one reading is of one moment.
    let mut block = [0; 4096];
    loop {
        match file.read_at(&mut block, bytes.len() as u64) {
            Ok(0) => return Ok(bytes),
            Ok(n) => bytes.extend_from_slice(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    // The second field is the program's name in parentheses, which may hold anything, parentheses too.
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    let fields: Vec<&[u8]> = text.get(name_end + 2..)?.split(|byte| *byte == b' ').collect();
    let cpu_ticks = (11..15).filter_map(|at| number_in::<u64>(fields.get(at)?)).sum();
    Some(Stat {
        state: *fields.first()?.first()?,
        parent: number_in(fields.get(1)?)?,
        group: number_in(fields.get(2)?)?,
        cpu_ticks,
        started: number_in(fields.get(19)?)?,
        memory_pages: fields.get(21).and_then(|field| number_in(field)).unwrap_or(0),
    })
}

fn parse_number(limits: &[u8]) -> Option<u64> {
    let mut lines = limits.split(|byte| *byte == b'\n');
    let values = lines.find_map(|line| line.strip_prefix(b"Max file locks"))?;
    number_in(values.split(|byte| *byte == b' ').filter(|field| !field.is_empty()).nth(1)?)
}

fn number_in<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// A living process that is held on to by a descriptor.
#[derive(Debug)]
pub(super) struct Process {
    fd: OwnedFd,
}

impl Process {
    /// Takes hold of a process; `None` when it is not, or no longer, that very one, or a zombie.
    pub(super) fn open(id: ProcessId) -> Option<Self> {
        let fd = pidfd(id.pid).ok()?;
        // Looked at after the descriptor is open: if it is this one now, the descriptor is of this one.
        let same = stat(id.pid).is_some_and(|stat| stat.is_alive() && stat.started == id.started);
        same.then_some(Self { fd })
    }

    /// Kills it. A process that has ended meanwhile is no error.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Asks it to end. A process that has ended meanwhile is no error.
    pub(super) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends it any signal. A process that has ended meanwhile is no error.
    pub(super) fn send(&self, signal: StopSignal) -> io::Result<()> {
        self.signal(Signal::from_named_raw(signal.number()).ok_or(io::ErrorKind::InvalidInput)?)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended; a zombie has.
    pub(super) async fn gone(self) -> io::Result<()> {
        let _ = crate::os::readiness::register(self.fd)?.readable().await?;
        Ok(())
    }
}

/// Opens a descriptor that becomes readable when the process ends.
pub(super) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = super::exits::to_pid(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_traps_does_not_disturb_the_fields() {
        let text = b"42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 12345 0 0";
        let stat = parse_stat(text).expect("fields");
        assert_eq!((stat.parent, stat.group, stat.cpu_ticks, stat.started), (7, 42, 10, 12345));
        assert!(stat.is_alive());
        assert_eq!(parse_stat(b"42 (cut"), None);
    }

    #[test]
    fn the_number_of_a_run_is_its_hard_limit() {
        let limits = |soft: &str, hard: &str| {
            let line = format!("Max file locks            {soft:<20} {hard:<20} locks     ");
            format!("Limit                     Soft Limit           Hard Limit           Units     \n{line}\n")
                .into_bytes()
        };
        assert_eq!(parse_number(&limits("7", "4611686018427387905")), Some(4_611_686_018_427_387_905));
        assert_eq!(parse_number(&limits("unlimited", "unlimited")), None);
        assert_eq!(parse_number(b""), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "two bare programs, ended by their handles")]
    fn the_children_of_every_thread_are_found() {
        let child = duct::cmd!("sleep", "60").start().expect("a child");
        // The tests run in threads besides the first: this child is not in the first one's list.
        assert!(children(std::process::id()).contains(&child.pids()[0]));
        child.kill().expect("it is ours");
        let script = "sleep 60 & echo started; wait";
        let parent = duct::cmd!("sh", "-c", script).unchecked();
        let mut line = [0; 8];
        let reader = parent.reader().expect("a program of one thread");
        (&reader).read_exact(&mut line).expect("its line");
        let found = children(reader.pids()[0]);
        assert_eq!(found.len(), 1, "its only child");
        let id = stat(found[0]).map(|stat| ProcessId { pid: found[0], started: stat.started });
        let _ = id.and_then(Process::open).map(|child| child.kill());
        reader.kill().expect("it is ours");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a bare program, ended by its handle")]
    fn a_list_that_stays_open_is_read_anew() {
        let list = fs::File::open("/proc/thread-self/children").expect("a list");
        let children = || children_in(|| read_again(&list)).expect("what it says");
        assert!(children().is_empty());
        let child = duct::cmd!("sleep", "60").unchecked().start().expect("a child");
        assert_eq!(children(), child.pids());
        child.kill().and_then(|()| child.wait().map(drop)).expect("it is ours");
        assert!(children().is_empty());
    }

    #[test]
    fn a_long_list_is_read_whole_and_from_its_beginning_each_time() {
        let text = "12345 ".repeat(2000);
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), &text).expect("written");
        for _ in 0..2 {
            assert_eq!(read_again(file.as_file()).expect("its text"), text.as_bytes());
        }
        assert_eq!(children_in(|| read_again(file.as_file())).expect("a list").len(), 2000);
    }

    #[test]
    fn we_find_ourselves() {
        let own = stat(std::process::id()).expect("our own state");
        assert!(own.is_alive());
        assert!(children_by_search(own.parent).contains(&std::process::id()));
        assert!(Process::open(ProcessId { pid: std::process::id(), started: own.started }).is_some());
        assert!(Process::open(ProcessId { pid: std::process::id(), started: own.started + 1 }).is_none());
    }
}
