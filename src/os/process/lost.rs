//! What a host that crashed has left running.
//!
//! Its children are not ours: they became orphans of init, or of whoever is above. They are found by the marks in their
//! environment, with all their descendants, and ended before anything new runs. The host's lock must be held: the marks
//! of another living host with the same instance name would look the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    model::id::{Instance, JobId, JobName, RunId},
    os::process::{
        cgroup::{Cgroup, Cgroups},
        marks::{DATA_VARIABLE, Environment, INSTANCE_VARIABLE, RUN_VARIABLE, RunMark},
        procfs::{self, Process, ProcessId},
        tree::{self, Ended},
    },
};

/// A process that an earlier host has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostProcess {
    /// Which process.
    pub process: ProcessId,
    /// Which run it belonged to.
    pub run: RunId,
    /// Which job that was.
    pub job: JobId,
}

/// Finds the processes that an earlier host of this name has left, by their marks: those whose job's data lies below
/// `data_root`. Looks at every process of the machine: some 20 µs each, so call it once, off the runtime's threads.
pub fn lost_processes(data_root: &Path, instance: &Instance) -> Vec<LostProcess> {
    let spared = own_line();
    let others = procfs::all().into_iter().filter(|pid| !spared.contains(pid));
    others.filter_map(|pid| lost_process(pid, data_root, instance)).collect()
}

/// Counts for each of the `unfinished` runs who of it still lives: whoever bears its marks or its number, or is in its
/// cgroup, with all descendants. Looks at every process of the machine, off the runtime's threads.
pub fn count_lost(unfinished: &[RunMark], cgroups: Option<&Cgroups>) -> Vec<usize> {
    let numbers: BTreeMap<u64, usize> = unfinished.iter().enumerate().map(|(at, mark)| (mark.number(), at)).collect();
    if numbers.is_empty() {
        return Vec::new();
    }
    let spared = own_line();
    let mut roots = vec![Vec::new(); unfinished.len()];
    for pid in procfs::all().into_iter().filter(|pid| !spared.contains(pid)) {
        let marked = RunMark::read(&procfs::environment(pid)).map(|mark| mark.number());
        let known = marked.filter(|number| numbers.contains_key(number)).or_else(|| procfs::number(pid));
        if let Some(at) = known.and_then(|number| numbers.get(&number)) {
            roots[*at].push(pid);
        }
    }
    for (number, cgroup) in of_marks(cgroups, &numbers.keys().copied().collect()) {
        roots[numbers[&number]].extend(cgroup.members());
    }
    let count = |roots| tree::closure(roots, None).iter().filter(|id| !spared.contains(&id.pid)).count();
    roots.into_iter().map(count).collect()
}

/// Ends what [`lost_processes`] finds, whoever else belongs to these runs or to the `unfinished` ones that the records
/// know of, and all descendants: asks with SIGTERM when there is a `grace`, then kills.
pub async fn end_lost(
    data_root: &Path,
    instance: &Instance,
    unfinished: &[RunMark],
    cgroups: Option<&Cgroups>,
    grace: Duration,
) -> Ended {
    let numbers = Mutex::new(unfinished.iter().map(RunMark::number).collect::<BTreeSet<_>>());
    let fenced = of_marks(cgroups, &numbers.lock().unwrap_or_else(PoisonError::into_inner));
    let search = || {
        let lost = lost_processes(data_root, instance);
        let marked = lost.iter().map(|lost| lost.process.pid).collect::<Vec<_>>();
        let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.extend(marked.iter().filter_map(|pid| procfs::number(*pid)).filter(RunMark::is_number));
        let inside = fenced.iter().flat_map(|(_, cgroup)| cgroup.members());
        with_descendants(marked.into_iter().chain(inside).collect(), &numbers)
    };
    let mut asked_first = BTreeSet::new();
    if !grace.is_zero() {
        asked_first = search();
        let asked: Vec<Process> = asked_first.iter().filter_map(|id| Process::open(*id)).collect();
        let all_gone = async {
            for process in asked {
                // Refused or gone: the kill below settles it.
                if process.terminate().is_ok() {
                    let _ = process.gone().await;
                }
            }
        };
        let _ = tokio::time::timeout(grace, all_gone).await;
    }
    let ended = tree::end(asked_first, search).await;
    fenced.iter().for_each(|(_, cgroup)| cgroup.remove());
    ended
}

fn of_marks(cgroups: Option<&Cgroups>, numbers: &BTreeSet<u64>) -> Vec<(u64, Cgroup)> {
    cgroups.map(|cgroups| cgroups.of_marks(numbers)).unwrap_or_default()
}

fn lost_process(pid: u32, data_root: &Path, instance: &Instance) -> Option<LostProcess> {
    let environment = procfs::environment(pid);
    let ours = environment.get(INSTANCE_VARIABLE)? == instance.as_str().as_bytes()
        && environment.get_path(DATA_VARIABLE)?.starts_with(data_root);
    let stat = procfs::stat(pid).filter(|stat| ours && stat.is_alive())?;
    let run = RunId::parse(environment.get_text(RUN_VARIABLE)?).ok()?;
    Some(LostProcess { process: tree::id(pid, &stat), run, job: job(&environment)? })
}

fn job(environment: &Environment) -> Option<JobId> {
    let kind = environment.get_text("WEBJOBS_TYPE")?.parse().ok()?;
    let name = JobName::parse(environment.get_text("WEBJOBS_NAME")?).ok()?;
    Some(JobId { kind, name })
}

fn with_descendants(mut roots: Vec<u32>, numbers: &BTreeSet<u64>) -> BTreeSet<ProcessId> {
    let spared = own_line();
    if !numbers.is_empty() {
        let numbered = |pid: &u32| procfs::number(*pid).is_some_and(|number| numbers.contains(&number));
        roots.extend(procfs::all().into_iter().filter(|pid| !spared.contains(pid)).filter(numbered));
    }
    let mut members = tree::closure(roots, None);
    members.retain(|id| !spared.contains(&id.pid));
    members
}

/// Returns ourselves and our ancestors: a host may have been started from within a job, and must not end itself by
/// ending that.
fn own_line() -> BTreeSet<u32> {
    let mut line = BTreeSet::new();
    let mut next = Some(std::process::id());
    while let Some(pid) = next.filter(|pid| *pid != 0) {
        next = line.insert(pid).then(|| procfs::stat(pid)).flatten().map(|stat| stat.parent);
    }
    line
}
