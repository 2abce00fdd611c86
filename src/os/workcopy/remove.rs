//! Deletes copies: whole, without following links, and never under a process.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

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
