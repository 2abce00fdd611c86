//! Walks a folder: names and facts first, then the hashes of what changed.
//!
//! The walk keeps the order of paths, so that its fingerprint does not depend on the order of the file system.

use std::{
    convert::Infallible,
    fs::{self, DirEntry, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    ScanTime,
    hash::{self, Fingerprint, Seen},
    head_max, keep_beginning, note,
};
use crate::{
    model::{
        job::ContentHash,
        listing::{self, Entry, EntryKind, FolderListing, LinkTo},
        time::Wall,
    },
    os::processors,
};

/// Clocks of file servers run ahead by this much at most; a file from further in the future is an old one.
const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Files for which another thread is worth its start.
const FILES_A_THREAD: usize = 64;

/// Everything below a folder, in the order of its paths.
pub(super) struct Walk {
    found: Vec<Met>,
    /// When the last of them was written.
    last: Option<Wall>,
}

struct Met {
    /// Relative, with `/`.
    path: String,
    /// As the system has it: the name may not be UTF-8.
    place: PathBuf,
    metadata: Metadata,
}

impl Walk {
    /// Walks a folder. What cannot be read below it becomes a fact of `listing`.
    pub(super) fn of(root: &Path, listing: &mut FolderListing) -> io::Result<Self> {
        let mut walk = Self { found: Vec::new(), last: None };
        walk.met(&fs::metadata(root)?);
        let mut folders = vec![(String::new(), root.to_owned())];
        while let Some((dir, place)) = folders.pop() {
            let entries = match fs::read_dir(&place) {
                Ok(entries) => entries,
                Err(error) if dir.is_empty() => return Err(error),
                Err(error) => {
                    note(listing, dir, &error);
                    continue;
                }
            };
            for entry in entries {
                match entry.and_then(|entry| Met::of(&dir, &entry, listing)) {
                    Ok(met) => {
                        if met.metadata.is_dir() {
                            folders.push((met.path.clone(), met.place.clone()));
                        }
                        walk.met(&met.metadata);
                        walk.found.push(met);
                    }
                    Err(error) => note(listing, dir.clone(), &error),
                }
            }
        }
        walk.found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(walk)
    }

    /// Returns a value that differs when anything in the folder does.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        hash::fingerprint(self.found.iter().map(|met| (met.path.as_str(), &met.metadata)))
    }

    /// Returns whether something was written so shortly ago that more may follow.
    pub(super) fn is_young(&self, time: ScanTime) -> bool {
        let quiet = jiff::SignedDuration::try_from(time.quiet).unwrap_or(jiff::SignedDuration::MAX);
        let age = self.last.map(|last| time.now.duration_since(last));
        !quiet.is_zero() && age.is_some_and(|age| age < quiet && age > -AHEAD)
    }

    /// Fills the listing, and returns what was seen.
    pub(super) fn into_entries(self, root: &Path, listing: &mut FolderListing, seen: &Seen, now: Wall) -> Seen {
        let mut own = None;
        for Met { path, place, metadata } in &self.found {
            let mut entry =
                Entry { kind: EntryKind::Other, size: 0, mode: hash::mode(metadata), hash: ContentHash([0; 16]) };
            if metadata.is_dir() {
                entry.kind = EntryKind::Folder;
            } else if metadata.is_file() {
                entry.kind = EntryKind::File;
                entry.size = metadata.len();
            } else if metadata.is_symlink() {
                let own = own.get_or_insert_with(|| fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()));
                match fs::read_link(place) {
                    Ok(target) => {
                        entry.hash = hash::link(&target);
                        let (to, behind) = follow(place, &target, own);
                        entry.mode = behind.as_ref().map_or(0, hash::mode);
                        entry.kind = EntryKind::Link(to);
                    }
                    Err(error) => note(listing, path.clone(), &error),
                }
            }
            listing.entries.insert(path.clone(), entry);
        }
        self.hash_all(listing, seen, now)
    }

    /// Hashes the files. Where one is read for this, its beginning is kept, so that it is read once.
    fn hash_all(self, listing: &mut FolderListing, seen: &Seen, now: Wall) -> Seen {
        let mut seen_now = Seen::default();
        let dir = listing.script_dir();
        // Nobody compares noise, and a repository's objects may be large.
        let files = self.found.into_iter().filter(|met| met.metadata.is_file() && !listing::is_noise(&met.path));
        let files: Vec<Met> = files.collect();
        let head_max = |path: &str| if listing::folder_of(path) == dir { head_max(path) } else { 0 };
        let Ok(mut hashed) = processors::try_each(&files, FILES_A_THREAD, |place, met| {
            let hashed = seen.hash((&met.place, &met.metadata), head_max(&met.path), now);
            Ok::<_, Infallible>((place, hashed))
        });
        hashed.sort_unstable_by_key(|(place, _)| *place);
        for (Met { path, .. }, (_, hashed)) in files.into_iter().zip(hashed) {
            match hashed {
                Ok(hashed) => {
                    seen_now.keep(&hashed);
                    if let Some(entry) = listing.entries.get_mut(&path) {
                        entry.hash = hashed.hash;
                    }
                    listing.unsettled |= hashed.changed;
                    if let Some(head) = hashed.head.filter(|_| head_max(&path) > 0) {
                        keep_beginning(listing, path, head);
                    }
                }
                Err(error) => note(listing, path, &error),
            }
        }
        seen_now.seal();
        seen_now
    }

    fn met(&mut self, metadata: &Metadata) {
        let written = metadata.modified().ok().and_then(|time| Wall::try_from(time).ok());
        // A link's own time says nothing about what is behind it, and it is made at once.
        if !metadata.is_symlink() {
            self.last = self.last.max(written);
        }
    }
}

impl Met {
    fn of(dir: &str, entry: &DirEntry, listing: &mut FolderListing) -> io::Result<Self> {
        let name = entry.file_name();
        let path = listing::join(dir, &name.to_string_lossy());
        if name.to_str().is_none() {
            listing.odd_names.push(path.clone());
        }
        Ok(Self { path, place: entry.path(), metadata: entry.metadata()? })
    }
}

/// Where a link leads, and what is there when that is in the job's folder.
fn follow(place: &Path, target: &Path, root: &Path) -> (LinkTo, Option<Metadata>) {
    let Ok(end) = fs::canonicalize(place) else {
        let leads_out = target.is_absolute() && !target.starts_with(root);
        return (if leads_out { LinkTo::Outside } else { LinkTo::Nothing }, None);
    };
    match fs::metadata(&end) {
        Ok(_) if !end.starts_with(root) => (LinkTo::Outside, None),
        Ok(metadata) if metadata.is_file() => (LinkTo::File, Some(metadata)),
        Ok(metadata) if metadata.is_dir() => (LinkTo::Folder, None),
        Ok(_) | Err(_) => (LinkTo::Nothing, None),
    }
}
