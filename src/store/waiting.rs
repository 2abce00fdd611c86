//! The journal of deliveries that wait on this instance: what is to go on after a stop or a crash.
//!
//! One line when a delivery comes, one when it is to be tried again, one when it has ended, appended by a single write
//! each. A delivery whose end was not written is made once more. Addresses and secrets are not in it.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        hook::{Delivery, DeliveryId},
        time::Wall,
    },
    os::file::{self, Access, Durability, FileError},
};

/// Bytes that may be written after the last rewrite before the journal is written anew with what waits alone.
const COMPACT_BYTES: u64 = 4 * 1024 * 1024;

/// Largest journal that is read, in bytes.
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The journal, open for appending, and what waits.
#[derive(Debug)]
pub struct Waiting {
    path: PathBuf,
    file: File,
    grown: u64,
    held: BTreeMap<DeliveryId, Delivery>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Made(Delivery),
    Again { id: DeliveryId, attempts: u32, next: Wall },
    Ended(DeliveryId),
}

impl Waiting {
    /// Opens the journal with what waits by it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: PathBuf) -> Result<Self, FileError> {
        let held = read(&path)?;
        let file = rewrite(&path, &held)?;
        Ok(Self { path, file, grown: 0, held })
    }

    /// Returns what waits.
    pub fn held(&self) -> &BTreeMap<DeliveryId, Delivery> {
        &self.held
    }

    /// Notes deliveries that come.
    ///
    /// # Errors
    /// When the disk does not take them; they wait in memory all the same.
    pub fn add(&mut self, deliveries: Vec<Delivery>) -> io::Result<()> {
        let lines: String = deliveries.iter().map(|delivery| line(&Line::Made(delivery.clone()))).collect();
        self.held.extend(deliveries.into_iter().map(|delivery| (delivery.id.clone(), delivery)));
        self.append(&lines)
    }

    /// Notes that a delivery is tried again.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn again(&mut self, id: &DeliveryId, attempts: u32, next: Wall) -> io::Result<()> {
        let Some(delivery) = self.held.get_mut(id) else { return Ok(()) };
        (delivery.attempts, delivery.next) = (attempts, next);
        self.append(&line(&Line::Again { id: id.clone(), attempts, next }))
    }

    /// Notes that a delivery has ended.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn end(&mut self, id: &DeliveryId) -> io::Result<()> {
        self.held.remove(id);
        self.append(&line(&Line::Ended(id.clone())))
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        if self.grown > COMPACT_BYTES {
            self.file = rewrite(&self.path, &self.held).map_err(io::Error::other)?;
            self.grown = 0;
            return Ok(());
        }
        // What was written of a line that failed would spoil the next one: that one writes the journal anew.
        self.file.write_all(lines.as_bytes()).inspect_err(|_| self.grown = u64::MAX)?;
        self.grown = self.grown.saturating_add(lines.len() as u64);
        Ok(())
    }
}

/// Reads what waits by a journal; an absent one has nothing.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<BTreeMap<DeliveryId, Delivery>, FileError> {
    let text = file::read_bounded(path, JOURNAL_BYTES_MAX)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut held = BTreeMap::new();
    // A last line without its end was cut by the crash; what it says is not known to have happened.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match serde_json::from_str(line) {
            Ok(Line::Made(delivery)) => drop(held.insert(delivery.id.clone(), delivery)),
            Ok(Line::Again { id, attempts, next }) => {
                if let Some(delivery) = held.get_mut(&id) {
                    (delivery.attempts, delivery.next) = (attempts, next);
                }
            }
            Ok(Line::Ended(id)) => drop(held.remove(&id)),
            Err(_) => {}
        }
    }
    Ok(held)
}

fn line(line: &Line) -> String {
    serde_json::to_string(line).expect("deliveries are JSON") + "\n"
}

fn rewrite(path: &Path, held: &BTreeMap<DeliveryId, Delivery>) -> Result<File, FileError> {
    let text: String = held.values().map(|delivery| line(&Line::Made(delivery.clone()))).collect();
    file::write_whole(path, text.as_bytes(), Durability::Lazy, Access::Owner)?;
    let opened = OpenOptions::new().append(true).open(path);
    opened.map_err(|source| FileError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hook::HookId;

    fn delivery(id: &str) -> Delivery {
        Delivery {
            id: DeliveryId(id.to_owned()),
            hook: HookId::at(Wall::UNIX_EPOCH, None),
            event: "E".to_owned(),
            body: "{\n  \"a\": 1\n}".to_owned(),
            made: Wall::UNIX_EPOCH,
            attempts: 0,
            next: Wall::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_waits_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("waiting");
        let mut journal = Waiting::open(path.clone()).expect("it opens");
        journal.add(vec![delivery("a"), delivery("b"), delivery("c")]).expect("it is noted");
        let later: Wall = "2026-01-01T00:00:00Z".parse().expect("a time");
        journal.again(&DeliveryId("b".to_owned()), 3, later).expect("it is noted");
        journal.end(&DeliveryId("a".to_owned())).expect("it is noted");
        drop(journal);
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, text + "nonsense\n{\"ended\":\"c\"").expect("it is written");
        let journal = Waiting::open(path).expect("it opens");
        let expected = [delivery("c"), Delivery { attempts: 3, next: later, ..delivery("b") }];
        let expected: BTreeMap<_, _> = expected.into_iter().map(|one| (one.id.clone(), one)).collect();
        assert_eq!(journal.held(), &expected);
    }
}
