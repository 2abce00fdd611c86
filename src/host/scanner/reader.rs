//! Reading of folders: what is due is listed, scanned and judged, on a thread that may wait for the disk.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::scripts::Scripts;
use crate::{
    decide::{
        discover::{self, Interpreters, Surroundings},
        settings,
        settle::{Due, DueJob, quiet_of},
    },
    model::{
        id::{JobId, JobKind},
        job::{Desired, Found, Script},
        listing::FolderListing,
        time::Now,
    },
    os::{
        memory,
        scan::{
            self, JobFolders, Scan, ScanTime,
            hash::{self, HashCache},
            programs::Programs,
        },
    },
};

/// What reading needs; it moves to the thread that reads and back.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) roots: Vec<PathBuf>,
    pub(super) interpreters: Interpreters,
    pub(super) scripts: Scripts,
    pub(super) cache: HashCache,
}

/// What reading asks about besides folders.
struct Around<'a> {
    interpreters: &'a Interpreters,
    programs: &'a Programs,
    scripts: &'a Scripts,
}

/// What reading gave.
pub(super) enum Read {
    Everything { folders: JobFolders, jobs: Vec<(JobId, Outcome)> },
    Jobs(Vec<(DueJob, Outcome)>),
}

/// What reading one folder gave.
pub(super) enum Outcome {
    Gone,
    Unchanged,
    Found { found: Arc<Found>, unsettled: bool },
}

impl Outcome {
    /// Makes the same in other places of the heap.
    fn anew(self) -> Self {
        match self {
            Self::Found { found, unsettled } => Self::Found { found: Arc::new(found.anew()), unsettled },
            same @ (Self::Gone | Self::Unchanged) => same,
        }
    }
}

impl Reader {
    /// Reads what is due; `known` is the picture so far.
    pub(super) fn read(&mut self, due: &[Due], now: &Now, known: &Desired) -> Read {
        let programs = Programs::of_this_process();
        if due.iter().any(|due| matches!(due, Due::Everything(_))) {
            let folders = scan::job_folders(&self.roots);
            let time = |id: &JobId| ScanTime { now: now.wall, quiet: quiet_of(id, known) };
            let around = Around { interpreters: &self.interpreters, programs: &programs, scripts: &self.scripts };
            self.cache.retain(|id| folders.jobs.contains_key(id));
            let jobs =
                scan::scan_all(&folders.jobs, &mut self.cache, time, |id, scan| (id.clone(), conclude(&around, scan)));
            if known.is_read {
                return Read::Everything { folders, jobs };
            }
            // At first what is kept lies among what was only needed to work it out, some of it in the heap of a thread that is gone: made
            // anew it lies together, and whole pages of the rest can be given back.
            let jobs = jobs.into_iter().map(|(id, outcome)| (id, outcome.anew())).collect();
            return Read::Everything { folders, jobs };
        }
        let jobs = due.iter().filter_map(|due| match due {
            Due::Everything(_) => None,
            Due::Job(job) => Some(job),
        });
        // All are listed for those alone that are not plain to see: one folder among thousands costs what one folder costs.
        let mut listed = None;
        let jobs = jobs.map(|due| {
            let root = scan::plain_folder(&self.roots, &due.id).map_or_else(
                || root_of(&due.id, listed.get_or_insert_with(|| scan::job_folders(&self.roots)), known),
                Ok,
            );
            let outcome = match root {
                Ok(root) => self.read_one(due, &root, &programs, now),
                Err(outcome) => {
                    self.cache.forget(&due.id);
                    outcome
                }
            };
            (due.clone(), outcome)
        });
        Read::Jobs(jobs.collect())
    }

    fn read_one(&mut self, due: &DueJob, root: &Arc<Path>, programs: &Programs, now: &Now) -> Outcome {
        let (id, mut seen) = self.cache.take(&due.id);
        let scan = scan::scan_job(&id, root, &mut seen, ScanTime { now: now.wall, quiet: due.quiet });
        self.cache.put(id, seen);
        let Self { interpreters, scripts, .. } = &*self;
        conclude(&Around { interpreters, programs, scripts }, scan)
    }
}

/// Returns a job's folder by the list of all, or what it is to be taken for when it has none.
fn root_of(id: &JobId, folders: &JobFolders, known: &Desired) -> Result<Arc<Path>, Outcome> {
    if let Some(root) = folders.jobs.get(id) {
        return Ok(Arc::clone(root));
    }
    if let Some(unusable) = folders.unusable.get(id) {
        let found = Arc::new(discover::unusable(id, unusable));
        return Err(Outcome::Found { found, unsettled: false });
    }
    // One in a folder that could not be read is unknown, not gone.
    let is_unknown = known.jobs.get(id).is_some_and(|found| folders.may_exist(&found.root));
    Err(if is_unknown { Outcome::Unchanged } else { Outcome::Gone })
}

impl Around<'_> {
    fn found(&self, listing: &FolderListing) -> Found {
        found(self.interpreters, self.programs, &|script| self.scripts.share(script), listing)
    }
}

fn conclude(around: &Around<'_>, scan: Scan) -> Outcome {
    match scan {
        Scan::Gone => Outcome::Gone,
        Scan::Unchanged => Outcome::Unchanged,
        Scan::Seen(listing) => {
            let found = Arc::new(around.found(&listing));
            let (unsettled, n_entries) = (listing.unsettled, listing.entries.len());
            drop(listing);
            memory::tidy_after(n_entries);
            Outcome::Found { found, unsettled }
        }
    }
}

/// Works out what a folder holds.
pub fn found(
    interpreters: &Interpreters,
    programs: &Programs,
    share: &dyn Fn(Script) -> Arc<Script>,
    listing: &FolderListing,
) -> Found {
    let read_settings = |text: &str, kind: JobKind| {
        let reading = settings::read(text, kind);
        (reading.settings, reading.raw, reading.problems)
    };
    let exists = |program: &str| programs.exists(program);
    let (hash, read_settings) = (&hash::bytes, &read_settings);
    let around = Surroundings { interpreters, exists: &exists, hash, read_settings, share };
    discover::discover(listing, &around)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            id::JobName,
            listing::{Unusable, UnusableWhy},
        },
        os::clock::Clock,
    };

    #[test]
    fn jobs_that_are_started_alike_share_what_says_so_and_a_job_has_one_name() {
        let root = tempfile::tempdir().expect("a folder");
        let id = |name: &str| JobId { kind: JobKind::Triggered, name: JobName::parse(name).expect("a name") };
        for name in ["a", "b"] {
            let folder = root.path().join("triggered").join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("run.sh"), "true\n").expect("a script");
        }
        let interpreters = Interpreters { windows: false, by_extension: [("sh".to_owned(), Vec::new())].into() };
        let (roots, scripts, cache) = (vec![root.path().to_owned()], Scripts::default(), HashCache::default());
        let mut reader = Reader { roots, interpreters, scripts, cache };
        let now = Clock::start().now();
        let mut read = |due: Due| match reader.read(&[due], &now, &Desired::default()) {
            Read::Everything { jobs, .. } => jobs.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>(),
            Read::Jobs(jobs) => jobs.into_iter().map(|(_, outcome)| outcome).collect(),
        };
        let found = |outcome: &Outcome| match outcome {
            Outcome::Found { found, .. } => Arc::clone(found),
            Outcome::Gone | Outcome::Unchanged => panic!("a job"),
        };
        let jobs: Vec<_> = read(Due::Everything(String::new())).iter().map(found).collect();
        let [one, other] = [0, 1].map(|at| jobs[at].job.clone().expect("it can run"));
        assert!(Arc::ptr_eq(&one.script, &other.script), "{one:?} {other:?}");
        let quiet = std::time::Duration::ZERO;
        std::fs::write(root.path().join("triggered/a/more"), "").expect("a file");
        let again = read(Due::Job(DueJob { id: id("a"), since: now.mono, quiet, path: None }));
        let first = jobs.iter().find(|found| found.id == id("a")).expect("it was found");
        assert!(std::ptr::eq(found(&again[0]).id.name.as_str(), first.id.name.as_str()));
    }

    #[test]
    fn a_job_whose_folder_is_not_listed_is_gone_unless_what_it_lies_in_could_not_be_read() {
        let id = |name: &str| JobId { kind: JobKind::Continuous, name: JobName::parse(name).expect("a name") };
        let dangling = |path: &str| Unusable { path: path.into(), why: UnusableWhy::Dangling };
        let mut known = Desired::default();
        // The folder of its kind may be written in any case.
        let found = discover::unusable(&id("known"), &dangling("/jobs/Continuous/known"));
        known.jobs.insert(id("known"), found.into());
        let mut folders = JobFolders::default();
        folders.jobs.insert(id("there"), Path::new("/jobs/Continuous/there").into());
        folders.unusable.insert(id("link"), dangling("/jobs/Continuous/link"));

        assert!(root_of(&id("there"), &folders, &known).is_ok_and(|root| root.ends_with("there")));
        assert!(matches!(root_of(&id("link"), &folders, &known), Err(Outcome::Found { unsettled: false, .. })));
        for name in ["known", "other"] {
            assert!(matches!(root_of(&id(name), &folders, &known), Err(Outcome::Gone)), "{name}");
        }
        folders.unreadable.insert("/jobs/Continuous".into(), "input/output error".to_owned());
        assert!(matches!(root_of(&id("known"), &folders, &known), Err(Outcome::Unchanged)));
        assert!(matches!(root_of(&id("other"), &folders, &known), Err(Outcome::Gone)));
    }
}
