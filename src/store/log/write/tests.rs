//! Logs in a temporary folder.

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    model::time::Mono,
    store::log::{LogView, parts::Part},
};

fn at(seconds: u64) -> Now {
    let wall: crate::model::time::Wall = "2026-01-02T03:04:05Z".parse().unwrap();
    Now { mono: Mono::default(), wall }.after(Duration::from_secs(seconds))
}

fn writer(dir: &Path, max_size: u64, keep: u32) -> LogWriter {
    packed_after(Duration::ZERO, dir, max_size, keep)
}

fn packed_after(delay: Duration, dir: &Path, max_size: u64, keep: u32) -> LogWriter {
    let name = LogName::new("job_log.txt");
    let file = LogFile { dir: dir.into(), name, sharing: Sharing::Shared };
    let style = LineStyle { instance: "host01".into(), format: Default::default() };
    let policy = LogPolicy { max_size, keep, max_age: Duration::from_secs(3600 * 24 * 365 * 100) };
    let packer = Packer::new(delay, || ());
    let alike = Alike { instance: Instance::new("host01"), style: Arc::new(style), packer };
    LogWriter::new(file, Arc::new(alike), policy)
}

fn parts_of(dir: &Path) -> Vec<Part> {
    parts::list(dir, &LogName::new("job_log.txt")).unwrap()
}

fn whole(dir: &Path) -> String {
    let mut view = LogView::open(dir, &LogName::new("job_log.txt")).unwrap();
    let (mut text, mut at) = (Vec::new(), view.start());
    while at < view.end() {
        let chunk = view.range(at, 1 << 20).unwrap();
        assert_eq!(chunk.start, at, "no gap");
        at = chunk.end();
        text.extend_from_slice(&chunk.bytes);
    }
    String::from_utf8(text).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for a thread has a deadline")]
fn eventually(what: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !what() {
        assert!(Instant::now() < until, "not in time");
        thread::yield_now();
    }
}

#[test]
fn blocks_of_several_pumps_are_rolled_and_packed_without_a_lost_or_torn_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(writer(dir.path(), 10_000, 1000));
    let pump = |own: usize| {
        let log = Arc::clone(&log);
        move || {
            for n in (0..3000).step_by(3) {
                let block = format!("{own} {n}\n{own} {}\n{own} {}\n", n + 1, n + 2);
                assert_eq!(log.append(block.as_bytes(), at(0)), block.len());
            }
        }
    };
    let pumps: Vec<_> = (0..4).map(|own| thread::spawn(pump(own))).collect();
    (0..100).for_each(|n| log.sys(Level::Info, at(0), &format!("Status {n}")));
    pumps.into_iter().for_each(|pump| pump.join().unwrap());
    eventually(|| parts_of(dir.path()).iter().all(|part| part.is_packed && !part.is_plain));

    let text = whole(dir.path());
    for own in 0..4 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{own} ")));
        assert!(lines.map(|n| n.parse::<u32>().unwrap()).eq(0..3000), "{own}");
    }
    assert_eq!(text.lines().filter(|line| line.contains(": SYS INFO] Status ")).count(), 100);
    let parts = parts_of(dir.path());
    assert!(parts.len() > 5 && parts.iter().all(|part| part.end - part.start <= 10_000), "{parts:?}");
    assert_eq!(log.position(at(0)).unwrap().offset, text.len() as u64);
}

#[test]
fn webjobds_own_lines_have_one_beginning_each() {
    let dir = tempfile::tempdir().unwrap();
    let log = writer(dir.path(), 1000, 1);
    log.sys(Level::Err, at(0), "WebJob run failed due to: no space\r\n   at copy\n");
    log.sys(Level::Info, at(1), "");
    let stamp = "> host01: SYS";
    assert_eq!(
        whole(dir.path()),
        format!(
            "[01/02/2026 03:04:05 {stamp} ERR ] WebJob run failed due to: no space\n   at copy\n\
             [01/02/2026 03:04:06 {stamp} INFO] \n"
        )
    );
}

#[test]
fn lines_that_wait_for_another_are_written_with_it_and_stand_before_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let log = writer(dir.path(), 1000, 1);
    log.sys_before(Level::Info, at(0), "one");
    assert!(!dir.path().join("job_log.txt").exists(), "it waits");
    log.sys(Level::Info, at(0), "two");
    log.sys_before(Level::Info, at(0), "three");
    assert_eq!(log.append(b"four\n", at(0)), 5);
    log.sys_before(Level::Info, at(0), "five");
    let offset = log.position(at(0)).unwrap().offset;
    log.sys_before(Level::Info, at(0), "six");
    log.flush(at(0));
    let text = whole(dir.path());
    let words: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(words, ["one", "two", "three", "four", "five", "six"]);
    assert!(text[offset as usize..].ends_with("six\n") && text[offset as usize..].lines().count() == 1, "{text}");
}

#[test]
fn only_so_many_parts_are_kept_and_offsets_outlive_them() {
    let dir = tempfile::tempdir().unwrap();
    for keep in [2, 0] {
        let log = writer(dir.path(), 10, keep);
        let before = log.position(at(0)).unwrap().offset;
        (0..5).for_each(|_| assert_eq!(log.append(b"123456789\n", at(0)), 10));
        assert_eq!(parts_of(dir.path()).iter().filter(|part| !part.is_empty()).count(), keep as usize);
        assert_eq!(log.position(at(0)).unwrap().offset, before + 50);
        assert!(whole(dir.path()).lines().count() == keep as usize + 1);
    }
    assert_eq!(writer(dir.path(), 10, 0).position(at(0)).unwrap().offset, 100);
}

#[test]
fn parts_that_are_too_old_go() {
    let dir = tempfile::tempdir().unwrap();
    // A part that goes while it is packed is back until the next roll: here none is packed.
    let log = packed_after(Duration::from_secs(3600), dir.path(), 10, 100);
    (0..5).for_each(|_| assert_eq!(log.append(b"123456789\n", at(0)), 10));
    log.set_policy(LogPolicy { max_age: Duration::from_secs(60), ..LogPolicy::default() });
    let written = crate::model::time::Wall::try_from(std::time::SystemTime::UNIX_EPOCH).unwrap();
    log.prune(Now { wall: written, ..at(0) }).unwrap();
    assert_eq!(parts_of(dir.path()).len(), 4, "none of them is old yet");
    log.prune(Now { wall: "2100-01-01T00:00:00Z".parse().unwrap(), ..at(0) }).unwrap();
    assert_eq!(parts_of(dir.path()).iter().map(|part| (part.start, part.end)).collect::<Vec<_>>(), [(40, 40)]);
    assert_eq!(writer(dir.path(), 10, 1).position(at(0)).unwrap().name.current(), "job_log_host01.txt");
    log.release();
    assert_eq!(log.position(at(0)).unwrap().offset, 50);
}

#[test]
fn a_crash_at_any_step_leaves_a_log_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let name = LogName::new("job_log.txt");
    let file = |name: String| dir.path().join(name);
    fs::write(file(name.part(0, 4)), b"one\n").unwrap();
    fs::write(file(format!(".{}.17-0.tmp", name.packed(0, 4))), b"half").unwrap();
    fs::write(file(name.current()), b"two\nth").unwrap();
    let log = writer(dir.path(), 1000, 10);
    assert_eq!(log.append(b"four\n", at(0)), 5);
    assert_eq!(whole(dir.path()), "one\ntwo\nth\nfour\n");
    eventually(|| parts_of(dir.path()).iter().all(|part| part.is_packed && !part.is_plain));
    assert_eq!(whole(dir.path()), "one\ntwo\nth\nfour\n");
    assert!(fs::read_dir(dir.path()).unwrap().all(|entry| !entry.unwrap().path().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn in_a_folder_that_was_new_the_log_of_somebody_who_was_faster_goes_on() {
    let (dir, name) = (tempfile::tempdir().unwrap(), LogName::new("job_log.txt"));
    let open = |is_new| Current::open(&dir.path().into(), name.clone(), None, is_new, at(0)).unwrap();
    fs::write(dir.path().join(name.part(0, 5)), "old!\n").unwrap();
    fs::write(dir.path().join(name.current()), "new\n").unwrap();
    let (current, parts) = open(true);
    assert_eq!((current.end(), parts.len()), (9, 1));
    fs::remove_file(dir.path().join(name.current())).unwrap();
    assert_eq!(open(false).0.end(), 5);
}

#[test]
fn a_log_is_new_only_where_nobody_left_its_locks_file() {
    let (dir, name) = (tempfile::tempdir().unwrap(), LogName::new("job_log.txt"));
    let chosen = |is_new| {
        let (name, lock, is_new) = choose(dir.path(), &name, "b", is_new).unwrap();
        (name.current(), lock, is_new)
    };
    let (first, lock, is_new) = chosen(true);
    assert_eq!((&*first, is_new), ("job_log.txt", true));
    assert!(matches!(chosen(true), (own, None, false) if own == "job_log_b.txt"), "another host has it");
    drop(lock);
    assert!(matches!(chosen(true), (ours, Some(_), false) if ours == first), "another host had it");
    fs::remove_file(dir.path().join(name.lock())).unwrap();
    assert!(matches!(chosen(false), (ours, Some(_), false) if ours == first), "the folder was there");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_lines_says_so_and_loses_none_of_webjobds_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job_log.txt");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let log = writer(dir.path(), 1000, 1);
    assert_eq!(log.append(b"refused\n", at(0)), 0);
    log.flush(at(0));
    let problem = log.problem().expect("nothing was written since");
    assert!(problem.starts_with("failed to write the log `") && problem.contains("No space left"), "{problem}");
    log.sys(Level::Info, at(0), "held");
    assert_eq!(log.append(b"refused\n", at(0)), 0);

    fs::remove_file(&path).unwrap();
    assert_eq!(log.append(b"taken\n", at(2)), 6);
    assert_eq!(log.problem(), None);
    assert_eq!(fs::read_to_string(&path).unwrap(), "[01/02/2026 03:04:05 > host01: SYS INFO] held\ntaken\n");
}

#[test]
fn a_log_that_is_removed_or_emptied_under_the_writer_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job_log.txt");
    let log = writer(dir.path(), 1000, 10);
    log.append(b"one\n", at(0));
    fs::remove_file(&path).unwrap();
    log.append(b"two\n", at(2));
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");

    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    log.append(b"six\n", at(4));
    fs::rename(&path, dir.path().join("mine")).unwrap();
    log.append(b"ten\n", at(6));
    assert_eq!(log.position(at(6)).unwrap().offset, 16);
    let mut view = LogView::open(dir.path(), &LogName::new("job_log.txt")).unwrap();
    assert_eq!(view.range(0, 100).unwrap(), crate::store::log::Chunk { start: 12, bytes: b"ten\n".to_vec() });
}

#[test]
fn a_second_host_writes_beside_the_first_and_both_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (writer(dir.path(), 1000, 1), writer(dir.path(), 1000, 1));
    first.append(b"one\n", at(0));
    second.append(b"two\n", at(0));
    assert_eq!(fs::read_to_string(dir.path().join("job_log_host01.txt")).unwrap(), "two\n");
    let found = LogName::new("job_log.txt").with_siblings(dir.path()).unwrap();
    assert_eq!(found.iter().map(LogName::current).collect::<Vec<_>>(), ["job_log.txt", "job_log_host01.txt"]);
    first.release();
    second.release();
    second.append(b"three\n", at(0));
    assert_eq!(whole(dir.path()), "one\nthree\n");
}

#[test]
fn a_retired_log_does_not_bring_its_folder_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = writer(&dir.path().join("job"), 1000, 1);
    log.append(b"one\n", at(0));
    log.retire();
    fs::remove_dir_all(dir.path().join("job")).unwrap();
    assert_eq!(log.append(b"late\n", at(9)), 5);
    log.sys(Level::Info, at(9), "late");
    assert!(!dir.path().join("job").exists());
}
