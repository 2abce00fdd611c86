//! Long lists of jobs, written in parts by at most as many threads as there are processors: what is told of ten thousand jobs
//! lies all over the memory and the disk, and one thread waits for most of it.

use std::{iter, num::NonZero, sync::Arc, thread};

use futures_util::future::join_all;

use super::blocking;

/// Jobs of which one thread writes at least so many: 2 to 4 ms of work.
const JOBS_A_PART: usize = 1_000;

/// Returns jobs as one list in JSON; `write` writes a part of them as a list, on a thread that may wait for the disk.
pub async fn written<T: Send + 'static>(
    jobs: Vec<T>,
    write: impl Fn(Vec<T>) -> Vec<u8> + Send + Sync + 'static,
) -> Vec<u8> {
    // Files of the system are read for their number.
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if jobs.len() < 2 * JOBS_A_PART { 1 } else { processors() };
    written_by(threads, jobs, write).await
}

async fn written_by<T: Send + 'static>(
    threads: usize,
    jobs: Vec<T>,
    write: impl Fn(Vec<T>) -> Vec<u8> + Send + Sync + 'static,
) -> Vec<u8> {
    let (size, write) = (part_size(jobs.len(), threads), Arc::new(write));
    let mut left = jobs.into_iter();
    let parts = iter::from_fn(|| Some(left.by_ref().take(size).collect::<Vec<_>>()).filter(|part| !part.is_empty()));
    let written = parts.map(|part| {
        let write = Arc::clone(&write);
        blocking(move || write(part))
    });
    joined(join_all(written).await)
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
    use crate::api::etag;

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

    #[tokio::test]
    async fn parts_are_written_apart_and_come_in_order() {
        let (all, sizes) = ((0..3_500).collect::<Vec<u32>>(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let noted = Arc::clone(&sizes);
        let write = move |part: Vec<u32>| {
            noted.lock().expect("no part panics").push(part.len());
            etag::bytes_of(&part)
        };
        assert_eq!(written_by(3, all.clone(), write).await, etag::bytes_of(&all));
        let mut sizes = sizes.lock().expect("no part panics").clone();
        sizes.sort_unstable();
        assert_eq!(sizes, [1_166, 1_167, 1_167]);
        let written = |jobs: Vec<u32>| written(jobs, |part| etag::bytes_of(&part));
        assert_eq!(written(Vec::new()).await, b"[]");
        assert_eq!(written(all.clone()).await, etag::bytes_of(&all));
    }
}
