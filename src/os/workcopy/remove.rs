//! Deletes copies: whole, without following links, and never under a process.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    thread,
};

/// Fewer copies than this are deleted by one thread.
const SHARED_FROM: usize = 64;

/// A copy that nobody needs any more.
#[derive(Debug)]
pub(super) struct Unneeded {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// What is in it, as far as that is known.
    pub(super) known: Vec<String>,
}

impl Unneeded {
    /// Deletes it: most hold a file or two, and need not be listed.
    pub(super) fn remove(&self) -> io::Result<()> {
        let is_gone = !self.known.is_empty() && self.remove_known() && fs::remove_dir(&self.path).is_ok();
        if is_gone { Ok(()) } else { tree(&self.path) }
    }

    /// Deletes what is known to be in it and tells whether that may be all: what else is there keeps the folder.
    #[cfg(unix)]
    fn remove_known(&self) -> bool {
        use rustix::fs::{AtFlags, Mode, OFlags, open, unlinkat};
        // A job may have put a link where its folder was.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = open(&self.path, flags, Mode::empty()) else { return false };
        self.known.iter().all(|file| !file.contains('/') && unlinkat(&folder, file, AtFlags::empty()).is_ok())
    }

    /// Deletes nothing by name.
    #[cfg(not(unix))]
    fn remove_known(&self) -> bool {
        false
    }
}

/// Deletes copies, many of them with a second thread. Returns what could not be deleted.
pub(super) fn all(copies: Vec<Unneeded>) -> Vec<(PathBuf, io::Error)> {
    fn failed(copies: &[Unneeded]) -> Vec<(PathBuf, io::Error)> {
        copies.iter().filter_map(|copy| copy.remove().err().map(|error| (copy.path.clone(), error))).collect()
    }
    if copies.len() < SHARED_FROM {
        return failed(&copies);
    }
    let (some, others) = copies.split_at(copies.len() / 2);
    thread::scope(|scope| {
        let begun = thread::Builder::new().spawn_scoped(scope, || failed(some));
        let mut left = failed(others);
        // Without a thread to spare this one does all; a panic is told by the runtime of the thread.
        left.extend(begun.map_or_else(|_| failed(some), |begun| begun.join().unwrap_or_default()));
        left
    })
}

/// Deletes a folder with all that is in it; one that is gone is fine.
pub(super) fn tree(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        // A job's folder may lack the right to write, and so does its copy.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Deletes those folders in which no process stands. Returns what could not be deleted.
pub(super) fn unused(paths: Vec<PathBuf>) -> Vec<(PathBuf, io::Error)> {
    if paths.is_empty() {
        return Vec::new();
    }
    let stood_in = stood_in();
    let free = paths.into_iter().filter(|path| !stood_in.iter().any(|place| place.starts_with(path)));
    let gone = free.filter_map(|path| {
        let left = tree(&path).err().map(|error| (path.clone(), error));
        // The folder of the job goes with its last copy.
        if left.is_none() {
            let _ = path.parent().map(fs::remove_dir);
        }
        left
    });
    gone.collect()
}

/// Removes what is left of a host's temporary folder when it holds no copies any more: the folders of its jobs, and last,
/// unless something else lies in it, its lock and itself. Whoever calls holds the lock: one that takes it meanwhile looks
/// whether it is still in its place.
pub(super) fn temp(temp: &Path) {
    for folder in ["jobs", "shutdown"].map(|name| temp.join(name)) {
        empty(&folder, 2);
        let _ = fs::remove_dir(folder);
    }
    let entries = fs::read_dir(temp).into_iter().flatten().flatten();
    if cfg!(unix) && entries.map(|entry| entry.file_name()).eq(["lock"]) {
        let _ = fs::remove_file(temp.join("lock"));
        let _ = fs::remove_dir(temp);
    }
}

/// Removes the empty folders below a folder, so many levels deep.
fn empty(folder: &Path, levels: u32) {
    for inner in folders_in(folder) {
        if levels > 1 {
            empty(&inner, levels - 1);
        }
        // One that is not empty stays.
        let _ = fs::remove_dir(inner);
    }
}

/// The copies, whole or not, in a folder of copies: `{kind}/{name}/{copy}`.
pub(super) fn copies_in(jobs: &Path) -> Vec<PathBuf> {
    let below = |folders: Vec<PathBuf>| folders.iter().flat_map(|folder| folders_in(folder)).collect::<Vec<_>>();
    below(below(folders_in(jobs)))
}

/// The folders in a folder; links are none.
pub(super) fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Folders in which processes stand and programs that they run, as far as we may know.
#[cfg(target_os = "linux")]
fn stood_in() -> BTreeSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    numbered.flat_map(|entry| ["cwd", "exe"].map(|link| fs::read_link(entry.path().join(link)))).flatten().collect()
}

#[cfg(not(target_os = "linux"))]
fn stood_in() -> BTreeSet<PathBuf> {
    BTreeSet::new()
}

/// Gives us all rights on the folders below `path`.
fn open_up(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    }
    folders_in(path).iter().for_each(|folder| open_up(folder));
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn copy(path: PathBuf, files: &[&str]) -> Unneeded {
        fs::create_dir(&path).expect("a folder");
        for file in files {
            fs::write(path.join(file), "").expect("a file");
        }
        Unneeded { path, known: files.iter().map(|file| (*file).to_owned()).collect() }
    }

    #[test]
    fn a_copy_goes_whole_whatever_its_job_has_done_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let (untouched, fuller, emptier) =
            (copy(at("a"), &["run.sh", "b"]), copy(at("b"), &["run.sh"]), copy(at("c"), &["run.sh"]));
        fs::create_dir_all(fuller.path.join("made/by/it")).expect("a folder");
        fs::remove_file(emptier.path.join("run.sh")).expect("it goes");
        for copy in [untouched, fuller, emptier] {
            copy.remove().expect("it goes");
            assert!(!copy.path.exists());
        }
    }

    #[test]
    fn nothing_is_deleted_through_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let outside = copy(at("outside"), &["run.sh"]);
        fs::create_dir(at("outside/inner")).expect("a folder");
        fs::write(at("outside/inner/file"), "").expect("a file");
        let (replaced, inside) = (at("replaced"), copy(at("inside"), &["run.sh"]));
        symlink(&outside.path, &replaced).expect("a link");
        symlink(at("outside/inner"), inside.path.join("inner")).expect("a link");
        let inside = Unneeded { known: vec!["run.sh".to_owned(), "inner/file".to_owned()], ..inside };
        for copy in [Unneeded { path: replaced, known: outside.known.clone() }, inside] {
            copy.remove().expect("it goes");
            assert!(copy.path.symlink_metadata().is_err(), "{copy:?}");
        }
        assert!(at("outside/run.sh").exists() && at("outside/inner/file").exists());
    }

    #[test]
    fn many_copies_all_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let copies = (0..2 * SHARED_FROM).map(|n| copy(folder.path().join(n.to_string()), &["run.sh"])).collect();
        assert!(all(copies).is_empty());
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
    }
}
