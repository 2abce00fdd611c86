//! Which files lie in folders, remembered for lists of many: as long as a folder itself has not changed, what came and went
//! in it has not either.
//!
//! As with hashes of files, a folder that changed within the last moments is looked into again: it may change once more
//! without a change of its time.

use std::{
    array,
    collections::HashMap,
    ffi::OsString,
    fs::{self, Metadata},
    path::Path,
    sync::{Mutex, PoisonError},
};

use jiff::SignedDuration;

use crate::{model::time::Wall, os::file};

/// Age below which a folder may change without a change of its time.
const RACY: SignedDuration = SignedDuration::from_secs(2);
/// Folders that are remembered; with one more, all are looked into again.
const FOLDERS_MAX: usize = 20_000;

/// What was found in folders, by their paths as texts: a path is compared name by name.
#[derive(Debug, Default)]
pub struct Looks(Mutex<HashMap<OsString, Look>>);

#[derive(Clone, Copy, Debug)]
struct Look {
    stamp: Stamp,
    /// One bit for each name that was looked for.
    found: u8,
}

/// Differs when anything came into a folder or went, and when it is another folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    changed: Wall,
    identity: Option<(u64, u64)>,
}

impl Looks {
    /// Tells which of some names, at most eight and always the same, are there in a folder.
    pub fn has<const N: usize>(&self, folder: &Path, names: [&str; N], now: Wall) -> [bool; N] {
        let Ok(metadata) = fs::metadata(folder) else { return [false; N] };
        let stamp = Stamp::of(&metadata).filter(|stamp| now.duration_since(stamp.changed) > RACY);
        let known = self.known(folder);
        if let Some(known) = known.filter(|known| Some(known.stamp) == stamp) {
            return array::from_fn(|place| known.found & 1 << place != 0);
        }
        let found = names.map(|name| folder.join(name).exists());
        if let Some(stamp) = stamp {
            let bits = found.iter().zip(0..8).fold(0, |bits, (is_there, place)| bits | u8::from(*is_there) << place);
            self.remember(folder, Look { stamp, found: bits });
        }
        found
    }

    fn known(&self, folder: &Path) -> Option<Look> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(folder.as_os_str()).copied()
    }

    fn remember(&self, folder: &Path, look: Look) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= FOLDERS_MAX {
            looks.clear();
        }
        looks.insert(folder.into(), look);
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Option<Self> {
        let changed = Wall::try_from(metadata.modified().ok()?).ok()?;
        Some(Self { changed, identity: file::identity(metadata) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_seen_and_a_folder_at_rest_is_remembered() {
        let temp = tempfile::tempdir().expect("a folder");
        let (folder, looks) = (temp.path(), Looks::default());
        let changed = || Stamp::of(&fs::metadata(folder).expect("it is there")).expect("it has a time").changed;
        let later = |seconds| changed().checked_add(SignedDuration::from_secs(seconds)).expect("a time");
        let look = |now| looks.has(folder, ["a", "b"], now);
        assert_eq!(look(later(0)), [false, false]);
        fs::write(folder.join("b"), "").expect("written");
        assert_eq!(look(later(0)), [false, true], "a folder that has just changed is not remembered");
        assert_eq!(look(later(60)), [false, true]);
        assert!(looks.known(folder).is_some());
        fs::remove_file(folder.join("b")).expect("removed");
        fs::write(folder.join("a"), "").expect("written");
        assert_eq!(look(later(60)), [true, false]);
        assert_eq!(looks.has(&folder.join("none"), ["a"], later(60)), [false]);
    }
}
