//! Real folders, read.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests compare with the real clock")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    time::SystemTime,
};

use super::{programs::Programs, *};
use crate::model::id::{JobKind, JobName};

#[test]
fn a_listing_has_everything_that_discovery_asks_for() {
    let temp = tempfile::tempdir().expect("a folder");
    let root = temp.path();
    fs::create_dir_all(root.join("inner/empty")).expect("made");
    write(&root.join("inner/run.sh"), "#!/bin/sh\n", 0o755);
    write(&root.join("inner/Settings.Job"), "\u{feff}{}", 0o644);
    write(&root.join("inner/empty/deep.sh"), "echo", 0o644);
    symlink("run.sh", root.join("inner/same")).expect("linked");
    symlink("/etc/hostname", root.join("inner/out")).expect("linked");
    symlink("../../x", root.join("inner/up")).expect("linked");
    symlink("nothing", root.join("inner/dead")).expect("linked");
    rustix::fs::mknodat(rustix::fs::CWD, root.join("inner/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a pipe");

    let listing = scan(root, &mut Seen::default(), later());
    assert_eq!(listing.script_dir(), "inner");
    assert_eq!(listing.settings["inner/Settings.Job"], "{}");
    assert_eq!(listing.heads["inner/run.sh"], b"#!/bin/sh\n");
    assert!(!listing.heads.contains_key("inner/empty/deep.sh"));
    let kind = |path: &str| listing.entries[path].kind.clone();
    assert_eq!(kind("inner/same"), EntryKind::Link(LinkTo::File));
    assert!(listing.entries["inner/same"].is_executable());
    assert_eq!(kind("inner/out"), EntryKind::Link(LinkTo::Outside));
    assert_eq!(kind("inner/dead"), EntryKind::Link(LinkTo::Nothing));
    assert_eq!(kind("inner/pipe"), EntryKind::Other);
    assert_eq!(kind("inner/empty"), EntryKind::Folder);
    assert_eq!(listing.entries["inner/run.sh"].mode, 0o755);
    assert!(!listing.unsettled && listing.unreadable.is_empty());
}

#[test]
fn what_cannot_be_read_is_a_fact() {
    let temp = tempfile::tempdir().expect("a folder");
    write(&temp.path().join("run.sh"), "", 0o000);
    fs::create_dir(temp.path().join("closed")).expect("made");
    fs::set_permissions(temp.path().join("closed"), fs::Permissions::from_mode(0o000)).expect("closed");
    let listing = scan(temp.path(), &mut Seen::default(), later());
    // The superuser reads everything.
    if !rustix::process::geteuid().is_root() {
        let paths: Vec<_> = listing.unreadable.keys().map(String::as_str).collect();
        assert_eq!(paths, ["closed", "run.sh"]);
    }
    fs::set_permissions(temp.path().join("closed"), fs::Permissions::from_mode(0o700)).expect("opened");
}

#[test]
fn a_folder_at_rest_is_not_read_again_and_any_change_is_seen() {
    let temp = tempfile::tempdir().expect("a folder");
    let file = temp.path().join("run.sh");
    write(&file, "one", 0o644);
    let mut seen = Seen::default();
    let first = scan(temp.path(), &mut seen, later());
    assert_eq!(scan_job(&id("j"), &temp.path().into(), &mut seen, later()), Scan::Unchanged);

    write(&file, "second", 0o644);
    let second = scan(temp.path(), &mut seen, later());
    assert_ne!(first.entries["run.sh"].hash, second.entries["run.sh"].hash);
    write(&file, "second", 0o755);
    assert_eq!(scan(temp.path(), &mut seen, later()).entries["run.sh"].mode, 0o755);
    fs::write(temp.path().join("b"), "").expect("written");
    assert_eq!(scan(temp.path(), &mut seen, later()).entries.len(), 2);
    fs::remove_file(temp.path().join("b")).expect("removed");
    assert_eq!(scan(temp.path(), &mut seen, later()).entries.len(), 1);
}

#[test]
fn a_young_file_is_not_trusted() {
    let temp = tempfile::tempdir().expect("a folder");
    let file = temp.path().join("run.sh");
    write(&file, "one", 0o644);
    let mut seen = Seen::default();
    let young = ScanTime { quiet: Duration::from_secs(5), ..now() };
    assert!(scan(temp.path(), &mut seen, young).unsettled);
    let listing = scan(temp.path(), &mut seen, now());
    assert!(!listing.unsettled, "without a wish for quiet, a young file is fine");
    let again = scan_job(&id("j"), &temp.path().into(), &mut seen, now());
    assert!(matches!(again, Scan::Seen(_)), "its hash must not be remembered");
}

#[test]
fn job_folders_are_found_in_any_case_and_the_first_root_wins() {
    let temp = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a", "b"].map(|name| temp.path().join(name));
    for folder in
        ["a/Continuous/Worker", "a/triggered/.tmp", "a/triggered/report", "b/continuous/worker", "b/triggered/x"]
    {
        fs::create_dir_all(temp.path().join(folder)).expect("made");
    }
    fs::write(a.join("triggered/file"), "").expect("written");
    symlink(b.join("triggered/x"), a.join("triggered/linked")).expect("linked");
    let found = job_folders(&[a, b, temp.path().join("missing")]);
    let names: Vec<_> = found.jobs.keys().map(JobId::to_string).collect();
    assert_eq!(names, ["continuous/Worker", "triggered/linked", "triggered/report", "triggered/x"]);
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.unreadable.is_empty());
}

#[test]
fn one_folder_is_found_where_all_are_listed_or_left_to_the_list() {
    let temp = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a", "b"].map(|name| temp.path().join(name));
    for folder in [
        "a/continuous/plain",
        "a/continuous/case",
        "a/continuous/12",
        "a/continuous/.tmp",
        "a/continuous/é",
        "a/Triggered/other",
        "b/triggered/second",
        "a/continuous/both",
        "a/continuous/BOTH",
    ] {
        fs::create_dir_all(temp.path().join(folder)).expect("made");
    }
    fs::write(a.join("continuous/file"), "").expect("written");
    // What a folder without regard to case shows: another name of the same thing.
    symlink(a.join("continuous/case"), a.join("continuous/CASE")).expect("linked");
    symlink(b.join("triggered/second"), a.join("continuous/linked")).expect("linked");
    symlink(b.join("nowhere"), a.join("continuous/dangling")).expect("linked");
    let roots = [a, b];
    let plain = |kind, name: &str| {
        let id = JobId { kind, name: JobName::parse(name).expect("a name") };
        let found = plain_folder(&roots, &id);
        let listed = job_folders(&roots).jobs.get(&id).cloned();
        assert!(found.is_none() || found == listed, "{id}: {found:?}, {listed:?}");
        found.is_some()
    };
    for (kind, name, is_plain) in [
        (JobKind::Continuous, "plain", true),
        (JobKind::Continuous, "linked", true),
        (JobKind::Continuous, "both", true),
        (JobKind::Continuous, "BOTH", true),
        (JobKind::Continuous, "case", false),
        (JobKind::Continuous, "12", true),
        (JobKind::Continuous, ".tmp", false),
        (JobKind::Continuous, "é", false),
        (JobKind::Continuous, "file", false),
        (JobKind::Continuous, "dangling", false),
        (JobKind::Continuous, "missing", false),
        (JobKind::Triggered, "other", false),
        (JobKind::Triggered, "second", false),
    ] {
        assert_eq!(plain(kind, name), is_plain, "{kind} {name}");
    }
    symlink(roots[0].join("continuous"), roots[0].join("CONTINUOUS")).expect("linked");
    assert!(!plain(JobKind::Continuous, "plain") && !plain(JobKind::Continuous, "12"));
}

#[test]
fn many_folders_are_scanned_at_once() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut folders = BTreeMap::new();
    for n in 0..500 {
        let name = format!("j{n}");
        let root = temp.path().join(&name);
        fs::create_dir(&root).expect("made");
        write(&root.join("run.sh"), "echo", 0o644);
        folders.insert(id(&name), root.into());
    }
    folders.insert(id("gone"), temp.path().join("gone").into());
    let mut cache = HashCache::default();
    let count = |cache: &mut HashCache, wanted: fn(&Scan) -> bool| {
        scan_all(&folders, cache, |_| later(), |_, scan| usize::from(wanted(&scan))).into_iter().sum::<usize>()
    };
    assert_eq!(count(&mut cache, |scan| matches!(scan, Scan::Seen(_))), 500);
    assert_eq!(count(&mut cache, |scan| *scan == Scan::Unchanged), 500);
    cache.forget(&id("j7"));
    assert_eq!(count(&mut cache, |scan| *scan == Scan::Gone), 1);
}

#[test]
fn of_many_files_in_one_folder_each_has_its_own_hash() {
    let temp = tempfile::tempdir().expect("a folder");
    for n in 0..500 {
        write(&temp.path().join(format!("f{n}")), &format!("{n}"), 0o644);
    }
    let mut seen = Seen::default();
    for _ in 0..2 {
        let listing = scan(temp.path(), &mut seen, later());
        for n in 0..500 {
            let (name, text) = (format!("f{n}"), format!("{n}"));
            assert_eq!(listing.entries[&name].hash, hash::bytes(text.as_bytes()));
            assert_eq!(listing.heads[&name], text.as_bytes());
        }
        // Then they are remembered, all but one.
        write(&temp.path().join("f7"), "7", 0o600);
    }
}

#[test]
fn each_folder_is_asked_for_its_own_rest() {
    let temp = tempfile::tempdir().expect("a folder");
    let folders: BTreeMap<_, Arc<Path>> = ["known", "new"].map(|name| (id(name), temp.path().join(name).into())).into();
    for root in folders.values() {
        fs::create_dir(root).expect("made");
        write(&root.join("run.sh"), "echo", 0o644);
    }
    let rest = |job: &JobId| Duration::from_hours(if *job == id("new") { 1 } else { 0 });
    let time = |job: &JobId| ScanTime { quiet: rest(job), ..now() };
    let scans = scan_all(&folders, &mut HashCache::default(), time, |job, scan| (job.clone(), scan));
    let unsettled = scans.into_iter().filter(|(_, scan)| matches!(scan, Scan::Seen(listing) if listing.unsettled));
    assert_eq!(unsettled.map(|(job, _)| job).collect::<Vec<_>>(), [id("new")]);
}

#[test]
fn a_program_is_found_in_the_path_when_it_can_be_executed() {
    let temp = tempfile::tempdir().expect("a folder");
    write(&temp.path().join("yes"), "", 0o755);
    write(&temp.path().join("no"), "", 0o644);
    let programs = Programs::new(Some(temp.path().as_os_str()));
    assert!(programs.exists("yes") && !programs.exists("no") && !programs.exists("none"));
    assert!(programs.exists("/bin/sh") && !programs.exists("/bin"));
}

fn scan(root: &Path, seen: &mut Seen, time: ScanTime) -> FolderListing {
    match scan_job(&id("j"), &root.into(), seen, time) {
        Scan::Seen(listing) => *listing,
        other @ (Scan::Gone | Scan::Unchanged) => panic!("{other:?}"),
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

fn id(name: &str) -> JobId {
    JobId { kind: JobKind::Triggered, name: JobName::parse(name).expect("a name") }
}

fn now() -> ScanTime {
    let now = Wall::try_from(SystemTime::UNIX_EPOCH.max(clock())).expect("a time");
    ScanTime { now, quiet: Duration::ZERO }
}

/// As if a minute had passed since everything was written.
fn later() -> ScanTime {
    ScanTime { now: now().now + jiff::SignedDuration::from_secs(60), quiet: Duration::from_millis(250) }
}

fn clock() -> SystemTime {
    SystemTime::now()
}
