//! The index made of the records, and held against them.
//!
//! Making it reads every record once, beside the place of the index: a crash meanwhile leaves none, and the next start
//! begins anew. Holding it against the records only lists folders, and reads the records of runs that are new to it or on
//! their way: whatever a loss of power, a restored backup or a person with a file manager did is mended at the next start.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    db::{self, Correction, Db, DbError, Loader},
    feed::{Change, Line},
    records,
};
use crate::{
    model::{
        history::RunStatus,
        id::{JobId, RunId},
    },
    store::{layout::Layout, record},
};

/// Makes the index and puts it in its place; `None` when `stop` became true before it was complete. It has read no feed
/// yet: what those tell of runs that have no record yet, or have been told of meanwhile, it takes in before it answers.
///
/// # Errors
/// When the disk does not take it.
pub fn build(layout: &Layout, stop: &AtomicBool) -> Result<Option<Db>, DbError> {
    // First of all: where it cannot be replaced, nothing need be read.
    db::remove(&layout.index())?;
    let mut loader = Loader::create(beside(layout))?;
    for job in records::jobs(layout) {
        let mut runs = Vec::new();
        for run in record::list(layout, &job).unwrap_or_default() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            runs.extend(records::status(layout, &job, run).map(|status| (run, status)));
        }
        if !runs.is_empty() {
            loader.add(&job, &runs)?;
        }
    }
    loader.finish(&layout.index()).map(Some)
}

/// Returns where an index that is not complete lies.
pub fn beside(layout: &Layout) -> PathBuf {
    db::beside(&layout.index(), ".new")
}

/// What the index says of one job and the records do not, or the other way round. `known` is what the index says; it was
/// read before the folder, so that a run which begins meanwhile is not missed in one and found in the other. A run that
/// is on its way may have no folder yet, unless it is older than `born`.
pub fn differences(layout: &Layout, job: &JobId, known: &[(RunId, RunStatus)], born: RunId) -> Vec<Correction> {
    let Ok(mut listed) = record::list(layout, job) else { return Vec::new() };
    listed.reverse();
    let correction = |run, change, known| Correction { line: Line { job: job.clone(), run, change }, known };
    let mut found = Vec::new();
    for run in listed.iter().filter(|run| known.binary_search_by_key(*run, |(run, _)| *run).is_err()) {
        found.extend(records::status(layout, job, *run).map(|status| correction(*run, Change::Is(status), None)));
    }
    for (run, status) in known {
        let is_listed = listed.binary_search(run).is_ok();
        let is_active = *status == RunStatus::Running;
        if is_listed && is_active {
            let now = records::status(layout, job, *run).filter(|now| now != status);
            found.extend(now.map(|now| correction(*run, Change::Is(now), Some(*status))));
        }
        if !is_listed && (!is_active || *run < born) && records::is_gone(layout, job, *run) {
            found.push(correction(*run, Change::Gone, Some(*status)));
        }
    }
    found
}
