//! What there is to tell of single processes, for a person who looks for the one that eats the machine.
//!
//! Environments are never read here: they hold secrets.

use std::{fs, io, time::Duration};

use super::{
    procfs::{self, Process, ProcessId, Stat, TICKS_PER_SECOND},
    tree, usage,
};
use crate::model::time::Wall;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Which.
    pub id: ProcessId,
    /// Who started it, or has adopted it.
    pub parent: u32,
    /// The program's name, as the kernel knows it.
    pub name: String,
    /// The program's file, where that may be known.
    pub program: Option<String>,
    /// How it was called.
    pub command_line: Vec<String>,
    /// When it started; `None` where the system does not tell.
    pub started: Option<Wall>,
    /// Processor time, that of children which were waited for included.
    pub cpu: Duration,
    /// Bytes of memory that are in RAM.
    pub memory: u64,
    /// How many threads it has.
    pub n_threads: usize,
    /// How many files it has open; `None` where that may not be known.
    pub n_files: Option<usize>,
}

/// Lists a process and all its descendants, itself first.
pub fn family(leader: u32) -> Vec<u32> {
    let others = tree::closure(procfs::children(leader), Some(leader));
    std::iter::once(leader).chain(others.into_iter().map(|id| id.pid)).collect()
}

/// Returns what there is to tell of a process; `None` when there is none, or where the system does not tell.
pub fn facts(pid: u32) -> Option<ProcessFacts> {
    let stat = procfs::stat(pid)?;
    let below = |name: &str| format!("/proc/{pid}/{name}");
    let text = |name: &str| fs::read(below(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let command_line = text("cmdline").unwrap_or_default();
    Some(ProcessFacts {
        id: tree::id(pid, &stat),
        parent: stat.parent,
        name: text("comm").unwrap_or_default().trim_end().to_owned(),
        program: fs::read_link(below("exe")).ok().map(|path| path.to_string_lossy().into_owned()),
        command_line: command_line.split_terminator('\0').map(str::to_owned).collect(),
        started: started(&stat),
        cpu: usage::cpu(&stat),
        memory: usage::memory(&stat),
        n_threads: fs::read_dir(below("task")).map_or(1, Iterator::count),
        n_files: fs::read_dir(below("fd")).ok().map(Iterator::count),
    })
}

/// Kills one process and nobody else. One that has ended meanwhile is no error.
///
/// # Errors
/// When the system refuses.
pub fn kill_one(id: ProcessId) -> io::Result<()> {
    Process::open(id).map_or(Ok(()), |process| process.kill())
}

fn started(stat: &Stat) -> Option<Wall> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let booted: i64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let since_boot = Duration::from_millis(stat.started * 1000 / TICKS_PER_SECOND);
    Wall::from_second(booted).ok()?.checked_add(since_boot).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn we_can_tell_of_ourselves() {
        let own = facts(std::process::id()).expect("we are here");
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(!own.command_line.is_empty() && own.program.is_some() && own.n_threads > 0, "{own:?}");
        assert!(own.started.expect("known") > Wall::UNIX_EPOCH && own.n_files.expect("ours") > 2);
        assert_eq!(family(std::process::id())[0], std::process::id());
        assert_eq!(facts(0), None);
    }
}
