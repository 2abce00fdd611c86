//! The index knows what the records know, whatever happens to its file, its host, or the records.

mod pages;

use std::{
    collections::BTreeMap,
    fs,
    io::{Seek, SeekFrom, Write},
    time::{Duration, Instant},
};

use super::*;
use crate::model::{
    id::{JobKind, JobName},
    run::{Outcome, Trigger},
};

const FAILED: RunStatus = RunStatus::Ended(Outcome::Failed);

struct World {
    folder: tempfile::TempDir,
    layout: Layout,
}

fn job(name: &str) -> JobId {
    let kind = if name.starts_with('c') { JobKind::Continuous } else { JobKind::Triggered };
    JobId { kind, name: JobName::parse(name).expect("a name") }
}

fn id(number: u64) -> RunId {
    RunId::of_number(number).expect("an id")
}

fn record(job: &JobId, run: u64, phase: RunPhase) -> RunRecord {
    let accepted = RunRecord::accepted(id(run), job.clone(), Instance::new("a"), Trigger::Startup);
    RunRecord { phase, started: Wall::UNIX_EPOCH, ..accepted }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Self::layout(&folder, "a");
        fs::create_dir_all(layout.host()).expect("a folder");
        for kind in JobKind::ALL {
            fs::create_dir_all(layout.kind(kind)).expect("a folder");
        }
        Self { folder, layout }
    }

    fn layout(folder: &tempfile::TempDir, instance: &str) -> Layout {
        Layout::new(folder.path().to_owned(), Instance::new(instance))
    }

    fn index(&self) -> Index {
        self.index_at("2026-01-01T00:00:00Z")
    }

    /// Starts a host's index at a moment. What is on its way since before that and has no record never had one.
    fn index_at(&self, now: &str) -> Index {
        Index::start(&self.layout, now.parse().expect("a time"))
    }

    fn write(&self, job: &JobId, run: u64, outcome: Outcome) -> RunRecord {
        let record = record(job, run, RunPhase::Ended(outcome));
        crate::store::record::write(&self.layout, &record).expect("it is written");
        record
    }

    /// Some runs, in records alone.
    fn with_records() -> (Self, Vec<String>) {
        let world = Self::new();
        for run in 1..=3 {
            world.write(&job("t"), run, Outcome::Succeeded);
            world.write(&job("c"), run + 1, Outcome::Failed);
        }
        let told = ["4 c failed", "3 c failed", "3 t succeeded", "2 c failed", "2 t succeeded", "1 t succeeded"];
        (world, told.map(str::to_owned).to_vec())
    }
}

fn now() -> Wall {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

/// What the index tells, in short.
fn told(index: &Index, query: &RunQuery) -> Vec<String> {
    let page = index.page(query, 1000).expect("there is an index");
    assert!(!page.has_more);
    let short =
        |entry: &db::Entry| format!("{} {} {}", entry.position.run.number(), entry.position.job.name, entry.status);
    page.entries.iter().map(short).collect()
}

fn all(index: &Index) -> Vec<String> {
    told(index, &RunQuery::default())
}

/// Waits until the thread of an index has done what it is to do.
#[expect(clippy::disallowed_methods, reason = "a test that waits for a thread has a deadline")]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::yield_now();
    }
}

#[test]
fn an_index_that_is_missing_is_built_of_the_records() {
    let (world, expected) = World::with_records();
    let index = world.index();
    assert!(index.is_settled());
    assert_eq!(all(&index), expected);
    index.close();
    assert!(!db::beside(&world.layout.index(), "-wal").exists(), "nothing waits beside it");
    assert_eq!(index.page(&RunQuery::default(), 1), None, "who let go of it asks nothing");
    let index = world.index();
    assert_eq!(all(&index), expected, "at once");
}

#[test]
fn an_index_that_is_damaged_is_built_anew() {
    for spoil in [
        |path: &std::path::Path| fs::write(path, "no database").expect("it is written"),
        |path: &std::path::Path| fs::write(path, "").expect("it is written"),
        |path: &std::path::Path| {
            let file = fs::OpenOptions::new().write(true).open(path).expect("it opens");
            let bytes = file.metadata().expect("its size").len();
            file.set_len(bytes / 2 + 100).expect("it is cut");
        },
        |path: &std::path::Path| {
            // All pages but the first.
            let mut file = fs::OpenOptions::new().write(true).open(path).expect("it opens");
            let bytes = file.metadata().expect("its size").len() as usize - 4096;
            file.seek(SeekFrom::Start(4096)).expect("a place");
            file.write_all(&vec![0xa5; bytes]).expect("it is written");
        },
        |path: &std::path::Path| {
            let db = rusqlite::Connection::open(path).expect("it opens");
            db.pragma_update(None, "user_version", 99).expect("another version");
        },
        |path: &std::path::Path| {
            let db = rusqlite::Connection::open(path).expect("it opens");
            db.execute_batch("DROP INDEX recent").expect("it goes");
        },
        |path: &std::path::Path| fs::remove_file(path).expect("it goes"),
    ] {
        let (world, expected) = World::with_records();
        let index = world.index();
        assert!(index.is_settled());
        index.close();
        spoil(&world.layout.index());
        let index = world.index();
        // The damage may show at the first question only.
        until("it answers again", || index.page(&RunQuery::default(), 10).is_some());
        assert_eq!(all(&index), expected);
    }
}

#[test]
fn where_no_index_can_be_kept_there_is_no_answer_and_no_failure() {
    let (world, _) = World::with_records();
    fs::create_dir_all(world.layout.index().join("in the way")).expect("a folder");
    let index = world.index();
    assert!(!index.is_settled());
    index.began(&job("t"), id(9));
    assert_eq!(index.page(&RunQuery::default(), 10), None);
    index.close();
    let nowhere = Index::start(&World::layout(&world.folder, "never-made"), now());
    nowhere.began(&job("t"), id(9));
    assert!(!nowhere.is_settled());
    assert_eq!(nowhere.counts(&job("t")), None);
}

#[test]
fn what_was_told_before_a_crash_is_known_after_it() {
    let (world, mut expected) = World::with_records();
    let index = world.index();
    assert!(index.is_settled());
    assert_eq!(all(&index), expected);
    index.began(&job("t"), id(7));
    index.ended(&world.write(&job("t"), 7, Outcome::TimedOut));
    index.gone(&job("t"), id(1));
    fs::remove_dir_all(world.layout.run(&job("t"), id(1))).expect("it goes");
    // Neither closed nor asked.
    drop(index);
    expected.pop();
    expected.insert(0, "7 t timed_out".to_owned());
    assert_eq!(all(&world.index()), expected);
}

#[test]
fn what_happened_behind_its_back_is_mended_at_the_next_start() {
    let (world, mut expected) = World::with_records();
    let index = world.index();
    assert!(index.is_settled());
    index.began(&job("t"), id(202601010000000008));
    index.began(&job("t"), id(202601020000000005));
    assert_eq!(all(&index).len(), expected.len() + 2);
    index.close();
    // A backup was put back, a folder deleted, and one run that nobody ended has no record at all.
    world.write(&job("c"), 6, Outcome::Stopped);
    fs::remove_dir_all(world.layout.run(&job("t"), id(1))).expect("it goes");
    let index = world.index_at("2026-01-02T00:00:00Z");
    expected.pop();
    expected.insert(0, "6 c stopped".to_owned());
    // It began after the host: its record may still come.
    expected.insert(0, "202601020000000005 t running".to_owned());
    index.look();
    until("it is mended", || all(&index) == expected);
    assert_eq!(index.counts(&job("t")), Some(BTreeMap::from([(DONE, 2), (RunStatus::Running, 1)])));
}

#[test]
fn hosts_on_one_root_know_each_others_runs() {
    let (world, mut expected) = World::with_records();
    let other = World::layout(&world.folder, "b");
    fs::create_dir_all(other.host()).expect("a folder");
    let (one, two) = (world.index(), Index::start(&other, now()));
    assert!(one.is_settled() && two.is_settled());
    // They began after both hosts: their records may still come.
    let (first, second) = (202601010000000010, 202601010000000011);
    one.began(&job("t"), id(first));
    two.began(&job("c"), id(second));
    expected.splice(0..0, [format!("{second} c running"), format!("{first} t running")]);
    assert_eq!((all(&one), all(&two)), (expected.clone(), expected.clone()));
    // One host dies, and the other closes its run; its own lines come late.
    two.ended(&world.write(&job("t"), first, Outcome::Lost));
    one.began(&job("t"), id(first));
    expected[1] = format!("{first} t lost");
    assert_eq!((all(&one), all(&two)), (expected.clone(), expected));
}

#[test]
fn a_deleted_job_leaves_nothing_and_may_come_again() {
    let (world, _) = World::with_records();
    let index = world.index();
    assert!(index.is_settled());
    index.cleared(&job("t"), now());
    let of_t = RunQuery { job: Some(job("t")), ..RunQuery::default() };
    assert_eq!(told(&index, &of_t), Vec::<String>::new());
    assert_eq!(index.counts(&job("t")), Some(BTreeMap::new()));
    index.began(&job("t"), id(202601020000000000));
    index.cleared(&job("t"), now());
    assert_eq!(told(&index, &of_t), ["202601020000000000 t running"], "it began after the old ones were deleted");
    assert_eq!(index.counts(&job("c")), Some(BTreeMap::from([(FAILED, 3)])));
}

#[test]
fn the_oldest_are_told_with_how_many_there_are() {
    let (world, _) = World::with_records();
    let index = world.index();
    assert!(index.is_settled());
    index.began(&job("t"), id(202601010000000009));
    let oldest = |last| index.oldest(&job("t"), id(last), |total| total as usize - 2).expect("an index");
    assert_eq!(oldest(999), Oldest { runs: vec![(id(1), DONE), (id(2), DONE)], total: 4 });
    assert_eq!(oldest(1).runs, [(id(1), DONE)]);
}

const DONE: RunStatus = RunStatus::Ended(Outcome::Succeeded);

#[test]
fn a_cursor_stays_where_it_is_while_runs_come_and_go() {
    let (world, _) = World::with_records();
    let index = world.index();
    assert!(index.is_settled());
    let first = index.page(&RunQuery::default(), 2).expect("a page");
    let at: Vec<String> = first.entries.iter().map(|entry| entry.position.to_string()).collect();
    assert_eq!(at, ["000000000000000004 continuous/c", "000000000000000003 continuous/c"]);
    // The run that the cursor names goes, new ones come, and the index is another.
    index.gone(&job("c"), id(3));
    index.began(&job("t"), id(202601010000000050));
    let after = RunQuery { after: first.entries.last().map(|entry| entry.position.clone()), ..RunQuery::default() };
    let expected = ["3 t succeeded", "2 c failed", "2 t succeeded", "1 t succeeded"];
    assert_eq!(told(&index, &after), expected);
    fs::remove_dir_all(world.layout.run(&job("c"), id(3))).expect("it goes");
    index.close();
    db::remove(&world.layout.index()).expect("it goes");
    let index = world.index();
    assert!(index.is_settled());
    assert_eq!(told(&index, &after), expected);
    let listed = records::positions(&world.layout, &after, std::iter::empty());
    assert_eq!(listed.len(), expected.len(), "the records tell the same order");
}
