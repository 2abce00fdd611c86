//! What was written of Kudu's app settings: `data/webjobd/settings.json`, one object of texts, for its owner alone since
//! it may hold secrets. Shared by all hosts of a root and written as a whole; whoever changes it holds the lock beside it.

use std::{collections::BTreeMap, path::Path};

use crate::os::file::{self, Access, Durability, FileError};

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads the file; an absent one says nothing.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let Some(text) = file::read_bounded(path, FILE_BYTES_MAX)? else { return Ok(BTreeMap::new()) };
    serde_json::from_slice(&text).map_err(|error| FileError::Read { path: path.to_owned(), source: error.into() })
}

/// Writes the file.
///
/// # Errors
/// When the disk does not take it; the old one is then still there.
pub fn write(path: &Path, settings: &BTreeMap<String, String>) -> Result<(), FileError> {
    let text = serde_json::to_vec_pretty(settings).expect("texts are JSON");
    file::write_whole(path, &text, Durability::Synced, Access::Owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_and_a_broken_file_is_no_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.json");
        assert_eq!(read(&path).expect("none"), BTreeMap::new());
        let settings = BTreeMap::from([("Key".to_owned(), "väl\"ue".to_owned())]);
        write(&path, &settings).expect("it is written");
        assert_eq!(read(&path).expect("it is read"), settings);
        std::fs::write(&path, r#"{"a": 1}"#).expect("it is written");
        assert!(matches!(read(&path), Err(FileError::Read { .. })));
    }
}
