//! What is told is read once, in order, over full files, torn lines and lost feeds.

use super::*;
use crate::model::run::Outcome;

fn line(number: u64, change: Change) -> Line {
    let job = JobId { kind: JobKind::Triggered, name: JobName::parse("a b").expect("a name") };
    Line { job, run: RunId::of_number(number).expect("a number"), change }
}

fn began(number: u64) -> Line {
    line(number, Change::Is(RunStatus::Running))
}

fn open(folder: &tempfile::TempDir) -> Feed {
    Feed::open(folder.path().to_owned(), Wall::UNIX_EPOCH).expect("it opens")
}

/// Reads everything that is new, and tells whether some was missed.
fn news(folder: &tempfile::TempDir, mark: &mut Option<Mark>) -> (Vec<Line>, bool) {
    let (mut all, mut is_gap) = (Vec::new(), false);
    while let Some(chunk) = read(folder.path(), *mark).expect("it reads") {
        *mark = Some(chunk.mark);
        is_gap |= chunk.is_gap;
        all.extend(chunk.lines);
    }
    (all, is_gap)
}

#[test]
fn every_change_is_told_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut mark = None;
    assert_eq!(news(&folder, &mut mark), (Vec::new(), false), "there is none yet");
    let mut feed = open(&folder);
    let changes = [
        Change::Is(RunStatus::Running),
        Change::Is(RunStatus::Ended(Outcome::TimedOut)),
        Change::Gone,
        Change::Cleared,
    ];
    let lines: Vec<Line> = changes.into_iter().enumerate().map(|(n, change)| line(n as u64, change)).collect();
    for line in &lines {
        feed.append(line).expect("it is told");
    }
    assert_eq!(news(&folder, &mut mark), (lines, false));
    assert_eq!(news(&folder, &mut mark), (Vec::new(), false));
}

#[test]
fn a_line_that_a_crash_cut_spoils_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut feed = open(&folder);
    feed.append(&began(1)).expect("it is told");
    feed.file.write_all(b"+ 00000000000000").expect("it is written");
    let mut mark = None;
    assert_eq!(news(&folder, &mut mark).0, [began(1)]);
    drop(feed);
    let mut feed = open(&folder);
    feed.append(&began(2)).expect("it is told");
    assert_eq!(news(&folder, &mut mark), (vec![began(2)], false));
}

#[test]
fn full_files_get_successors_and_who_comes_too_late_learns_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut feed = open(&folder);
    let mut follower = None;
    let (mut told, mut heard) = (0, Vec::new());
    let mut sleeper = None;
    while feed.number < 3 {
        feed.append(&began(told)).expect("it is told");
        told += 1;
        if told == 1 {
            news(&folder, &mut sleeper);
        }
        if told % 1000 == 0 {
            let (lines, is_gap) = news(&folder, &mut follower);
            assert!(!is_gap);
            heard.extend(lines);
        }
    }
    heard.extend(news(&folder, &mut follower).0);
    assert_eq!(heard, (0..told).map(began).collect::<Vec<_>>());
    assert_eq!(files(folder.path()).expect("files"), [1, 2, 3]);
    let (lines, is_gap) = news(&folder, &mut sleeper);
    assert!(is_gap && lines.len() > 1000 && lines.last() == heard.last());
    let (lines, is_gap) = news(&folder, &mut None);
    assert!(is_gap && lines.last() == heard.last(), "who never read any cannot know either");
    drop(feed);
    open(&folder).append(&began(7)).expect("it is told");
    assert_eq!(news(&folder, &mut follower), (vec![began(7)], false));
}

#[test]
fn a_feed_that_is_lost_or_shorter_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut feed = open(&folder);
    feed.append(&began(1)).expect("it is told");
    let mut mark = None;
    news(&folder, &mut mark);
    feed.file.set_len(0).expect("it is cut");
    assert_eq!(news(&folder, &mut mark), (Vec::new(), true));
    fs::remove_file(path(folder.path(), 0)).expect("it goes");
    assert_eq!(news(&folder, &mut mark), (Vec::new(), false), "nothing there tells of nothing");
    let mut feed =
        Feed::open(folder.path().to_owned(), "2026-01-01T00:00:00Z".parse().expect("a time")).expect("a feed");
    feed.append(&began(2)).expect("it is told");
    assert_eq!(news(&folder, &mut mark), (vec![began(2)], true));
}
