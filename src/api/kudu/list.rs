//! Lists of jobs as Kudu shows them.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use axum::{http::HeaderMap, response::Response};

use super::{
    files::Shelf,
    show,
    wire::{Frame, KuduJob},
};
use crate::{
    api::{Api, etag, list},
    host::view::JobView,
    model::id::{Instance, JobId},
    store::index::records,
};

/// What all parts of a list need.
struct Showing {
    api: Api,
    frame: Frame,
    known: OnceLock<Known>,
}

/// What is read from the disk once for all jobs.
struct Known {
    others: Vec<Instance>,
    with_data: Option<HashSet<JobId>>,
}

/// Answers with jobs in the order given.
pub async fn answer(api: Api, frame: Frame, headers: &HeaderMap, jobs: Vec<Arc<JobView>>) -> Response {
    let showing = Showing { api, frame, known: OnceLock::new() };
    etag::json_bytes(headers, list::written(jobs, move |part| showing.write(part)).await)
}

impl Showing {
    /// Writes some jobs as a list. It reads the disk.
    fn write(&self, jobs: Vec<Arc<JobView>>) -> Vec<u8> {
        let Self { api, frame, .. } = self;
        let layout = api.handle.layout();
        let Known { others, with_data } = self.known.get_or_init(|| Known {
            others: api.handle.other_instances(),
            with_data: records::jobs_with_data(layout).ok(),
        });
        let shelf = Shelf { layout, looks: &api.looks, with_data: with_data.as_ref(), now: frame.now };
        let jobs = api.handle.shown(jobs);
        let files = |job: &JobView| shelf.of_job(&job.found.id, job.latest.as_ref().map(|run| run.id));
        let shown: Vec<KuduJob<'_>> = jobs.iter().map(|job| show(api, frame, job, files(job), others)).collect();
        etag::bytes_of(&shown)
    }
}
