//! The records themselves, asked without an index: slow, and right. While an index is built, history is read from here;
//! what an index is built of, and held against, comes from here as well.

use std::{
    collections::HashSet,
    fs::{self, DirEntry},
    io::{self, ErrorKind},
    path::Path,
};

use crate::{
    model::{
        history::{Position, RunQuery, RunStatus},
        id::{JobId, JobKind, JobName, RunId},
    },
    store::{layout::Layout, record},
};

/// Lists the jobs that have a data folder, as far as they can be listed.
pub fn jobs(layout: &Layout) -> Vec<JobId> {
    let of_kind = |kind: JobKind| {
        let folders = fs::read_dir(layout.kind(kind)).into_iter().flatten().flatten();
        folders.filter_map(move |folder| job(kind, &folder)).collect::<Vec<_>>()
    };
    JobKind::ALL.into_iter().flat_map(of_kind).collect()
}

/// Lists the jobs that have a data folder: any other has none.
///
/// # Errors
/// When they cannot all be listed.
pub fn jobs_with_data(layout: &Layout) -> io::Result<HashSet<JobId>> {
    let mut jobs = HashSet::new();
    for kind in JobKind::ALL {
        for folder in fs::read_dir(layout.kind(kind))? {
            jobs.extend(job(kind, &folder?));
        }
    }
    Ok(jobs)
}

fn job(kind: JobKind, folder: &DirEntry) -> Option<JobId> {
    let name = JobName::parse(folder.file_name().to_str()?).ok()?;
    Some(JobId { kind, name })
}

/// Lists where every run that a question may be about stands, in the order of history. `active` are runs that may have
/// no folder yet. How a run stands is in its record alone.
pub fn positions(layout: &Layout, query: &RunQuery, active: impl Iterator<Item = Position>) -> Vec<Position> {
    let asked = match &query.job {
        Some(job) => vec![job.clone()],
        None => jobs(layout),
    };
    let listed = asked.into_iter().filter(|job| query.wants_job(job)).flat_map(|job| {
        // A job that cannot be listed hides no other.
        let runs = record::list(layout, &job).unwrap_or_default();
        runs.into_iter().map(move |run| Position { run, job: job.clone() })
    });
    let mut found: Vec<Position> = listed.chain(active).filter(|position| query.wants(position)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Tells how a run stands, by its record.
pub fn status(layout: &Layout, job: &JobId, run: RunId) -> Option<RunStatus> {
    record::read(layout, job, run).map(|record| RunStatus::from(record.phase))
}

/// Tells whether a run's folder is gone for certain: not when the disk does not answer, or is not there.
pub fn is_gone(layout: &Layout, job: &JobId, run: RunId) -> bool {
    is_missing(&layout.run(job, run)) && !is_missing(&layout.kind(job.kind))
}

fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
