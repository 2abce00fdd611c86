//! Measures the index over all runs: `cargo run --release --example history -- [RUNS] [JOBS]`.
//!
//! It fills an index with made-up runs (1,000,000 over 1,000 jobs), without their records, and says how large it is, how
//! long it takes to open, and how long questions and news take. The folder is a temporary one.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    time::{Duration, Instant},
};

use webjobd::{
    model::{
        history::{RunQuery, RunStatus},
        id::{Instance, JobId, JobKind, JobName, RunId},
        run::Outcome,
    },
    store::index::{
        db::{Db, Loader},
        feed::{Change, Feed, Line, Mark},
    },
};

const ASKED: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let n_runs = numbers.next().transpose()?.unwrap_or(1_000_000);
    let n_jobs = numbers.next().transpose()?.unwrap_or(1000);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("index.db");
    let jobs: Vec<JobId> = (0..n_jobs).map(job).collect::<Result<_, _>>()?;
    println!("{n_runs} runs over {n_jobs} jobs");

    let db = timed("build", || -> Result<Db, Box<dyn Error>> {
        let mut loader = Loader::create(folder.path().join("new"))?;
        for (number, job) in (0..).zip(&jobs) {
            let own = (number..n_runs).step_by(jobs.len());
            let runs: Vec<(RunId, RunStatus)> = own.filter_map(|n| Some((run(n)?, status(n)))).collect();
            loader.add(job, &runs)?;
        }
        Ok(loader.finish(&path)?)
    })?;
    drop(db);
    println!("size            {:.1} MB", fs::metadata(&path)?.len() as f64 / 1e6);
    let mut db = timed("open", || Db::open(&path))?;

    let failed = || Some(BTreeSet::from(RunStatus::FAILED));
    let lost = || Some(BTreeSet::from([RunStatus::Ended(Outcome::Lost)]));
    let middle = run(n_runs / 2).map(RunId::began);
    let one = || Some(jobs[jobs.len() / 2].clone());
    let all = RunQuery::default;
    ask(&db, "all", &all())?;
    ask(&db, "all, from half", &RunQuery { until: middle, ..all() })?;
    ask(&db, "failed", &RunQuery { statuses: failed(), ..all() })?;
    ask(&db, "lost (none)", &RunQuery { statuses: lost(), ..all() })?;
    ask(&db, "continuous", &RunQuery { kind: Some(JobKind::Continuous), ..all() })?;
    ask(&db, "one job", &RunQuery { job: one(), ..all() })?;
    ask(&db, "one job, failed", &RunQuery { job: one(), statuses: failed(), until: middle, ..all() })?;
    mean("newest of each job", jobs.len() as u32, |n| {
        db.page(&RunQuery { job: Some(jobs[n as usize].clone()), ..all() }, 16).map(drop)
    })?;
    mean("oldest of a job", ASKED, |n| db.oldest(&jobs[n as usize % jobs.len()], RunId::MAX, 8).map(drop))?;

    fs::create_dir(folder.path().join("feed"))?;
    let mut feed = Feed::open(folder.path().join("feed"), jiff::Timestamp::UNIX_EPOCH)?;
    let line = |n: u64, status| -> Option<Line> {
        Some(Line {
            job: jobs[(n * 7919 % n_jobs) as usize].clone(),
            run: run(n_runs + n)?,
            change: Change::Is(status),
        })
    };
    let lines: Vec<Line> =
        (0..10_000).filter_map(|n| line(n / 2, if n % 2 == 0 { RunStatus::Running } else { status(n) })).collect();
    mean("tell of a run", 10_000, |n| feed.append(&lines[n as usize]))?;
    mean("take in 64 lines", 10_000 / 64, |n| {
        let from = n as usize * 64;
        db.take_in(&lines[from..from + 64], &Instance::new("a"), Mark { file: 0, offset: u64::from(n) })
    })?;
    Ok(())
}

fn job(number: u64) -> Result<JobId, Box<dyn Error>> {
    let kind = if number.is_multiple_of(5) { JobKind::Continuous } else { JobKind::Triggered };
    Ok(JobId { kind, name: JobName::parse(&format!("job-{number}"))? })
}

/// One a second.
fn run(number: u64) -> Option<RunId> {
    let second = jiff::SignedDuration::from_secs(i64::try_from(number).ok()?);
    let first = RunId::parse("202001010000000000").ok()?.began();
    Some(RunId::at(first.checked_add(second).ok()?, None))
}

/// One in twenty fails.
fn status(number: u64) -> RunStatus {
    RunStatus::Ended(if number.is_multiple_of(20) { Outcome::Failed } else { Outcome::Succeeded })
}

fn ask(db: &Db, what: &str, query: &RunQuery) -> Result<(), Box<dyn Error>> {
    mean(&format!("page of 50: {what}"), ASKED, |_| db.page(query, 50).map(drop))
}

fn mean<E: Error + 'static>(
    what: &str,
    times: u32,
    mut work: impl FnMut(u32) -> Result<(), E>,
) -> Result<(), Box<dyn Error>> {
    let mut longest = Duration::ZERO;
    let begin = now();
    for n in 0..times {
        let begin = now();
        work(n)?;
        longest = longest.max(begin.elapsed());
    }
    let mean = begin.elapsed() / times.max(1);
    println!("{what:32} {:8.1} µs, at most {:8.1} µs", micros(mean), micros(longest));
    Ok(())
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = now();
    let done = work();
    println!("{what:15} {:.3} s", begin.elapsed().as_secs_f64());
    done
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::disallowed_methods, reason = "a measurement is what this is for")]
fn now() -> Instant {
    Instant::now()
}
