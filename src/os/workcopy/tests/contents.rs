//! What is in a folder, and in its copy.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use super::*;

#[test]
fn a_folder_of_many_files_is_copied_whole_or_not_at_all() {
    let world = World::new();
    let path = |n: usize| format!("part{}/f{n}", n % 7);
    (0..LOOKED_AT_MAX).for_each(|n| world.write(&path(n), &format!("{n}"), if n % 2 == 0 { 0o644 } else { 0o755 }));
    let (copies, job) = (world.copies(), world.job());
    let copy = copies.prepare(&job).expect("a copy");
    for n in 0..LOOKED_AT_MAX {
        let copied = copy.root().join(path(n));
        assert_eq!(fs::read_to_string(&copied).expect("there"), format!("{n}"));
        assert_eq!(fs::metadata(&copied).expect("there").mode() & 0o7777, if n % 2 == 0 { 0o644 } else { 0o755 });
    }
    // Of so many, only the script is looked at before the copy is used again.
    fs::write(copy.root().join(path(0)), "other").expect("written");
    assert_eq!(copies.prepare(&job).expect("the same").root(), copy.root());
    fs::write(copy.root().join("run.sh"), "another").expect("written");
    assert_ne!(copies.prepare(&job).expect("another").root(), copy.root());

    // One of them is not as it was seen.
    copies.forget(&world.id);
    drop(copy);
    assert!(copies.collect().is_empty());
    world.write(&path(5), "late", 0o755);
    let refused = copies.prepare(&job);
    assert!(matches!(&refused, Err(CopyError::Changed { file }) if *file == path(5)), "{refused:?}");
    assert_eq!(fs::read_dir(world.temp().join("jobs/triggered/j")).expect("there").count(), 0, "nothing is left");
    fs::remove_file(world.source().join(path(5))).expect("removed");
    let refused = copies.prepare(&job);
    assert!(matches!(&refused, Err(CopyError::Changed { file }) if *file == path(5)), "{refused:?}");
}

#[test]
fn what_nobody_compares_may_go_while_a_folder_is_copied() {
    let world = World::new();
    for path in [".git/index.lock", ".git/objects/ab/one", ".run.sh.swp", "run.sh~", "settings.job"] {
        world.write(path, "{}", 0o644);
    }
    symlink("somebody@somewhere", world.source().join(".#run.sh")).expect("linked");
    let job = world.job();
    let copy_without = |gone: &[&str], to: &str| {
        let is_first = AtomicBool::new(true);
        // Their names are listed by now.
        let go_on = |_| {
            if is_first.swap(false, Ordering::Relaxed) {
                for path in gone.iter().map(|path| world.source().join(path)) {
                    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
                }
            }
            Ok(())
        };
        let to = world.base.path().join(to);
        copy::tree(&job, &to, &copy::Plan { go_on: &go_on, looked_at: &|_| true }).map(|_| to)
    };
    let to = copy_without(&[".git", ".run.sh.swp", "run.sh~", ".#run.sh"], "one").expect("the rest");
    let names = fs::read_dir(to).expect("there").flatten().map(|entry| entry.file_name());
    assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from(["run.sh", "settings.job"].map(Into::into)));
    // A script may read its settings.
    assert!(
        matches!(copy_without(&["settings.job"], "two"), Err(CopyError::Changed { file }) if file == "settings.job")
    );
}
