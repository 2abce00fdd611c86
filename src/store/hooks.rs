//! Hooks on disk: `data/webjobd/hooks.json`, for its owner alone since it holds passwords, and the record of deliveries
//! beside it, a file of lines a hook. Shared by all hosts of a root; whoever writes holds `hooks.lock`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    model::hook::{Attempt, Hook},
    os::file::{self, Access, Durability, FileError},
};

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Attempts that are kept of a hook.
pub const ATTEMPTS_KEPT: usize = 100;

/// Lines of a record at which it is written anew with the latest alone.
const LINES_MAX: usize = 2 * ATTEMPTS_KEPT;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    hooks: Vec<Hook>,
}

/// Reads all hooks, in the order in which they came. An absent file has none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<Vec<Hook>, FileError> {
    let Some(text) = file::read_bounded(path, FILE_BYTES_MAX)? else { return Ok(Vec::new()) };
    let content: Result<Content, _> = serde_json::from_slice(&text);
    // The error tells a place, and nothing of what stands there.
    content.map(|content| content.hooks).map_err(|error| {
        let what = format!("it is no list of hooks (line {}, column {})", error.line(), error.column());
        FileError::Read { path: path.to_owned(), source: io::Error::new(io::ErrorKind::InvalidData, what) }
    })
}

/// Writes all hooks.
///
/// # Errors
/// When the disk does not take them; the old ones are then still there.
pub fn write(path: &Path, hooks: Vec<Hook>, durability: Durability) -> Result<(), FileError> {
    let text = serde_json::to_vec_pretty(&Content { hooks }).expect("hooks are JSON");
    file::write_whole(path, &text, durability, Access::Owner)
}

/// Adds an attempt to a hook's record; only the latest are kept.
///
/// # Errors
/// When the disk does not take it.
pub fn note(path: &Path, attempt: &Attempt) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        file::create_folders(folder)?;
    }
    let mut lines = lines(path)?;
    let line = serde_json::to_string(attempt).expect("an attempt is JSON") + "\n";
    // A last line without its end was cut by a crash: it would spoil this one.
    if lines.len() < LINES_MAX && lines.last().is_none_or(|last| last.ends_with('\n')) {
        let file = OpenOptions::new().append(true).create(true).open(path);
        return file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(failed);
    }
    lines.retain(|line| line.ends_with('\n'));
    lines.push(line);
    let text = lines.split_off(lines.len().saturating_sub(ATTEMPTS_KEPT)).concat();
    file::write_whole(path, text.as_bytes(), Durability::Lazy, Access::Usual)
}

/// Reads a hook's latest attempts, the newest first. What makes no sense is passed over.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn attempts(path: &Path, count: usize) -> Result<Vec<Attempt>, FileError> {
    let lines = lines(path)?;
    let read = lines.iter().rev().filter_map(|line| serde_json::from_str(line).ok());
    Ok(read.take(count.min(ATTEMPTS_KEPT)).collect())
}

/// Removes a hook's record; one that is not there is fine.
///
/// # Errors
/// When it stays.
pub fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn lines(path: &Path) -> Result<Vec<String>, FileError> {
    let text = file::read_bounded(path, FILE_BYTES_MAX)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).split_inclusive('\n').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        hook::{AttemptOutcome, DeliveryId, HookId, Secret},
        time::Wall,
    };

    fn attempt(number: u32) -> Attempt {
        Attempt {
            delivery: DeliveryId("d".to_owned()),
            event: "E".to_owned(),
            at: Wall::UNIX_EPOCH,
            attempt: number,
            outcome: AttemptOutcome::Retried,
            status: Some(503),
            error: None,
            duration_ms: 3,
            next: Some(Wall::UNIX_EPOCH),
            instance: "a".to_owned(),
        }
    }

    #[test]
    fn hooks_are_kept_with_their_secrets_and_a_defect_tells_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hooks.json");
        assert_eq!(read(&path).expect("none"), []);
        let hook = Hook {
            id: HookId::at(Wall::UNIX_EPOCH, None),
            event: "E".to_owned(),
            url: "https://ann:s3cret@x.example/".to_owned(),
            insecure_ssl: true,
            secret: Some(Secret::new("s3cret".to_owned())),
            last: None,
        };
        write(&path, vec![hook.clone()], Durability::Synced).expect("they are written");
        assert_eq!(read(&path).expect("they are read"), [hook]);
        fs::write(&path, r#"{"hooks": ["s3cret"]}"#).expect("it is written");
        let error = read(&path).expect_err("no hooks");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn the_latest_attempts_are_kept_newest_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deliveries/1.jsonl");
        assert_eq!(attempts(&path, 10).expect("none"), []);
        for number in 0..450 {
            note(&path, &attempt(number)).expect("it is noted");
            if number == 40 {
                let file = OpenOptions::new().append(true).open(&path);
                file.expect("a file").write_all(b"{\"cut").expect("it is written");
            }
            assert!(lines(&path).expect("lines").len() <= LINES_MAX);
        }
        let numbers: Vec<_> = attempts(&path, 3).expect("attempts").iter().map(|one| one.attempt).collect();
        assert_eq!(numbers, [449, 448, 447]);
        assert_eq!(attempts(&path, usize::MAX).expect("attempts").len(), ATTEMPTS_KEPT);
        forget(&path).expect("it is gone");
        forget(&path).expect("it was gone");
    }
}
