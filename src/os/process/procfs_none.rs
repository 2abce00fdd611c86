//! Stands in for `/proc` on systems without one: nobody is seen, so nobody is signalled but through the group.

use std::{convert::Infallible, io, path::Path};

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

/// A process's state, which is never known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) cpu_ticks: u64,
    pub(super) started: u64,
    pub(super) memory_pages: u64,
}

impl Stat {
    pub(super) fn is_alive(&self) -> bool {
        false
    }
}

pub(super) fn read(_path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn subfolder_count(_folder: &Path) -> Option<u64> {
    None
}

pub(super) const TICKS_PER_SECOND: u64 = 100;

pub(super) fn stat(_pid: u32) -> Option<Stat> {
    None
}

pub(super) fn environment(_pid: u32) -> Environment {
    Environment::default()
}

pub(super) fn cgroup(_pid: u32) -> Option<String> {
    None
}

pub(super) fn number(_pid: u32) -> Option<u64> {
    None
}

pub(super) fn children(_pid: u32) -> Vec<u32> {
    Vec::new()
}

/// Cannot tell.
pub(super) fn children_of_one_thread(_pid: u32) -> Option<Vec<u32>> {
    None
}

pub(super) fn adopted() -> Adopted {
    Adopted { pids: Vec::new(), with_spawned: false }
}

pub(super) struct Adopted {
    pub(super) pids: Vec<u32>,
    pub(super) with_spawned: bool,
}

pub(super) fn all() -> Vec<u32> {
    Vec::new()
}

/// A process that is held on to: there is none.
#[derive(Debug)]
pub(super) struct Process(Infallible);

impl Process {
    pub(super) fn open(_id: ProcessId) -> Option<Self> {
        None
    }

    pub(super) fn kill(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn terminate(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn send(&self, _signal: StopSignal) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) async fn gone(self) -> io::Result<()> {
        match self.0 {}
    }
}
