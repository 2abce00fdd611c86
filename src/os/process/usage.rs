//! What the processes of a run use: memory now, processor time so far.
//!
//! Read by pid, and only read: a pid that has become somebody else's gives a wrong number once, and harms nobody.

use std::time::Duration;

use super::{
    procfs::{self, Stat, TICKS_PER_SECOND},
    tree,
};

/// What processes use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory that are in RAM; what several processes share is counted with each.
    pub memory: u64,
    /// Processor time, that of children which were waited for included.
    pub cpu: Duration,
}

/// Returns what a run's leader and all its descendants use; `None` when there is no such process, or where the system
/// does not tell. Those who left their parents are not seen. Costs some 20 µs a process.
pub fn usage(leader: u32) -> Option<Usage> {
    let own = procfs::stat(leader)?;
    let others = tree::closure(procfs::children(leader), Some(leader));
    let all = others.iter().filter_map(|id| procfs::stat(id.pid)).chain([own]);
    Some(
        all.fold(Usage::default(), |sum, stat| Usage { memory: sum.memory + memory(&stat), cpu: sum.cpu + cpu(&stat) }),
    )
}

/// Returns the processor time of a process and of its children that were waited for.
pub(super) fn cpu(stat: &Stat) -> Duration {
    Duration::from_millis(stat.cpu_ticks * 1000 / TICKS_PER_SECOND)
}

/// Returns the memory of a process that is in RAM, in bytes.
#[cfg(unix)]
pub(super) fn memory(stat: &Stat) -> u64 {
    stat.memory_pages * rustix::param::page_size() as u64
}

/// Returns the memory of a process that is in RAM, in bytes; it is not known here.
#[cfg(not(unix))]
pub(super) fn memory(_stat: &Stat) -> u64 {
    0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn we_use_memory_and_a_process_that_is_not_there_uses_nothing() {
        let own = usage(std::process::id()).expect("we are here");
        assert!(own.memory > 1024 * 1024, "{own:?}");
        assert_eq!(usage(0), None);
    }
}
