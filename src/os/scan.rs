//! Reads job folders into listings.
//!
//! ```text
//!  roots ── job_folders ──> names and paths ── scan_all ──> a listing each ──> the caller's closure, on the same thread
//!                                                 └── Seen: what was hashed before
//! ```
//! A file is read again only when its identity, size or times differ from those under which it was hashed
//! ([`hash::Seen`]); a folder in which nothing differs is not even listed ([`Scan::Unchanged`]).
//!
//! It decides nothing: what it cannot read is a fact in the listing, and whether a folder that was still changing is
//! good enough is for the caller. It never follows a link out of a folder, and never opens a pipe or a device.

pub mod folders;
pub mod hash;
pub mod programs;
mod walk;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use folders::{JobFolders, job_folders, plain_folder};

use crate::{
    model::{
        id::JobId,
        listing::{self, EntryKind, FolderListing, HEAD_BYTES_MAX, LinkTo, SETTINGS_BYTES_MAX},
        time::Wall,
    },
    os::{
        processors,
        scan::{
            hash::{HashCache, Seen},
            walk::Walk,
        },
    },
};

/// What a scan of one job folder gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The folder does not exist.
    Gone,
    /// Nothing differs from the last scan.
    Unchanged,
    /// What was seen.
    Seen(Box<FolderListing>),
}

/// When a scan happens, and how much rest it asks for.
#[derive(Clone, Copy, Debug)]
pub struct ScanTime {
    /// The wall clock, to compare with times of files.
    pub now: Wall,
    /// A folder that changed less than this long ago is called unsettled; zero asks for no rest.
    pub quiet: Duration,
}

/// Scans folders on all processors, each at the `time` that is its own, and hands the results to `each`, on the thread that
/// scanned. Returns what `each` returned, in no order.
pub fn scan_all<T: Send>(
    folders: &BTreeMap<JobId, Arc<Path>>,
    cache: &mut HashCache,
    time: impl Fn(&JobId) -> ScanTime + Sync,
    each: impl Fn(&JobId, Scan) -> T + Sync,
) -> Vec<T> {
    let is_first = cache.is_empty();
    let work: Vec<_> = folders.iter().map(|(id, root)| Mutex::new((root, cache.take(id)))).collect();
    let Ok(done) = processors::try_each(&work, 1, |_, item| {
        let mut item = item.lock().unwrap_or_else(PoisonError::into_inner);
        let (root, (id, seen)) = &mut *item;
        let scan = scan_job(id, root, seen, time(id));
        Ok::<_, Infallible>(each(id, scan))
    });
    let seen = work.into_iter().map(|item| item.into_inner().unwrap_or_else(PoisonError::into_inner).1);
    // At first they lie among what was only needed for the scan, some in the heap of a thread that is gone: made anew, they do not.
    cache.put_all(seen.map(|(id, seen)| (id, if is_first { seen.clone() } else { seen })));
    done
}

/// Scans one folder. `seen` is what was seen of it before, and afterwards what was seen now.
pub fn scan_job(id: &JobId, root: &Arc<Path>, seen: &mut Seen, time: ScanTime) -> Scan {
    let mut listing = FolderListing::empty(id.clone(), Arc::clone(root));
    let walk = match Walk::of(root, &mut listing) {
        Ok(walk) => walk,
        Err(error) => {
            *seen = Seen::default();
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                return Scan::Gone;
            }
            listing.unreadable.insert(String::new(), words(&error));
            return Scan::Seen(Box::new(listing));
        }
    };
    let fingerprint = walk.fingerprint();
    if seen.is_still(&fingerprint) {
        return Scan::Unchanged;
    }
    listing.unsettled |= walk.is_young(time);
    *seen = walk.into_entries(root, &mut listing, seen, time.now);
    read_beginnings(root, &mut listing);
    if !listing.unsettled && listing.unreadable.is_empty() {
        seen.remember(fingerprint);
    }
    Scan::Seen(Box::new(listing))
}

/// Reads the first bytes and the settings in the script's folder, as far as that was not done while they were hashed.
fn read_beginnings(root: &Path, listing: &mut FolderListing) {
    let dir = listing.script_dir();
    let wanted = |name: &str, entry: &listing::Entry| entry.is_file() && !listing::is_noise(name);
    let files = listing.children(&dir).filter(|(name, entry)| wanted(name, entry));
    let files = files.map(|(name, entry)| (listing::join(&dir, name), entry.size, entry.kind.clone()));
    let files: Vec<_> = files.filter(|(path, ..)| !is_kept(listing, path)).collect();
    for (path, size, kind) in files {
        let limit = head_max(&path) as u64;
        let followed = kind == EntryKind::Link(LinkTo::File);
        match hash::read_head(&root.join(&path), size.min(limit), limit, followed) {
            Ok(bytes) => keep_beginning(listing, path, bytes),
            Err(error) => note(listing, path, &error),
        }
    }
}

fn is_kept(listing: &FolderListing, path: &str) -> bool {
    listing.heads.contains_key(path) || listing.settings.contains_key(path) || listing.not_text.contains_key(path)
}

/// How much is kept of a file in the script's folder, by its path. Of settings it is one byte more than they may have.
fn head_max(path: &str) -> usize {
    let is_settings = listing::is_settings(listing::name_of(path));
    if is_settings { usize::try_from(SETTINGS_BYTES_MAX + 1).unwrap_or(usize::MAX) } else { HEAD_BYTES_MAX }
}

/// Keeps the beginning of a file in the script's folder, or the text of its settings.
fn keep_beginning(listing: &mut FolderListing, path: String, bytes: Vec<u8>) {
    if !listing::is_settings(listing::name_of(&path)) {
        listing.heads.insert(path, bytes);
    } else if bytes.len() as u64 <= SETTINGS_BYTES_MAX {
        match listing::text(&bytes) {
            Ok(text) => drop(listing.settings.insert(path, text.to_owned())),
            Err(not_text) => drop(listing.not_text.insert(path, not_text)),
        }
    }
}

/// Notes an entry that could not be read; one that is gone by now only means that the folder is changing.
fn note(listing: &mut FolderListing, path: String, error: &io::Error) {
    if error.kind() == io::ErrorKind::NotFound {
        listing.unsettled = true;
    } else {
        listing.unreadable.insert(path, words(error));
    }
}

/// The system's words for an error, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests;
