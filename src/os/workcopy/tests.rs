//! Real folders, copied.

#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests compare with the real clock, and start a process to stand in a folder"
)]

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::SystemTime,
};

use tempfile::TempDir;

use super::*;
use crate::{
    model::{
        id::{JobKind, JobName},
        job::{Manifest, Script},
    },
    os::scan::{Scan, ScanTime, hash::Seen, scan_job},
};

mod contents;

#[test]
fn nothing_is_left_of_a_copy_that_is_made_while_the_host_ends() {
    let world = World::new();
    (0..2000).for_each(|n| world.write(&format!("f{n}"), "x", 0o644));
    let (copies, job) = (world.copies(), world.job());
    let folder = world.temp().join("jobs/triggered/j");
    let copied = std::thread::scope(|scope| {
        let copying = scope.spawn(|| copies.prepare(&job));
        while !folder.exists() && !copying.is_finished() {
            std::thread::yield_now();
        }
        assert!(copies.clear().is_empty());
        copying.join().expect("no panic")
    });
    // It was left off, or it was whole in time: then its run gives it up.
    drop(copied);
    assert_eq!(fs::read_dir(&folder).map_or(0, Iterator::count), 0);
    assert!(copies.prepare(&job).is_err(), "nothing is copied any more");
}

#[test]
fn a_copy_is_like_its_source() {
    let world = World::new();
    let root = world.source();
    world.write("bin/tool", "tool", 0o755);
    world.write("settings.job", "{}", 0o644);
    world.write("big", &"x".repeat(300_000), 0o600);
    fs::create_dir_all(root.join("empty/deep")).expect("made");
    symlink("bin/tool", root.join("link")).expect("linked");
    symlink("/etc", root.join("out")).expect("linked");
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::open(root.join("bin/tool")).and_then(|file| file.set_modified(old)).expect("set");
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o555)).expect("set");

    let copies = world.copies();
    let copy = copies.prepare(&world.job()).expect("a copy");
    let to = |path: &str| copy.root().join(path);
    assert_eq!(fs::read_to_string(to("run.sh")).expect("there"), "echo");
    assert_eq!(fs::metadata(to("big")).expect("there").len(), 300_000);
    assert_eq!(fs::metadata(to("bin/tool")).expect("there").mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(to("bin/tool")).and_then(|tool| tool.modified()).expect("there"), old);
    assert_eq!(fs::metadata(to("empty")).expect("there").mode() & 0o7777, 0o555);
    assert!(to("empty/deep").is_dir() && to("settings.job").is_file());
    assert_eq!(fs::read_link(to("link")).expect("there"), Path::new("bin/tool"));
    assert_eq!(fs::read_link(to("out")).expect("there"), Path::new("/etc"));
    assert_ne!(
        fs::metadata(to("run.sh")).expect("there").ino(),
        fs::metadata(root.join("run.sh")).expect("there").ino()
    );
    // Folders without the right to write go as well.
    copies.forget(&world.id);
    let path = copy.root().into_owned();
    drop(copy);
    assert!(copies.collect().is_empty() && !path.exists());
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o755)).expect("set");
}

#[test]
fn runs_of_one_content_share_a_copy_and_it_stays_while_one_of_them_lives() {
    let world = World::new();
    let copies = world.copies();
    let first = copies.prepare(&world.job()).expect("a copy");
    assert_eq!(first.root(), copies.prepare(&world.job()).expect("a copy").root());
    assert!(copies.collect().is_empty() && first.root().exists());

    world.write("run.sh", "echo second", 0o644);
    let second = copies.prepare(&world.job()).expect("a copy");
    assert_ne!(first.root(), second.root());
    assert!(copies.collect().is_empty() && first.root().exists(), "a run still uses it");
    let path = first.root().into_owned();
    drop(first.clone());
    drop(first);
    assert!(path.exists(), "dropping does not delete");
    assert!(copies.collect().is_empty() && !path.exists());
    drop(second);
    let again = copies.prepare(&world.job()).expect("a copy");
    assert!(copies.collect().is_empty() && again.root().exists(), "the newest stays");
}

#[test]
fn a_folder_with_little_in_it_is_copied_at_once_and_nothing_is_left_of_one_with_more() {
    let world = World::new();
    if near::device(world.base.path()).is_none() {
        // On a file system that is not known to be near, nothing is.
        assert!(world.copies().at_once(&world.job()).is_none());
        return;
    }
    let copies = world.copies();
    let link = world.base.path().join("link");
    symlink(world.source(), &link).expect("linked");
    let elsewhere = Job { root: link.into(), ..world.job() };
    assert!(copies.at_once(&elsewhere).is_none(), "a link may lead to a share");
    let little = copies.at_once(&world.job()).expect("one file");
    assert_eq!(fs::read_to_string(little.root().join("run.sh")).expect("there"), "echo");
    assert_eq!(copies.prepare(&world.job()).expect("a copy").root(), little.root(), "it is the job's copy");
    assert_eq!(copies.at_once(&world.job()).expect("a copy").root(), little.root());

    // What does not count as content is copied, too, and may be large.
    let folder = world.temp().join("jobs/triggered/j");
    for (path, bytes) in [(".git/pack", 70_000), ("data", 70_000)] {
        world.write(path, &"x".repeat(bytes), 0o644);
        world.write("run.sh", path, 0o644);
        assert!(copies.at_once(&world.job()).is_none(), "{path} is large");
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 1, "what was begun is gone");
        let copied = copies.prepare(&world.job()).expect("a copy");
        assert_eq!(copies.at_once(&world.job()).expect("it is there now").root(), copied.root());
        drop(copied);
        fs::remove_file(world.source().join(path)).expect("removed");
        copies.forget(&world.id);
        assert!(copies.collect().is_empty());
    }
    (0..5).for_each(|n| world.write(&format!("{n}"), "", 0o644));
    let little = copies.at_once(&world.job()).expect("one folder and six files, five of them empty");
    assert!(little.root().join("4").exists());
    (0..20).for_each(|n| world.write(&format!(".git/{n}"), "x", 0o644));
    world.write("run.sh", "with many", 0o644);
    assert!(copies.at_once(&world.job()).is_none(), "they are many");
    (0..20).for_each(|n| fs::remove_file(world.source().join(format!(".git/{n}"))).expect("removed"));
    (0..20).for_each(|n| world.write(&format!("{n}"), "x", 0o644));
    assert!(copies.at_once(&world.job()).is_none(), "they are many");
}

#[test]
fn a_copy_that_a_job_changed_is_not_used_again() {
    let world = World::new();
    let copies = world.copies();
    let first = copies.prepare(&world.job()).expect("a copy");
    fs::write(first.root().join("result"), "of the job").expect("written");
    assert_eq!(copies.prepare(&world.job()).expect("a copy").root(), first.root(), "what it adds stays");
    fs::write(first.root().join("run.sh"), "echo other").expect("written");
    let second = copies.prepare(&world.job()).expect("a copy");
    assert_ne!(second.root(), first.root());
    assert_eq!(fs::read_to_string(second.root().join("run.sh")).expect("there"), "echo");
    assert_eq!(fs::read_to_string(world.source().join("run.sh")).expect("there"), "echo");
}

#[test]
fn what_changed_since_it_was_seen_is_not_run() {
    let changes: [Change; 6] = [
        ("run.sh", |world| world.write("run.sh", "echO", 0o644)),
        ("run.sh", |world| world.write("run.sh", "echo", 0o755)),
        ("run.sh", |world| fs::remove_file(world.source().join("run.sh")).expect("removed")),
        ("new", |world| world.write("new", "", 0o644)),
        ("link", |world| {
            fs::remove_file(world.source().join("link")).expect("removed");
            symlink("other", world.source().join("link")).expect("linked");
        }),
        ("", |world| fs::remove_dir_all(world.source()).expect("removed")),
    ];
    for (expected, change) in changes {
        let world = World::new();
        symlink("run.sh", world.source().join("link")).expect("linked");
        let job = world.job();
        change(&world);
        let copies = world.copies();
        match copies.prepare(&job) {
            Err(CopyError::Changed { file }) => assert_eq!(file, expected),
            other => panic!("{expected}: {other:?}"),
        }
        copies.collect();
        assert!(remove::copies_in(&world.temp().join("jobs")).is_empty(), "nothing half-made stays");
    }
}

#[test]
fn a_job_in_place_gets_its_own_folder() {
    let world = World::new();
    let mut job = world.job();
    std::sync::Arc::make_mut(&mut job.settings).is_in_place = Some(true);
    let copies = world.copies();
    let place = copies.prepare(&job).expect("its folder");
    assert_eq!(place.root(), world.source());
    drop(place);
    copies.forget(&world.id);
    assert!(copies.collect().is_empty() && world.source().exists());
}

#[test]
fn leftovers_go_at_the_next_start_but_not_under_a_process() {
    let world = World::new();
    let copies = world.copies();
    let [used, unused] = ["used", "unused"].map(|text| {
        world.write("run.sh", text, 0o644);
        copies.prepare(&world.job()).expect("a copy").root().into_owned()
    });
    assert!(used.exists() && matches!(WorkCopies::open(&world.temp()), Err(CopyError::InUse { .. })));
    // As after a kill: nothing was given back.
    drop(copies);
    let mut sleeper = Command::new("sleep").arg("60").current_dir(&used).spawn().expect("started");
    let copies = world.copies();
    let fresh = copies.prepare(&world.job()).expect("a copy");
    assert!(copies.sweep().is_empty());
    assert!(used.exists() && !unused.exists() && fresh.root().exists());
    sleeper.kill().expect("killed");
    sleeper.wait().expect("waited");
    drop((fresh, copies));
    assert!(world.copies().sweep().is_empty() && !used.exists());
}

#[test]
fn leftovers_of_a_host_that_is_long_dead_go_and_those_of_a_living_one_stay() {
    let world = World::new();
    let [ours, dead, alive] = ["ours", "dead", "alive"].map(|name| world.base.path().join("temp").join(name));
    let ours = WorkCopies::open(&ours).expect("open");
    let [dead, alive] = [dead, alive].map(|temp| WorkCopies::open(&temp).expect("open"));
    let [of_dead, of_alive] =
        [&dead, &alive].map(|copies| copies.prepare(&world.job()).expect("a copy").root().into_owned());
    drop(dead);
    let now = Wall::try_from(now()).expect("a time");
    assert!(ours.sweep_dead_hosts(now).is_empty() && of_dead.exists(), "it may be about to start again");
    let later = now + jiff::SignedDuration::from_hours(25);
    // A process that another test starts in this moment has the lock of the dead until it is its program.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while of_dead.exists() && std::time::Instant::now() < deadline {
        assert!(ours.sweep_dead_hosts(later).is_empty());
        std::thread::yield_now();
    }
    assert!(!of_dead.exists() && of_alive.exists());
}

#[test]
fn a_temporary_folder_that_others_could_change_is_refused() {
    let base = tempfile::tempdir().expect("a folder");
    let real = base.path().join("real");
    fs::create_dir(&real).expect("made");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).expect("set");
    private_folder(&real).expect("it is ours");
    assert_eq!(fs::metadata(&real).expect("there").mode() & 0o777, 0o700);
    symlink(&real, base.path().join("link")).expect("linked");
    assert!(matches!(private_folder(&base.path().join("link")), Err(CopyError::Unsafe { .. })));
    let open = base.path().join("open");
    fs::create_dir(&open).expect("made");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("set");
    assert!(matches!(private_folder(&open.join("temp")), Err(CopyError::Unsafe { .. })));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).expect("set");
    private_folder(&open.join("temp")).expect("safe in a sticky folder");
}

/// The file that is named, and what is done to the folder.
type Change = (&'static str, fn(&World));

/// A job's folder and a place for its copies.
struct World {
    base: TempDir,
    id: JobId,
}

impl World {
    fn new() -> Self {
        let base = tempfile::tempdir().expect("a folder");
        let id = JobId { kind: JobKind::Triggered, name: JobName::parse("j").expect("a name") };
        let world = Self { base, id };
        fs::create_dir_all(world.source()).expect("made");
        world.write("run.sh", "echo", 0o644);
        world
    }

    fn source(&self) -> PathBuf {
        self.base.path().join("jobs/triggered/j")
    }

    fn temp(&self) -> PathBuf {
        self.base.path().join("temp/host")
    }

    /// A process that another test starts may hold the lock until it has become another program.
    fn copies(&self) -> WorkCopies {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            match WorkCopies::open(&self.temp()).map(|copies| copies.near(self.base.path())) {
                Err(CopyError::InUse { .. }) if std::time::Instant::now() < deadline => std::thread::yield_now(),
                opened => return opened.expect("open"),
            }
        }
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.source().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
    }

    /// The job as a scan sees it now, with a content that is as different as its files.
    fn job(&self) -> Job {
        let time = ScanTime { now: Wall::try_from(now()).expect("a time"), quiet: Duration::ZERO };
        let Scan::Seen(listing) = scan_job(&self.id, &self.source().into(), &mut Seen::default(), time) else {
            panic!("the folder is there")
        };
        let facts = listing.entries.iter().filter_map(|(path, entry)| Some((path.clone(), entry.fact()?)));
        let files: Manifest = facts.filter(|(path, _)| !crate::model::listing::is_beside_content(path)).collect();
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{files:?}").as_bytes());
        Job {
            id: self.id.clone(),
            root: self.source().into(),
            script: Arc::new(Script {
                run_command: "run.sh".to_owned(),
                dir: Path::new("").into(),
                script_host: "BashScriptHost",
                program: vec!["bash".to_owned(), "run.sh".to_owned()],
                in_place_default: false,
            }),
            settings: std::sync::Arc::default(),
            content: crate::os::scan::hash::short(&hasher),
            files,
            disable_marker: false,
        }
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}
