//! Every statement seeks: no scan, no sorting. Asked of SQLite's planner, for plans do not depend on how busy a machine is.

use std::collections::BTreeSet;

use rusqlite::types::Null;

use super::{
    change::{CLEAR, DELETE, FIND, NEWEST},
    page::{ALL_OF_JOB, OF_ALL, OF_JOB, OLDEST, TALLY},
    *,
};
use crate::model::history::{Position, RunQuery};

const JOBS: usize = 50;
const RUNS: u64 = 50_000;

fn job(number: usize) -> JobId {
    let kind = if number.is_multiple_of(5) { JobKind::Continuous } else { JobKind::Triggered };
    JobId { kind, name: JobName::parse(&format!("job-{number}")).expect("a name") }
}

fn run(number: u64) -> RunId {
    RunId::of_number(number).expect("an id")
}

/// One failure in a thousand runs, and one run in ten thousand on its way.
fn status(number: u64) -> RunStatus {
    match number {
        n if n.is_multiple_of(10_000) => RunStatus::Running,
        n if n.is_multiple_of(1000) => RunStatus::Ended(Outcome::Failed),
        _ => RunStatus::Ended(Outcome::Succeeded),
    }
}

fn filled(folder: &tempfile::TempDir) -> Db {
    let mut loader = Loader::create(folder.path().join("new")).expect("a new index");
    for number in 0..JOBS {
        let own = (0..RUNS).filter(|n| *n as usize % JOBS == number);
        let runs: Vec<(RunId, RunStatus)> = own.map(|n| (run(n), status(n))).collect();
        loader.add(&job(number), &runs).expect("they are added");
    }
    loader.finish(&folder.path().join("index.db")).expect("it is in place")
}

#[test]
fn every_question_and_change_is_answered_by_seeking() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = filled(&folder);
    for (text, tree) in [
        (OF_JOB, "PRIMARY KEY (job=? AND class=? AND run>? AND run<?)"),
        (OF_ALL, "INDEX recent (class=? AND run>? AND run<?)"),
        (OLDEST, "PRIMARY KEY (job=? AND class=? AND run<?)"),
        (ALL_OF_JOB, "PRIMARY KEY (job=?)"),
        (TALLY, "PRIMARY KEY (job=?)"),
        (FIND, "PRIMARY KEY (job=? AND class=? AND run=?)"),
        (NEWEST, "PRIMARY KEY (job=? AND class=?)"),
        (DELETE, "PRIMARY KEY (job=? AND class=? AND run=?)"),
        (CLEAR, "PRIMARY KEY (job=? AND class=? AND run<?)"),
    ] {
        let mut statement = db.connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).expect("a statement");
        for at in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(at, Null).expect("it is bound");
        }
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().expect("a plan") {
            plan.push(row.get::<_, String>(3).expect("a text"));
        }
        let plan = plan.join("; ");
        assert!(plan.contains("SEARCH") && plan.contains(tree), "{text}: {plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{text}: {plan}");
    }
}

#[test]
fn pages_of_rare_and_of_common_runs_follow_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = filled(&folder);
    let failed = BTreeSet::from([RunStatus::Ended(Outcome::Failed)]);
    let triggered = |n: &u64| job(*n as usize % JOBS).kind == JobKind::Triggered;
    let (rare, common) = ((0..RUNS).filter(|n| status(*n) == RunStatus::Ended(Outcome::Failed)), (0..RUNS));
    for (query, expected, limit) in [
        (RunQuery { statuses: Some(failed), ..RunQuery::default() }, rare.rev().collect::<Vec<_>>(), 7),
        (
            RunQuery { kind: Some(JobKind::Triggered), ..RunQuery::default() },
            common.filter(triggered).rev().collect(),
            997,
        ),
        (
            RunQuery { job: Some(job(7)), ..RunQuery::default() },
            (0..RUNS).filter(|n| n % JOBS as u64 == 7).rev().collect(),
            100,
        ),
    ] {
        let (mut told, mut query) = (Vec::new(), query);
        loop {
            let page = db.page(&query, limit).expect("a page");
            assert!(page.entries.len() == limit || !page.has_more);
            told.extend(page.entries.iter().map(|entry| entry.position.run.number()));
            query.after = page.entries.last().map(|entry| entry.position.clone());
            if !page.has_more {
                break;
            }
        }
        assert_eq!(told, expected);
    }
    let counts = db.counts(&job(0)).expect("counts");
    assert_eq!(counts.values().sum::<u64>(), RUNS / JOBS as u64);
    assert_eq!(counts.get(&RunStatus::Running), Some(&5));
    let nobody = RunQuery { job: Some(job(1000)), ..RunQuery::default() };
    assert_eq!(db.page(&nobody, 10).expect("a page"), Page::default());
    let before: Position = format!("{:018} triggered/zzz", 3).parse().expect("a position");
    let last = RunQuery { after: Some(before), ..RunQuery::default() };
    assert_eq!(db.page(&last, 10).expect("a page").entries.len(), 3);
}
