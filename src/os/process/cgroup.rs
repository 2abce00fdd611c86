//! A cgroup for a run, where one can be had: the one fence that no process climbs.
//!
//! Whoever is started inside stays inside, whatever it does to its session, parents and environment. It takes cgroup v2
//! and the right to make groups below our own (root, or a service with `Delegate=yes`). Without it everything works by
//! the other means; nothing here is ever required. No limits are set.
//!
//! ```text
//! <our own cgroup>/webjobd.{name}/{run}.{mark}.{n}/cgroup.procs
//! ```

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    model::id::RunId,
    os::process::{
        procfs::{self, ProcessId},
        tree::{self, Ended},
    },
};

/// What the kernel says of a group that is being removed.
const NODEV: i32 = 19;

/// How often a name is tried for a group: those of an earlier life may still be there.
const CREATES_MAX: usize = 10_000;

/// Begins the names of places.
const PLACE: &str = "webjobd.";

/// The place where the cgroups of runs are made. Clones mean the same place.
#[derive(Clone, Debug)]
pub struct Cgroups(Arc<Place>);

#[derive(Debug)]
struct Place {
    folder: Arc<Path>,
    /// The cgroup that the host was in when it opened the place, as `/proc` calls it.
    own: String,
    made: AtomicU64,
    /// Whose turn it is to move: together they would only wait for each other in the kernel, each on a thread.
    turn: Arc<Semaphore>,
}

impl Place {
    fn at(folder: &Path) -> Self {
        let own = procfs::cgroup(std::process::id()).unwrap_or_default();
        Self { folder: folder.into(), own, made: AtomicU64::new(0), turn: Arc::new(Semaphore::new(1)) }
    }
}

/// The cgroup of one run.
#[derive(Debug)]
pub(super) struct Cgroup {
    /// The folder that it lies in, and its name there.
    place: Arc<Path>,
    name: Box<OsStr>,
    is_gone: AtomicBool,
}

impl Cgroups {
    /// Opens the place called `name`, which must be one host's own: whatever is in there already was left by an earlier
    /// life of that host.
    ///
    /// # Errors
    /// When there is no cgroup v2, or no right to use it. The host runs without then.
    pub fn open(name: &str) -> io::Result<Self> {
        let own = own_folder()?;
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let folder = own.join(format!("{PLACE}{}", name.chars().map(safe).collect::<String>()));
        // Moving a process needs the right to write here, besides into the new group.
        fs::OpenOptions::new().write(true).open(own.join("cgroup.procs"))?;
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self(Arc::new(Place::at(&folder))))
    }

    /// Waits for the turn to move processes, which is over when what is returned is dropped. Cancel-safe.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.0.turn).acquire_owned().await.ok()
    }

    /// Tells whether a process is where the host's children begin: one that is elsewhere was put there on purpose, by a
    /// container's runtime or a host within the run, and stays.
    pub(super) fn has(&self, process: ProcessId) -> bool {
        procfs::cgroup(process.pid).as_deref() == Some(&*self.0.own) && tree::is_alive(&process)
    }

    /// Moves a process into a run's cgroup. The kernel looks for it after some waiting: one that came to its number
    /// meanwhile is moved back.
    pub(super) fn move_into(&self, cgroup: &Cgroup, process: ProcessId) {
        let _ = cgroup.add(process.pid);
        if !tree::is_alive(&process)
            && let Some(own) = self.0.folder.parent()
        {
            // Most likely nobody has the number.
            let _ = fs::write(own.join("cgroup.procs"), process.pid.to_string());
        }
    }

    /// Ends every process in the place and removes what is empty: after a crash, before anything is started.
    pub async fn end_leftovers(&self) -> Ended {
        self.remove_abandoned();
        let leftovers = self.leftovers();
        let search = || tree::closure(leftovers.iter().flat_map(Cgroup::members).collect(), None);
        let found = search();
        leftovers.iter().for_each(Cgroup::kill);
        let ended = tree::end(found, search).await;
        for cgroup in &leftovers {
            cgroup.remove();
        }
        ended
    }

    /// Removes the empty places of other hosts: those that were killed leave theirs. A host that lives makes its own anew
    /// when it needs it.
    fn remove_abandoned(&self) {
        let beside = self.0.folder.parent().map(subfolders).unwrap_or_default();
        for place in beside.iter().filter(|place| **place != *self.0.folder && name_of(place).starts_with(PLACE)) {
            // One with runs inside is refused.
            let _ = fs::remove_dir(place);
        }
    }

    /// Removes the place, which is the last act of a host. It stays while somebody is inside.
    pub fn remove(&self) {
        remove_below(&self.0.folder);
    }

    /// Finds what runs with these marks have left, in the places of all hosts beside our own.
    pub(super) fn of_marks(&self, marks: &BTreeSet<u64>) -> Vec<(u64, Cgroup)> {
        let Some(beside) = self.0.folder.parent() else { return Vec::new() };
        let mut found = Vec::new();
        for place in subfolders(beside).iter().filter(|place| name_of(place).starts_with(PLACE)) {
            let place = Arc::from(&**place);
            for folder in subfolders(&place) {
                let mark = name_of(&folder).split('.').nth(1).and_then(|mark| u64::from_str_radix(mark, 16).ok());
                found.extend(mark.filter(|mark| marks.contains(mark)).map(|mark| (mark, Cgroup::of(&place, &folder))));
            }
        }
        found
    }

    /// Makes a cgroup for a run.
    pub(super) fn create(&self, run: RunId, mark: u64) -> io::Result<Cgroup> {
        for _ in 0..CREATES_MAX {
            let number = self.0.made.fetch_add(1, Ordering::Relaxed);
            let cgroup = Cgroup::at(&self.0.folder, format!("{run}.{mark:x}.{number}").into());
            match fs::create_dir(cgroup.folder()) {
                // Left by an earlier life of the host.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Another host found the place empty.
                Err(error) if is_gone(&error) => match fs::create_dir(&self.0.folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    Ok(()) | Err(_) => {}
                },
                made => return made.map(|()| cgroup),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn leftovers(&self) -> Vec<Cgroup> {
        subfolders(&self.0.folder).iter().map(|folder| Cgroup::of(&self.0.folder, folder)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Stays when a run's group is still inside; the next life of the host finds it.
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Cgroup {
    fn at(place: &Arc<Path>, name: OsString) -> Self {
        Self { place: Arc::clone(place), name: name.into(), is_gone: AtomicBool::new(false) }
    }

    /// Returns the one that a folder in a place is.
    fn of(place: &Arc<Path>, folder: &Path) -> Self {
        Self::at(place, folder.file_name().unwrap_or_default().to_owned())
    }

    fn folder(&self) -> PathBuf {
        self.place.join(&*self.name)
    }

    /// Moves a process in; what it has started before stays out. Some 10 ms, for the kernel waits until all processors have
    /// seen that nobody may start or end meanwhile (`cgroup_threadgroup_rwsem`), and less right after another move.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.folder().join("cgroup.procs"), pid.to_string())
    }

    /// Lists the processes inside, those of groups that they made themselves included.
    pub(super) fn members(&self) -> Vec<u32> {
        members_below(&self.folder())
    }

    /// Kills everyone inside at once, forks in progress included. Needs Linux 5.14; before, members are killed one by one.
    pub(super) fn kill(&self) {
        let _ = fs::write(self.folder().join("cgroup.kill"), "1");
    }

    /// Removes the group when nobody is inside, neither in it nor in a group within; tells whether it is gone. Those who
    /// are dead and not reaped do not count.
    pub(super) fn remove_empty(&self) -> bool {
        let is_gone = self.is_gone.load(Ordering::Relaxed) || fs::remove_dir(self.folder()).is_ok();
        self.is_gone.store(is_gone, Ordering::Relaxed);
        is_gone
    }

    /// Removes the group, with those that were made inside. One that is not empty stays.
    pub(super) fn remove(&self) {
        if !self.remove_empty() {
            remove_below(&self.folder());
        }
    }
}

/// Tells whether a group could not be made because the one above it is gone, or just going.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NODEV)
}

fn name_of(folder: &Path) -> std::borrow::Cow<'_, str> {
    folder.file_name().unwrap_or_default().to_string_lossy()
}

fn members_below(folder: &Path) -> Vec<u32> {
    let own = procfs::read(folder.join("cgroup.procs")).unwrap_or_default();
    let own = String::from_utf8_lossy(&own);
    // A process of another namespace shows as 0.
    let own = own.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0);
    own.chain(subfolders(folder).iter().flat_map(|inner| members_below(inner))).collect()
}

fn remove_below(folder: &Path) {
    // A group that has others inside is refused, whatever files it shows.
    if fs::remove_dir(folder).is_err() {
        subfolders(folder).iter().for_each(|inner| remove_below(inner));
        let _ = fs::remove_dir(folder);
    }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    // A group shows dozens of files. Their list is spared when there is no other group among them.
    if procfs::subfolder_count(folder) == Some(0) {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// Finds the folder of the cgroup that we are in.
fn own_folder() -> io::Result<PathBuf> {
    let none = || io::Error::new(io::ErrorKind::Unsupported, "no cgroup v2 is mounted");
    let memberships = fs::read_to_string("/proc/self/cgroup")?;
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(none)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let folder = mounts.lines().find_map(|line| folder_in_mount(line, own)).ok_or_else(none)?;
    if folder.join("cgroup.procs").exists() { Ok(folder) } else { Err(none()) }
}

/// Returns where `own` lies in the mount that a line of `mountinfo` describes; `None` for another kind of mount, or one
/// that shows another part of the tree.
fn folder_in_mount(line: &str, own: &str) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    if kind.split(' ').next() != Some("cgroup2") {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let inside = Path::new(own).strip_prefix(root).ok()?;
    let escapes = inside.components().any(|part| part.as_os_str() == "..");
    (!escapes).then(|| Path::new(point).join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_within_groups_are_seen_and_removed() {
        // Where no cgroup can be made, any folders do: their links are counted alike.
        let base = own_folder().unwrap_or_else(|_| std::env::temp_dir());
        let name = format!("{PLACE}test.{}", std::process::id());
        let made = |base: &Path| fs::create_dir(base.join(&name)).map(|()| base.join(&name));
        let place = made(&base).or_else(|_| made(&std::env::temp_dir())).expect("a folder");
        assert_eq!(subfolders(&place), Vec::<PathBuf>::new());
        let inner = place.join("inner");
        fs::create_dir_all(inner.join("innermost")).expect("folders");
        assert_eq!(subfolders(&place), std::slice::from_ref(&inner));
        assert_eq!(subfolders(&inner), [inner.join("innermost")]);
        remove_below(&place);
        assert!(!place.exists());
    }

    #[tokio::test]
    async fn empty_places_of_others_are_removed_and_made_anew_when_they_are_needed() {
        let base = tempfile::tempdir().expect("a folder");
        let place = |name: &str| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            Cgroups(Arc::new(Place::at(&folder)))
        };
        let (own, other, busy) = (place("webjobd.own"), place("webjobd.other"), place("webjobd.busy"));
        let run = RunId::parse("201605190150326541").expect("an id");
        let inside = busy.create(run, 7).expect("a folder");
        fs::create_dir(base.path().join("somebody")).expect("a folder");
        own.end_leftovers().await;
        assert!(!other.0.folder.exists(), "it was empty");
        assert!(own.0.folder.exists() && inside.folder().exists() && base.path().join("somebody").exists());
        assert!(other.create(run, 8).expect("a folder").folder().exists(), "it lives all the same");
    }

    #[test]
    fn our_own_group_is_found_in_the_mount_that_shows_it() {
        let mount = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw";
        let inner = "41 31 0:38 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let old = "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu";
        assert_eq!(folder_in_mount(mount, "/a/b.service"), Some("/sys/fs/cgroup/a/b.service".into()));
        assert_eq!(folder_in_mount(mount, "/"), Some("/sys/fs/cgroup".into()));
        assert_eq!(folder_in_mount(inner, "/a/b"), Some("/sys/fs/cgroup/b".into()));
        assert_eq!(folder_in_mount(inner, "/c"), None);
        assert_eq!(folder_in_mount(mount, "/../c"), None);
        assert_eq!(folder_in_mount(old, "/"), None);
    }
}
