//! A copy that is there: where it lies, whether it still is as it was made, and that it goes.
//!
//! A job that runs keeps one, so it says little: where the copy lies follows from the job's name and its content, and what
//! its files looked like is one number.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{copy::Stamp, lock, remove::Unneeded};
use crate::model::{id::JobId, job::ContentHash};

/// Files of a copy that are deleted by name; others are listed.
const KNOWN_MAX: usize = 4;

/// Stands between the names of files: no system allows it in one.
const BETWEEN: char = '\0';

/// Where a run works. The folder stays as long as this, or a clone of it, is held.
#[derive(Clone, Debug)]
pub enum WorkCopy {
    /// In the job's own folder.
    InPlace(Arc<Path>),
    /// In a copy of it.
    Copied(Arc<Copied>),
}

impl WorkCopy {
    /// Returns the folder that stands for the job's own: its copy, or itself for a job that runs in place.
    pub fn root(&self) -> Cow<'_, Path> {
        match self {
            Self::InPlace(root) => Cow::Borrowed(root),
            Self::Copied(copied) => Cow::Owned(copied.path()),
        }
    }
}

/// What all copies of one host have alike.
#[derive(Debug)]
pub(super) struct Common {
    /// The host's temporary folder.
    pub(super) temp: PathBuf,
    /// Copies that nobody needs any more.
    pub(super) trash: Mutex<Vec<Unneeded>>,
    /// Whether the host ends: then nothing more is copied, and a copy that is given up goes at once.
    pub(super) closed: AtomicBool,
}

impl Common {
    /// Returns where the copies of a job lie.
    pub(super) fn folder(&self, job: &JobId) -> PathBuf {
        self.temp.join("jobs").join(job.kind.as_str()).join(job.name.as_str())
    }
}

/// A copy of a job's folder.
#[derive(Debug)]
pub struct Copied {
    common: Arc<Common>,
    job: JobId,
    content: ContentHash,
    number: u64,
    /// The files that are looked at before it is used again, relative to it, with [`BETWEEN`] between them.
    files: Box<str>,
    /// What these looked like when they were copied.
    looks: u64,
}

impl Copied {
    /// Takes note of a copy that was made: the one with that number, whose `stamps` are those of the files to be looked at.
    pub(super) fn new(
        common: &Arc<Common>,
        job: &JobId,
        content: ContentHash,
        number: u64,
        stamps: &[(String, Stamp)],
    ) -> Self {
        let looks = looks(stamps.iter().map(|(_, stamp)| Some(stamp.clone())));
        let mut files = String::with_capacity(stamps.iter().map(|(file, _)| file.len() + 1).sum());
        for (file, _) in stamps {
            files.extend((!files.is_empty()).then_some(BETWEEN));
            files.push_str(file);
        }
        Self { common: Arc::clone(common), job: job.clone(), content, number, files: files.into(), looks }
    }

    /// Returns the name of a copy in its job's folder.
    pub(super) fn name(content: ContentHash, number: u64) -> String {
        format!("{content}-{number}")
    }

    /// Returns what was copied.
    pub(super) fn content(&self) -> ContentHash {
        self.content
    }

    /// Whether the copied files are as they were when the copy was made; a job may have changed them.
    pub(super) fn is_intact(&self) -> bool {
        let path = self.path();
        looks(self.files().map(|file| Stamp::of(&path.join(file)))) == self.looks
    }

    fn path(&self) -> PathBuf {
        self.common.folder(&self.job).join(Self::name(self.content, self.number))
    }

    fn files(&self) -> impl Iterator<Item = &str> {
        self.files.split(BETWEEN).filter(|file| !file.is_empty())
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let are_known = self.files().nth(KNOWN_MAX).is_none();
        let known = self.files().filter(|_| are_known).map(str::to_owned).collect();
        let unneeded = Unneeded { path: self.path(), known };
        if self.common.closed.load(Ordering::Acquire) {
            // Nobody collects any more; what stays is swept by the next life of the host.
            let _ = unneeded.remove();
        } else {
            lock(&self.common.trash).push(unneeded);
        }
    }
}

/// Makes one number of what files look like, in their order; a file that is not there looks like none.
fn looks(stamps: impl Iterator<Item = Option<Stamp>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    stamps.for_each(|stamp| stamp.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::id::{JobKind, JobName};

    /// A copy of these files, each with its path as text.
    fn copied(temp: &Path, files: &[&str]) -> Copied {
        let (trash, closed) = Default::default();
        let common = Arc::new(Common { temp: temp.to_owned(), trash, closed });
        let job = JobId { kind: JobKind::Triggered, name: JobName::parse("j").expect("a name") };
        let path = common.folder(&job).join(Copied::name(ContentHash([7; 16]), 3));
        let stamp = |file: &&str| {
            let file = path.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(&file, "as copied").expect("written");
            Stamp::of(&file).expect("it is there")
        };
        let stamps: Vec<_> = files.iter().map(|file| ((*file).to_owned(), stamp(file))).collect();
        let copied = Copied::new(&common, &job, ContentHash([7; 16]), 3, &stamps);
        assert_eq!(copied.path(), path);
        copied
    }

    #[test]
    fn a_change_of_any_file_shows() {
        let files = ["a b", "in/a", "z\u{e9}"];
        for changed in files {
            let temp = tempfile::tempdir().expect("a folder");
            let copied = copied(temp.path(), &files);
            assert_eq!(copied.files().collect::<Vec<_>>(), files);
            assert!(copied.is_intact());
            fs::write(copied.path().join(changed), "changed since").expect("written");
            assert!(!copied.is_intact(), "{changed}");
            fs::remove_file(copied.path().join(changed)).expect("removed");
            assert!(!copied.is_intact(), "{changed} is gone");
        }
    }

    #[test]
    fn a_few_files_are_known_by_name_when_it_goes() {
        for (files, known) in [(&["1", "2", "3", "4"][..], 4), (&["1", "2", "3", "4", "5"], 0), (&[], 0)] {
            let temp = tempfile::tempdir().expect("a folder");
            let copied = copied(temp.path(), files);
            let (path, common) = (copied.path(), Arc::clone(&copied.common));
            drop(copied);
            let unneeded = lock(&common.trash).pop().expect("it was given up");
            assert_eq!(
                (unneeded.path, unneeded.known),
                (path, files[..known].iter().map(ToString::to_string).collect())
            );
        }
    }
}
