//! Real folders, watched.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests compare with the real clock")]

use std::{fs, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::model::id::{JobKind, JobName};

#[tokio::test]
async fn a_folder_moved_in_is_told_apart_from_one_that_is_made_and_filled() {
    let temp = tempfile::tempdir().expect("a folder");
    let jobs = temp.path().join("jobs");
    fs::create_dir_all(jobs.join("continuous")).expect("made");
    fs::create_dir(temp.path().join("new")).expect("made");
    fs::write(temp.path().join("new/run.sh"), "echo").expect("written");
    let watch = started(&jobs).await;

    fs::rename(temp.path().join("new"), jobs.join("continuous/moved")).expect("moved");
    assert_eq!(until(&watch, &id("moved"), |kind, _| kind == HintKind::MovedIn).await, None);

    fs::create_dir(jobs.join("continuous/made")).expect("made");
    until(&watch, &id("made"), |_, _| true).await;
    // What is written before the new folder has a watch of its own is not seen.
    until_seen(&watch, &jobs, "made").await;

    fs::remove_dir_all(jobs.join("continuous/made")).expect("removed");
    until(&watch, &id("made"), |kind, _| kind == HintKind::Removed).await;
}

#[tokio::test]
async fn a_file_that_is_written_and_not_closed_is_said_to_be_so() {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("jobs/continuous/a");
    fs::create_dir_all(&folder).expect("made");
    let watch = started(&temp.path().join("jobs")).await;
    let mut file = fs::File::create(folder.join("big")).expect("made");
    io::Write::write_all(&mut file, b"part").expect("written");
    until(&watch, &id("a"), |kind, _| kind == HintKind::Writing).await;
    drop(file);
    until(&watch, &id("a"), |kind, _| kind == HintKind::Changed).await;
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_merely_read_makes_no_event() {
    let temp = tempfile::tempdir().expect("a folder");
    let file = temp.path().join("run.sh");
    fs::write(&file, "echo").expect("written");
    let (events, told) = std::sync::mpsc::channel();
    let mut watcher = notify::RecommendedWatcher::new(events, config()).expect("a watcher");
    watcher.watch(temp.path(), RecursiveMode::Recursive).expect("watched");
    for _ in 0..3 {
        fs::read(&file).expect("read");
        fs::read_dir(temp.path()).expect("listed").for_each(drop);
    }
    // Events come in order: the first is of what was written after all that was read.
    fs::write(&file, "echo again").expect("written");
    let first = told.recv_timeout(Duration::from_secs(30)).expect("it is told").expect("no error");
    assert!(first.kind.is_modify(), "{first:?}");
}

#[tokio::test]
async fn a_root_that_comes_goes_and_comes_again_is_watched() {
    let temp = tempfile::tempdir().expect("a folder");
    let jobs = temp.path().join("site/jobs");
    let watch = started(&jobs).await;
    for round in ["one", "two", "three"] {
        fs::create_dir_all(jobs.join("continuous").join(round)).expect("made");
        everything(&watch).await;
        until_seen(&watch, &jobs, round).await;
        fs::remove_dir_all(temp.path().join("site")).expect("removed");
        everything(&watch).await;
    }
}

#[tokio::test]
async fn a_root_that_is_replaced_by_another_is_watched() {
    let temp = tempfile::tempdir().expect("a folder");
    let jobs = temp.path().join("jobs");
    fs::create_dir_all(jobs.join("continuous/a")).expect("made");
    fs::create_dir_all(temp.path().join("next/continuous/b")).expect("made");
    let watch = started(&jobs).await;
    fs::rename(&jobs, temp.path().join("old")).expect("moved");
    fs::rename(temp.path().join("next"), &jobs).expect("moved");
    until_seen(&watch, &jobs, "b").await;
}

#[tokio::test]
async fn what_is_written_beside_the_root_reports_nothing_and_a_root_that_moves_unseen_is_looked_for() {
    let temp = tempfile::tempdir().expect("a folder");
    let jobs = temp.path().join("site/jobs");
    fs::create_dir_all(jobs.join("continuous/a")).expect("made");
    let keeper = {
        let (asks, _asked) = mpsc::sync_channel(1);
        Keeper { roots: vec![jobs.clone()], dirty: Arc::default(), asks }
    };
    let beside: Vec<PathBuf> = if cfg!(target_os = "linux") { Vec::new() } else { vec![temp.path().join("site")] };
    assert_eq!(keeper.parents(), beside);
    let watch = started(&jobs).await;
    fs::rename(temp.path().join("site"), temp.path().join("old")).expect("moved");
    fs::create_dir_all(jobs.join("continuous/b")).expect("made");
    watch.look_again();
    everything(&watch).await;
    until_seen(&watch, &jobs, "b").await;
}

#[tokio::test]
async fn a_job_folder_that_is_a_link_is_watched() {
    let temp = tempfile::tempdir().expect("a folder");
    let jobs = temp.path().join("jobs");
    fs::create_dir_all(jobs.join("continuous")).expect("made");
    fs::create_dir(temp.path().join("release")).expect("made");
    let watch = started(&jobs).await;
    std::os::unix::fs::symlink(temp.path().join("release"), jobs.join("continuous/a")).expect("linked");
    until_seen(&watch, &jobs, "a").await;
}

#[tokio::test]
async fn hundreds_of_files_are_one_hint_for_each_job() {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("jobs/continuous/a");
    fs::create_dir_all(&folder).expect("made");
    let watch = started(&temp.path().join("jobs")).await;
    for n in 0..400 {
        fs::create_dir(folder.join(format!("d{n}"))).expect("made");
        fs::write(folder.join(format!("d{n}/f")), "x").expect("written");
    }
    fs::write(folder.join("last"), "x").expect("written");
    until(&watch, &id("a"), |_, path| path.is_some_and(|path| path.starts_with('d'))).await;
    fs::read_dir(&folder).expect("read").for_each(drop);
    // Taking leaves nothing behind, and a bystander is never hinted at.
    let rest = timeout(Duration::from_millis(1), watch.next()).await.unwrap_or_default();
    assert!(rest.len() <= 1, "{rest:?}");
}

#[tokio::test]
async fn polling_says_so_once() {
    let watch = Watch::prepare(vec!["/nowhere".into()], WatchMode::PollOnly).expect("started");
    assert!(matches!(&watch.next().await[..], [Hint::Blind { .. }]));
    assert!(timeout(Duration::from_millis(1), watch.next()).await.is_err());
}

/// Starts a watch and waits until it is in place.
async fn started(root: &Path) -> Watch {
    let watch = Watch::prepare(vec![root.to_owned()], WatchMode::Events).expect("started");
    watch.begin();
    everything(&watch).await;
    watch
}

async fn everything(watch: &Watch) {
    loop {
        let hints = next(watch).await;
        if hints.iter().any(|hint| matches!(hint, Hint::Everything { .. })) {
            return;
        }
    }
}

/// Waits for a hint about a job that is as `wanted`, and returns its path.
async fn until(watch: &Watch, wanted: &JobId, is: impl Fn(HintKind, Option<&str>) -> bool) -> Option<String> {
    loop {
        for hint in next(watch).await {
            match hint {
                Hint::Job { id, kind, path } if id == *wanted && is(kind, path.as_deref()) => return path,
                Hint::Job { id, .. } => assert_eq!(&id, wanted),
                Hint::Everything { .. } => {}
                Hint::Blind { why } => panic!("{why}"),
            }
        }
    }
}

/// Writes into a job's folder again and again until a write is noticed: the watches are being set up meanwhile.
async fn until_seen(watch: &Watch, jobs: &Path, name: &str) {
    let folder = jobs.join("continuous").join(name);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while tokio::time::Instant::now() < deadline {
        fs::write(folder.join("run.sh"), "echo").expect("written");
        let hints = timeout(Duration::from_millis(50), watch.next()).await.unwrap_or_default();
        let inner = |hint: &Hint| matches!(hint, Hint::Job { id, path: Some(_), .. } if id.name.as_str() == name);
        if hints.iter().any(inner) {
            return;
        }
    }
    panic!("a change in {} was never noticed", folder.display());
}

async fn next(watch: &Watch) -> Vec<Hint> {
    timeout(Duration::from_secs(30), watch.next()).await.expect("a hint within 30 s")
}

fn id(name: &str) -> JobId {
    JobId { kind: JobKind::Continuous, name: JobName::parse(name).expect("a name") }
}
