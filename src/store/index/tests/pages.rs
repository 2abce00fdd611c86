//! In whatever order runs begin, end and go: a page is that of a list which is sorted.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::history::Position;

/// What a test does to both the index and the model.
#[derive(Clone, Debug)]
enum Doing {
    Set(u8, u64, RunStatus),
    Gone(u8, u64),
    Cleared(u8),
    /// What was told since the last time is read in one go.
    Take,
    Reopen,
    Ask {
        job: Option<u8>,
        kind: Option<JobKind>,
        statuses: Option<BTreeSet<RunStatus>>,
        span: (u64, u64),
        limit: usize,
    },
}

fn status() -> impl Strategy<Value = RunStatus> {
    prop::sample::select(RunStatus::ALL.to_vec())
}

fn doing() -> impl Strategy<Value = Doing> {
    let (jobs, runs) = (0..4_u8, 0..8_u64);
    let kind = prop::option::of(prop::sample::select(JobKind::ALL.to_vec()));
    let statuses = prop::option::of(prop::collection::btree_set(status(), 0..4));
    let ask = (prop::option::of(jobs.clone()), kind, statuses, (0..12_u64, 0..14_u64), 1..6_usize);
    prop_oneof![
        8 => (jobs.clone(), runs.clone(), status()).prop_map(|(job, run, status)| Doing::Set(job, run, status)),
        2 => (jobs.clone(), runs).prop_map(|(job, run)| Doing::Gone(job, run)),
        1 => jobs.prop_map(Doing::Cleared),
        2 => Just(Doing::Take),
        1 => Just(Doing::Reopen),
        6 => ask.prop_map(|(job, kind, statuses, span, limit)| Doing::Ask { job, kind, statuses, span, limit }),
    ]
}

/// Ids of runs that began in the same second, a tenth of a millisecond apart.
fn began(run: u64) -> RunId {
    id(202601010000000000 + run)
}

fn take_in(db: &mut Db, told: &mut Vec<Line>) {
    let mark = feed::Mark { file: 0, offset: 0 };
    db.take_in(&std::mem::take(told), &Instance::new("a"), mark).expect("it is taken in");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_those_of_a_list_that_is_sorted(doings in prop::collection::vec(doing(), 1..60)) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index.db");
        let mut db = db::Loader::create(folder.path().join("new")).expect("new").finish(&path).expect("in place");
        let jobs: Vec<JobId> = ["ca", "cb", "ta", "tb"].map(job).to_vec();
        let mut model: BTreeMap<Position, RunStatus> = BTreeMap::new();
        let mut told: Vec<Line> = Vec::new();
        for doing in doings.into_iter().chain([Doing::Take]) {
            match doing {
                Doing::Set(job, run, status) => {
                    let (job, run) = (jobs[usize::from(job)].clone(), began(run));
                    let known = model.entry(Position { run, job: job.clone() }).or_insert(status);
                    if status != RunStatus::Running {
                        *known = status;
                    }
                    told.push(Line { job, run, change: Change::Is(status) });
                }
                Doing::Gone(job, run) => {
                    let (job, run) = (jobs[usize::from(job)].clone(), began(run));
                    model.remove(&Position { run, job: job.clone() });
                    told.push(Line { job, run, change: Change::Gone });
                }
                Doing::Cleared(job) => {
                    let (job, run) = (jobs[usize::from(job)].clone(), began(6));
                    model.retain(|position, _| position.job != job || position.run > run);
                    told.push(Line { job, run, change: Change::Cleared });
                }
                Doing::Take => take_in(&mut db, &mut told),
                Doing::Reopen => {
                    take_in(&mut db, &mut told);
                    db = Db::open(&path).expect("it opens");
                }
                Doing::Ask { job, kind, statuses, span, limit } => {
                    take_in(&mut db, &mut told);
                    let job = job.map(|job| jobs[usize::from(job)].clone());
                    let (since, until) = (began(span.0).began(), began(span.1).began());
                    let mut query =
                        RunQuery { job, kind, statuses, since: Some(since), until: Some(until), after: None };
                    let expected: Vec<db::Entry> = model
                        .iter()
                        .filter(|(position, status)| query.wants(position) && query.wants_status(**status))
                        .map(|(position, status)| db::Entry { position: position.clone(), status: *status })
                        .collect();
                    let mut answer = Vec::new();
                    loop {
                        let page = db.page(&query, limit).expect("a page");
                        prop_assert!(page.entries.len() == limit || !page.has_more);
                        query.after = page.entries.last().map(|entry| entry.position.clone());
                        answer.extend(page.entries);
                        if !page.has_more { break }
                    }
                    prop_assert_eq!(answer, expected);
                }
            }
            for job in jobs.iter().filter(|_| told.is_empty()) {
                let mut counts: BTreeMap<RunStatus, u64> = BTreeMap::new();
                for (_, status) in model.iter().filter(|(position, _)| position.job == *job) {
                    *counts.entry(*status).or_default() += 1;
                }
                prop_assert_eq!(db.counts(job).expect("counts"), counts);
            }
        }
    }
}
