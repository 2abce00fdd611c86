//! Hidden folders beside a job's, for what is on its way in or out, and what a crash left of them.
//!
//! ```text
//! .{job}.new-{pid}-{n}-{instance}    laid out, and not in its place yet
//! .{job}.old-{pid}-{n}-{instance}    the version before, while the new one takes its place
//! .{job}.gone-{pid}-{n}-{instance}   deleted
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tracing::{info, warn};

use crate::{
    host::instances,
    model::id::{Instance, JobKind},
    os::machine,
    store::layout::Layout,
};

/// What lies in a hidden folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What shall take the job's place.
    New,
    /// What was in the job's place, and belongs there while nothing else is.
    Old,
    /// What was deleted.
    Gone,
}

impl Role {
    const ALL: [Self; 3] = [Self::New, Self::Old, Self::Gone];

    fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Gone => "gone",
        }
    }
}

/// Names a hidden folder beside a job's that nobody else has.
pub fn beside(folder: &Path, role: Role, instance: &Instance) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{}-{}-{number}-{instance}", role.word(), machine::own_pid()))
}

/// When hidden folders are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the host's start: nothing of this instance is on its way.
    Start,
    /// While it runs.
    Later,
}

/// Puts back what a crash took from its place, and removes the rest of what hosts that are gone have left among the jobs:
/// all of it, or what concerns `job`.
pub fn sweep(jobs: &Path, layout: &Layout, job: Option<&str>, when: When) {
    for kind in JobKind::ALL {
        let entries = fs::read_dir(jobs.join(kind.as_str())).into_iter().flatten().flatten();
        let mut left: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        // The newest of several is put back.
        left.sort_by(|a, b| b.cmp(a));
        for path in left {
            let Some(found) = parse(&path) else { continue };
            if job.is_none_or(|job| job == found.job) && !found.is_on_its_way(layout, when) {
                settle(&path, &found);
            }
        }
    }
}

struct Found {
    job: String,
    role: Role,
    pid: u32,
    instance: Option<Instance>,
}

fn parse(path: &Path) -> Option<Found> {
    let name = path.file_name()?.to_str()?.strip_prefix('.')?;
    let places = Role::ALL.into_iter().filter_map(|role| {
        let mark = format!(".{}-", role.word());
        name.rfind(&mark).map(|at| (at, at + mark.len(), role))
    });
    let (at, end, role) = places.max_by_key(|place| place.0).filter(|place| place.0 > 0)?;
    let mut parts = name[end..].splitn(3, '-');
    let (pid, number) = (parts.next()?.parse().ok()?, parts.next()?);
    number.parse::<u64>().ok()?;
    Some(Found { job: name[..at].to_owned(), role, pid, instance: parts.next().map(Instance::new) })
}

impl Found {
    fn is_on_its_way(&self, layout: &Layout, when: When) -> bool {
        match &self.instance {
            Some(instance) if instance == layout.instance() => when == When::Later && self.pid == machine::own_pid(),
            Some(instance) => instances::lives(layout, instance),
            None => self.pid != machine::own_pid() && machine::is_process(self.pid),
        }
    }
}

fn settle(path: &Path, found: &Found) {
    let place = path.with_file_name(&found.job);
    if found.role == Role::Old && place.symlink_metadata().is_err() {
        match fs::rename(path, &place) {
            Ok(()) => info!(path = %place.display(), "put a job's folder back that a crash had taken from its place"),
            Err(error) => warn!(path = %path.display(), %error, "could not put a job's folder back"),
        }
        return;
    }
    match remove(path) {
        Ok(()) => info!(path = %path.display(), "removed what a crash left of a job's folder"),
        Err(error) => warn!(path = %path.display(), %error, "could not remove what a crash left of a job's folder"),
    }
}

/// Removes a folder with all that lies in it; one that is gone already is fine.
///
/// # Errors
/// When something of it stays.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No process has this number.
    const NOBODY: u32 = 4_194_305;

    #[test]
    fn what_a_crash_left_is_put_back_or_removed_and_what_is_on_its_way_stays() {
        let root = tempfile::tempdir().expect("a folder");
        let jobs = root.path().join("jobs/triggered");
        let layout = Layout::new(root.path().join("data"), Instance::new("one-a"));
        let own = machine::own_pid();
        let made = [
            format!(".lost.old-{NOBODY}-0"),
            format!(".lost.new-{NOBODY}-1"),
            format!(".there.old-{NOBODY}-2-one-a"),
            format!(".deleted.gone-{NOBODY}-3-one-a"),
            format!(".a.new-b.old-{NOBODY}-4-gone-host"),
            format!(".busy.new-{own}-5-one-a"),
        ];
        let others = ["there", ".there.old-x", ".git", ".old-1-2"].map(str::to_owned);
        for name in made.iter().chain(&others) {
            fs::create_dir_all(jobs.join(name)).expect("a folder");
            fs::write(jobs.join(name).join("run.sh"), name).expect("a file");
        }
        sweep(&root.path().join("jobs"), &layout, Some("lost"), When::Later);
        assert_eq!(fs::read_to_string(jobs.join("lost/run.sh")).expect("it is back"), made[0]);
        assert!(jobs.join(&made[2]).exists(), "it belongs to another job");
        sweep(&root.path().join("jobs"), &layout, None, When::Later);
        let names = || {
            let entries = fs::read_dir(&jobs).expect("the jobs").flatten();
            let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().expect("text")).collect();
            names.sort();
            names
        };
        let mut kept = [&others[..], &["lost".to_owned(), "a.new-b".to_owned(), made[5].clone()]].concat();
        kept.sort();
        assert_eq!(names(), kept);
        sweep(&root.path().join("jobs"), &layout, None, When::Start);
        kept.retain(|name| *name != made[5]);
        assert_eq!(names(), kept);
    }

    #[test]
    fn a_name_reads_as_it_was_made() {
        let instance = Instance::new("a-b.c");
        let path = beside(Path::new("/jobs/triggered/my job.new"), Role::Old, &instance);
        let found = parse(&path).expect("it is one of ours");
        assert_eq!((found.job.as_str(), found.role, found.pid), ("my job.new", Role::Old, machine::own_pid()));
        assert_eq!(found.instance, Some(instance));
    }
}
