//! Private working copies: what runs is a copy of the job's folder, which nobody changes under it.
//!
//! ```text
//!  {temp}/lock                               held while this host lives; goes with the folder at a clean end
//!  {temp}/jobs/{kind}/{name}/{content}-{n}   a copy, shared by the runs of that content
//!  {temp}/jobs/{kind}/{name}/.{…}.part       one being made; renamed when it is whole and proven
//! ```
//! Making a copy proves it: each file's bytes, as copied, must have the hash that discovery saw. So a run never starts
//! from a half-written upload; [`CopyError::Changed`] sends the caller back to read the folder.
//!
//! A copy lives as long as a [`WorkCopy`] of it is held, or it is its job's newest. Dropping the last one only notes it:
//! [`WorkCopies::collect`] deletes, where the caller has time for it. Copies are reflinks where the file system can, else
//! bytes: never hard links, since a job may write into its copy, and that must not reach the user's folder.
//!
//! It must never delete a folder in which a process still stands, nor follow a link when it deletes.

mod copied;
mod copy;
mod near;
mod private;
mod remove;

use std::{
    collections::BTreeMap,
    fs, io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use copied::WorkCopy;
use copied::{Common, Copied};
pub use private::private_folder;

use crate::{
    model::{id::JobId, job::Job, time::Wall},
    os::{
        file, memory,
        workcopy::{copy::Step, remove::Unneeded},
    },
};

/// Age of a dead host's last start from which its leftovers may go: until then it may be just about to start again.
pub const DEAD_HOST_AGE: Duration = Duration::from_secs(24 * 3600);
/// Files that are looked at before a copy is used again; of a larger copy, only its script.
const LOOKED_AT_MAX: usize = 2000;

/// Entries of a folder that is copied by whoever wants it, and bytes of its files: on a disk of this machine it is hardly more
/// work than to wake another thread and to be woken by it.
const ENTRIES_LITTLE: usize = 8;
const BYTES_LITTLE: u64 = 64 * 1024;

/// Why there is no working copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder is not what discovery saw any more; it should be read again.
    #[error("`{file}` changed while it was copied")]
    Changed {
        /// The first difference, relative to the job's folder.
        file: String,
    },
    /// Something could not be copied.
    #[error("failed to copy `{path}`")]
    Copy {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The temporary folder cannot be used.
    #[error("failed to prepare the temporary folder `{path}`")]
    Temp {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could change what runs.
    #[error("the temporary folder `{path}` is not safe: {why}; choose another one")]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// Who could.
        why: String,
    },
    /// Another host uses it.
    #[error("the temporary folder `{path}` is in use by another host; choose another one")]
    InUse {
        /// Which.
        path: PathBuf,
    },
}

/// The working copies of one host.
#[derive(Debug)]
pub struct WorkCopies {
    common: Arc<Common>,
    slots: Mutex<BTreeMap<JobId, Slot>>,
    leftovers: Mutex<Vec<PathBuf>>,
    /// Whether there were any: then a name may be taken.
    has_leftovers: bool,
    next: AtomicU64,
    /// Where little folders are copied at once.
    near: Option<near::Device>,
    _lock: fs::File,
}

/// The newest copy of a job. Its lock is held while a copy is made, so that runs that start at once share one.
type Slot = Arc<Mutex<Option<Arc<Copied>>>>;

impl WorkCopies {
    /// Takes possession of a temporary folder that belongs to this host alone; it is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made, others could write into it, or another host uses it.
    pub fn open(temp: &Path) -> Result<Self, CopyError> {
        let path = temp.join("lock");
        let held = take(temp, &path)?;
        // Its time says when a host last began here.
        io::Write::write_all(&mut &held, b"\n").map_err(|source| failed(&path, source))?;
        let jobs = temp.join("jobs");
        private_folder(&jobs)?;
        let leftovers = remove::copies_in(&jobs);
        let (has_leftovers, leftovers) = (!leftovers.is_empty(), Mutex::new(leftovers));
        let (trash, closed, slots, next) = Default::default();
        let common = Arc::new(Common { temp: temp.to_owned(), trash, closed });
        Ok(Self { common, slots, leftovers, has_leftovers, next, near: None, _lock: held })
    }

    /// Lets [`Self::at_once`] copy folders below `jobs`, where these and their copies lie on disks of this machine.
    pub fn near(self, jobs: &Path) -> Self {
        Self { near: near::device(self.temp()).and(near::device(jobs)), ..self }
    }

    /// Returns a copy of a job's folder as discovery saw it: the one that is there, or a new one. A job that runs in place
    /// gets its own folder. Blocks while it copies.
    ///
    /// # Errors
    /// When the folder is not what discovery saw, or cannot be copied.
    pub fn prepare(&self, job: &Job) -> Result<WorkCopy, CopyError> {
        if job.in_place() {
            return Ok(WorkCopy::InPlace(Arc::clone(&job.root)));
        }
        let slot = self.slot(job);
        let mut newest = lock(&slot);
        self.shared(&mut newest, job, || self.copy(job, &|_| self.go_on()))
    }

    /// Returns the copy that is there already, a new one of a folder near by with next to nothing in it, or the own folder of
    /// a job that runs in place. `None` where it takes more, or failed: then [`Self::prepare`] tells. Never waits for somebody
    /// who copies, nor for a share on a network.
    pub fn at_once(&self, job: &Job) -> Option<WorkCopy> {
        if job.in_place() {
            return Some(WorkCopy::InPlace(Arc::clone(&job.root)));
        }
        let slot = self.slot(job);
        let mut newest = slot.try_lock().ok()?;
        self.shared(&mut newest, job, || self.copy_little(job)).ok()
    }

    fn temp(&self) -> &Path {
        &self.common.temp
    }

    fn slot(&self, job: &Job) -> Slot {
        Arc::clone(lock(&self.slots).entry(job.id.clone()).or_default())
    }

    /// Returns a job's newest copy, unless that is of other content or was changed: then the one that `make` makes.
    fn shared(
        &self,
        newest: &mut Option<Arc<Copied>>,
        job: &Job,
        make: impl FnOnce() -> Result<Copied, CopyError>,
    ) -> Result<WorkCopy, CopyError> {
        self.go_on()?;
        let usable = newest.as_ref().filter(|copied| copied.content() == job.content && copied.is_intact());
        let copied = match usable {
            Some(copied) => Arc::clone(copied),
            None => Arc::clone(newest.insert(Arc::new(make()?))),
        };
        Ok(WorkCopy::Copied(copied))
    }

    /// Copies a folder that is near, unless there is more to it than [`ENTRIES_LITTLE`] and [`BYTES_LITTLE`].
    fn copy_little(&self, job: &Job) -> Result<Copied, CopyError> {
        let too_much = || failed(self.temp(), io::ErrorKind::FileTooLarge.into());
        let is_near = self.near.is_some_and(|device| near::is_on(&job.root, device));
        if !is_near || job.files.iter().len() > ENTRIES_LITTLE {
            return Err(too_much());
        }
        let (entries, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let go_on = |step: Step| {
            let is_too_much = match step {
                Step::Entry => entries.fetch_add(1, Ordering::Relaxed) >= ENTRIES_LITTLE,
                Step::Bytes(more) => bytes.fetch_add(more, Ordering::Relaxed).saturating_add(more) > BYTES_LITTLE,
            };
            if is_too_much { Err(too_much()) } else { self.go_on() }
        };
        self.copy(job, &go_on)
    }

    /// Gives up the newest copy of a job that is gone; runs that use it go on.
    pub fn forget(&self, id: &JobId) {
        lock(&self.slots).remove(id);
    }

    /// Gives up every copy, deletes those in which no run works, and the temporary folder with them when nothing is left in
    /// it: the host ends. What is being copied is left off, which is waited for, and nothing is copied any more. Returns
    /// those that could not be deleted.
    pub fn clear(&self) -> Vec<(PathBuf, io::Error)> {
        self.common.closed.store(true, Ordering::Release);
        let slots = mem::take(&mut *lock(&self.slots));
        for slot in slots.into_values() {
            lock(&slot).take();
        }
        let left = self.collect();
        remove::temp(self.temp());
        left
    }

    fn go_on(&self) -> Result<(), CopyError> {
        match self.common.closed.load(Ordering::Acquire) {
            true => Err(failed(self.temp(), io::Error::other("the host is stopping"))),
            false => Ok(()),
        }
    }

    /// Deletes copies that nobody needs any more. Returns those that could not be deleted; they are not tried again
    /// before the next start.
    pub fn collect(&self) -> Vec<(PathBuf, io::Error)> {
        remove::all(mem::take(&mut *lock(&self.common.trash)))
    }

    /// Deletes what an earlier life of this host left behind, but for copies in which a process still stands. Call it
    /// once the processes of lost runs are ended. Returns what could not be deleted.
    pub fn sweep(&self) -> Vec<(PathBuf, io::Error)> {
        remove::unused(mem::take(&mut *lock(&self.leftovers)))
    }

    /// Deletes the copies of other hosts whose temporary folders lie beside this one's, when they have not lived for
    /// [`DEAD_HOST_AGE`]. Returns what could not be deleted.
    pub fn sweep_dead_hosts(&self, now: Wall) -> Vec<(PathBuf, io::Error)> {
        let Some(shared) = self.temp().parent() else { return Vec::new() };
        let mut left = Vec::new();
        for temp in remove::folders_in(shared).into_iter().filter(|temp| *temp != self.temp()) {
            let began = fs::metadata(temp.join("lock")).and_then(|metadata| metadata.modified());
            let age = began.ok().and_then(|time| Wall::try_from(time).ok()).map(|began| now.duration_since(began));
            let old = age.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age >= DEAD_HOST_AGE);
            if !old || !private::is_ours(&temp) {
                continue;
            }
            if let Ok(Some(_held)) = file::try_lock(&temp.join("lock")) {
                left.extend(remove::unused(remove::copies_in(&temp.join("jobs"))));
                remove::temp(&temp);
            }
        }
        left
    }

    fn copy(&self, job: &Job, go_on: &(dyn Fn(Step) -> Result<(), CopyError> + Sync)) -> Result<Copied, CopyError> {
        let folder = self.common.folder(&job.id);
        fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        let are_few = job.files.iter().len() <= LOOKED_AT_MAX;
        let looked_at = |path: &str| are_few || path == job.script.run_command;
        let plan = copy::Plan { go_on, looked_at: &looked_at };
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
            let name = Copied::name(job.content, number);
            let (path, part) = (folder.join(&name), folder.join(format!(".{name}.part")));
            // What an earlier life left behind keeps its name until it is swept.
            if self.has_leftovers && (path.symlink_metadata().is_ok() || part.symlink_metadata().is_ok()) {
                continue;
            }
            let made = copy::tree(job, &part, &plan).and_then(|stamps| {
                fs::rename(&part, &path).map_err(|source| failed(&path, source))?;
                Ok(stamps)
            });
            memory::tidy_after(job.files.iter().len());
            return match made {
                Ok(stamps) => Ok(Copied::new(&self.common, &job.id, job.content, number, &stamps)),
                Err(error) => {
                    // At once: the disk may be full of it.
                    if remove::tree(&part).is_err() {
                        lock(&self.common.trash).push(Unneeded { path: part, known: Vec::new() });
                    }
                    Err(error)
                }
            };
        }
    }
}

/// Makes the folder and takes its lock. One that goes meanwhile, because its last host is just ending, is made anew.
fn take(temp: &Path, path: &Path) -> Result<fs::File, CopyError> {
    loop {
        private_folder(temp)?;
        match file::try_lock(path) {
            Ok(Some(held)) if file::is_at(&held, path) => return Ok(held),
            Ok(Some(_)) => {}
            Ok(None) => return Err(CopyError::InUse { path: temp.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(temp, error)),
        }
    }
}

fn failed(path: &Path, source: io::Error) -> CopyError {
    CopyError::Temp { path: path.to_owned(), source }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
