//! Which folders are jobs: every folder below `continuous` and `triggered` of each root (spec/kudu-webjobs 1.1 to 1.3).
//!
//! Roots are given in order; a name that an earlier root has hides the same name in a later one, without regard to
//! case. The folders of kinds are found in any case. A name that begins with a dot is no job: copying programs keep
//! their unfinished work under such names. What cannot be a job though it lies in the place of one, for its name or
//! because it is a link to nothing, is listed as such under a name that stands for its own.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    model::{
        id::{JobId, JobKind, JobName},
        listing::{Unusable, UnusableWhy},
    },
    os::file,
};

/// The job folders below some roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFolders {
    /// Each job's folder.
    pub jobs: BTreeMap<JobId, Arc<Path>>,
    /// What lies in the place of a job and cannot be one.
    pub unusable: BTreeMap<JobId, Unusable>,
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

/// Returns the folder of one job as [`job_folders`] lists it, where three looks tell as much: in the first root, with the kind and
/// the name written as they are. `None` says nothing, and the folders must be listed.
pub fn plain_folder(roots: &[PathBuf], id: &JobId) -> Option<Arc<Path>> {
    let (kind, name) = (id.kind.as_str(), id.name.as_str());
    // Other letters have more than two cases, or several spellings.
    if name.starts_with('.') || !name.is_ascii() {
        return None;
    }
    let root = roots.first()?;
    let path = root.join(kind).join(name);
    let folder = fs::metadata(&path).ok().filter(fs::Metadata::is_dir)?;
    // Where case does not count, which each folder may have for itself, kind or name may be written otherwise on the disk.
    let other_kind = root.join(with_other_case(kind)).join(name);
    let other_name = root.join(kind).join(with_other_case(name));
    let is_other = |other: &Path| match fs::metadata(other) {
        Ok(other) => file::identity(&folder).is_some_and(|folder| file::identity(&other) != Some(folder)),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    (is_other(&other_kind) && (other_name == path || is_other(&other_name))).then(|| path.into())
}

fn with_other_case(name: &str) -> String {
    let other = |letter: char| match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    };
    name.chars().map(other).collect()
}

/// Lists the job folders below `roots`. A root that does not exist holds none.
pub fn job_folders(roots: &[PathBuf]) -> JobFolders {
    let mut found = JobFolders::default();
    let mut taken = BTreeSet::new();
    for root in roots {
        let mut of_root = Vec::new();
        for Entry { name, path, is_dangling } in folders_in(root, &mut found) {
            let Some(name) = name.to_str().filter(|_| !is_dangling) else { continue };
            if let Some(kind) = JobKind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name)) {
                // The name as documented comes before other cases of it.
                of_root.push((name != kind.as_str(), kind, path));
            }
        }
        of_root.sort();
        let mut of_root_names = Vec::new();
        for (_, kind, folder) in of_root {
            let mut unusable = Vec::new();
            for entry in folders_in(&folder, &mut found) {
                match usable(&entry) {
                    Ok(name) => add(&mut found, &taken, &mut of_root_names, kind, name, entry.path),
                    Err(why) => unusable.push((entry, why)),
                }
            }
            // A job whose own name is the one that would stand for another folder's comes first.
            unusable.into_iter().for_each(|(entry, why)| add_unusable(&mut found, kind, entry, why));
        }
        taken.extend(of_root_names);
    }
    found
}

fn add(
    found: &mut JobFolders,
    taken: &BTreeSet<(JobKind, String)>,
    of_root: &mut Vec<(JobKind, String)>,
    kind: JobKind,
    name: JobName,
    path: PathBuf,
) {
    let lower = (kind, name.as_str().to_lowercase());
    match found.jobs.entry(JobId { kind, name }) {
        btree_map::Entry::Vacant(place) if !taken.contains(&lower) => {
            place.insert(path.into());
            of_root.push(lower);
        }
        btree_map::Entry::Vacant(_) | btree_map::Entry::Occupied(_) => {
            found.notes.push(format!("{} is hidden by the job of the same name elsewhere", shown(&path)));
        }
    }
}

/// Returns the name of the job whose folder it is, or why it can be none.
fn usable(entry: &Entry) -> Result<JobName, UnusableWhy> {
    let name = entry.name.to_str().ok_or(UnusableWhy::NotUtf8)?;
    let name = JobName::parse(name).map_err(|_| UnusableWhy::Name)?;
    if entry.is_dangling { Err(UnusableWhy::Dangling) } else { Ok(name) }
}

fn add_unusable(found: &mut JobFolders, kind: JobKind, entry: Entry, why: UnusableWhy) {
    let name = JobName::escaped(entry.name.as_encoded_bytes()).map(|name| JobId { kind, name });
    match name.ok().filter(|id| !found.jobs.contains_key(id) && !found.unusable.contains_key(id)) {
        Some(id) => drop(found.unusable.insert(id, Unusable { path: entry.path, why })),
        None => found.notes.push(format!("{} is not a job: its name is not usable; rename it", shown(&entry.path))),
    }
}

/// Writes a path so that no letter of it is taken for something else.
fn shown(path: &Path) -> String {
    format!("`{}`", path.to_string_lossy().escape_debug())
}

/// A folder, a link to one, or a link to nothing.
struct Entry {
    name: OsString,
    path: PathBuf,
    is_dangling: bool,
}

/// The folders in a folder, links to folders and links to nothing, by name; none whose name begins with a dot.
fn folders_in(folder: &Path, found: &mut JobFolders) -> Vec<Entry> {
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
        let (is_folder, is_dangling) = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => (entry.path().is_dir(), is_dangling(&entry.path())),
            Ok(kind) => (kind.is_dir(), false),
            Err(_) => (false, false),
        };
        let name = entry.file_name();
        if (is_folder || is_dangling) && !name.as_encoded_bytes().starts_with(b".") {
            folders.push(Entry { name, path: entry.path(), is_dangling });
        }
    }
    folders.sort_by(|one, other| one.name.cmp(&other.name));
    folders
}

/// Whether nothing is where a link leads; one that may not be followed is no such link.
fn is_dangling(link: &Path) -> bool {
    fs::metadata(link).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
