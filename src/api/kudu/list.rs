//! Lists of jobs as Kudu shows them. A long one is written in parts, by as many threads as there are processors: what it tells of
//! ten thousand jobs lies all over the memory and the disk, and one thread waits for most of it.

use std::{
    collections::HashSet,
    iter,
    num::NonZero,
    sync::{Arc, OnceLock},
    thread,
};

use axum::{http::HeaderMap, response::Response};
use futures_util::future::join_all;

use super::{
    files::{self, Shelf},
    show,
    wire::{Frame, KuduJob},
};
use crate::{
    api::{Api, blocking, etag},
    host::view::JobView,
    model::id::{Instance, JobId},
};

/// Jobs of which one thread writes at least so many: another one costs as much as some fifty.
const JOBS_A_PART: usize = 1_000;

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
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let size = part_size(jobs.len(), threads);
    let showing = Arc::new(Showing { api, frame, known: OnceLock::new() });
    let mut left = jobs.into_iter();
    let parts = iter::from_fn(|| Some(left.by_ref().take(size).collect::<Vec<_>>()).filter(|part| !part.is_empty()));
    let written = parts.map(|part| {
        let showing = Arc::clone(&showing);
        blocking(move || showing.write(part))
    });
    etag::json_bytes(headers, joined(join_all(written).await))
}

impl Showing {
    /// Writes some jobs as a list. It reads the disk.
    fn write(&self, jobs: Vec<Arc<JobView>>) -> Vec<u8> {
        let Self { api, frame, .. } = self;
        let layout = api.handle.layout();
        let Known { others, with_data } = self
            .known
            .get_or_init(|| Known { others: api.handle.other_instances(), with_data: files::jobs_with_data(layout) });
        let shelf = Shelf { layout, looks: &api.looks, with_data: with_data.as_ref(), now: frame.now };
        let jobs = api.handle.shown(jobs);
        let files = |job: &JobView| shelf.of_job(&job.found.id, job.latest.as_ref().map(|run| run.id));
        let shown: Vec<KuduJob<'_>> = jobs.iter().map(|job| show(api, frame, job, files(job), others)).collect();
        etag::bytes_of(&shown)
    }
}

/// Returns how many jobs go into one part, 1 at least.
fn part_size(jobs: usize, threads: usize) -> usize {
    let parts = (jobs / JOBS_A_PART).clamp(1, threads.max(1));
    jobs.div_ceil(parts).max(1)
}

/// Makes one list in JSON of several, none of which is empty.
fn joined(lists: Vec<Vec<u8>>) -> Vec<u8> {
    let mut lists = lists.into_iter();
    let Some(mut all) = lists.next() else { return b"[]".to_vec() };
    for list in lists {
        // In place of its bracket.
        all.pop();
        all.push(b',');
        all.extend_from_slice(&list[1..]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_many_as_pay_and_as_there_are_threads() {
        let cases = [
            ((0, 2), 1),
            ((1, 2), 1),
            ((1_999, 2), 1_999),
            ((2_000, 2), 1_000),
            ((10_000, 2), 5_000),
            ((10_001, 2), 5_001),
            ((10_000, 64), 1_000),
            ((10_999, 64), 1_100),
            ((10_000, 0), 10_000),
        ];
        for ((jobs, threads), size) in cases {
            assert_eq!(part_size(jobs, threads), size, "{jobs} jobs, {threads} threads");
        }
    }

    #[test]
    fn lists_become_one() {
        let lists = |lists: &[&[u32]]| joined(lists.iter().map(etag::bytes_of).collect());
        assert_eq!(lists(&[]), b"[]");
        assert_eq!(lists(&[&[1, 2]]), b"[1,2]");
        assert_eq!(lists(&[&[1, 2], &[3], &[4, 5]]), b"[1,2,3,4,5]");
    }
}
