//! Which folders are jobs: every folder below `continuous` and `triggered` of each root (spec/kudu-webjobs 1.1 to 1.3).
//!
//! Roots are given in order; a name that an earlier root has hides the same name in a later one, without regard to
//! case. The folders of kinds are found in any case. A name that begins with a dot is no job: copying programs keep
//! their unfinished work under such names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use crate::model::id::{JobId, JobKind, JobName};

/// The job folders below some roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFolders {
    /// Each job's folder.
    pub jobs: BTreeMap<JobId, PathBuf>,
    /// What is not a job though it looks like one, and why, for people.
    pub notes: Vec<String>,
    /// Folders that exist but could not be read, with the reason: jobs in them are unknown, not gone.
    pub unreadable: BTreeMap<PathBuf, String>,
}

impl JobFolders {
    /// Returns whether a job may exist although it is not listed, since a folder could not be read.
    pub fn may_exist(&self, job_root: &Path) -> bool {
        job_root.ancestors().any(|folder| self.unreadable.contains_key(folder))
    }
}

/// Lists the job folders below `roots`. A root that does not exist holds none.
pub fn job_folders(roots: &[PathBuf]) -> JobFolders {
    let mut found = JobFolders::default();
    let mut taken = BTreeSet::new();
    for root in roots {
        let mut of_root = Vec::new();
        for (name, path) in folders_in(root, &mut found) {
            if let Some(kind) = JobKind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(&name)) {
                // The name as documented comes before other cases of it.
                of_root.push((name != kind.as_str(), kind, path));
            }
        }
        of_root.sort();
        let mut of_root_names = BTreeSet::new();
        for (_, kind, folder) in of_root {
            for (name, path) in folders_in(&folder, &mut found) {
                add(&mut found, &taken, &mut of_root_names, kind, &name, path);
            }
        }
        taken.append(&mut of_root_names);
    }
    found
}

fn add(
    found: &mut JobFolders,
    taken: &BTreeSet<(JobKind, String)>,
    of_root: &mut BTreeSet<(JobKind, String)>,
    kind: JobKind,
    name: &str,
    path: PathBuf,
) {
    if name.starts_with('.') {
        return;
    }
    let Ok(parsed) = JobName::parse(name) else {
        found.notes.push(format!("`{}` is not a job: its name is not usable; rename it", path.display()));
        return;
    };
    let lower = (kind, name.to_lowercase());
    let id = JobId { kind, name: parsed };
    if taken.contains(&lower) || found.jobs.contains_key(&id) {
        found.notes.push(format!("`{}` is hidden by the job of the same name elsewhere", path.display()));
        return;
    }
    of_root.insert(lower);
    found.jobs.insert(id, path);
}

/// The folders in a folder, and links to folders, by name.
fn folders_in(folder: &Path, found: &mut JobFolders) -> Vec<(String, PathBuf)> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                found.unreadable.insert(folder.to_owned(), super::words(&error));
            }
            return Vec::new();
        }
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.unreadable.insert(folder.to_owned(), super::words(&error));
                break;
            }
        };
        let is_folder = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        if !is_folder {
            continue;
        }
        match entry.file_name().into_string() {
            Ok(name) => folders.push((name, entry.path())),
            Err(_) => found.notes.push(format!("`{}` is not a job: its name is not UTF-8", entry.path().display())),
        }
    }
    folders.sort();
    folders
}
