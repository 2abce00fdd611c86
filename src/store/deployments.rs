//! The deployments of a root, on disk: `data/webjobd/deployments/{id}/deployment.json`, its log, its zip.
//!
//! One host at a time deploys on a root; who holds the lock knows that whatever is not complete has ended with its host.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    model::deployment::{Deployment, DeploymentId, DeploymentLine},
    os::file::{self, Access, Durability, FileError},
};

/// Largest record, and largest log, that is read, in bytes.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The folder of all deployments.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// Uses a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the file that a deploying host holds locked; makes its folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn lock(&self) -> Result<PathBuf, FileError> {
        file::create_folders(&self.folder)?;
        Ok(self.folder.join("lock"))
    }

    /// Returns where the zip of a deployment lies.
    pub fn package(&self, id: &DeploymentId) -> PathBuf {
        self.of(id).join("package.zip")
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, deployment: &Deployment) -> Result<(), FileError> {
        let folder = self.of(&deployment.id);
        file::create_folders(&folder)?;
        let text = serde_json::to_vec_pretty(deployment).expect("a record holds nothing that JSON cannot");
        file::write_whole(&folder.join("deployment.json"), &text, Durability::Synced, Access::Usual)
    }

    /// Reads a record; `None` when there is none that makes sense.
    pub fn read(&self, id: &DeploymentId) -> Option<Deployment> {
        let text = file::read_bounded(&self.of(id).join("deployment.json"), BYTES_MAX).ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// Returns all records, newest first.
    pub fn list(&self) -> Vec<Deployment> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut found: Vec<Deployment> = ids.filter_map(|id: DeploymentId| self.read(&id)).collect();
        found.sort_by(|a, b| b.id.cmp(&a.id));
        found
    }

    /// Adds a line to the log of a deployment.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn say(&self, id: &DeploymentId, line: &DeploymentLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).expect("a line holds nothing that JSON cannot");
        text.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).open(self.of(id).join("log.jsonl"))?;
        file.write_all(&text)
    }

    /// Returns the lines of a deployment's log; those that make no sense are passed over.
    pub fn lines(&self, id: &DeploymentId) -> Vec<DeploymentLine> {
        let text = file::read_bounded(&self.of(id).join("log.jsonl"), BYTES_MAX).ok().flatten().unwrap_or_default();
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Takes over a zip, by a rename.
    ///
    /// # Errors
    /// When the disk does not do it.
    pub fn take_package(&self, id: &DeploymentId, zip: &Path) -> io::Result<()> {
        fs::rename(zip, self.package(id))
    }

    /// Removes the zip of a deployment.
    ///
    /// # Errors
    /// When it stays.
    pub fn remove_package(&self, id: &DeploymentId) -> io::Result<()> {
        gone(fs::remove_file(self.package(id)))
    }

    /// Removes all that is kept of a deployment.
    ///
    /// # Errors
    /// When something stays.
    pub fn remove(&self, id: &DeploymentId) -> io::Result<()> {
        gone(fs::remove_dir_all(self.of(id)))
    }

    fn of(&self, id: &DeploymentId) -> PathBuf {
        self.folder.join(id.as_str())
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        deployment::{About, Stage},
        time::Wall,
    };

    #[test]
    fn a_record_of_this_version_is_read_back_and_a_broken_one_hides_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::new(dir.path().to_owned());
        let text = r#"{"id":"0006000000000000000000000000002a","stage":"failed","text":"t",
            "about":{"author":"a","author_email":"e","deployer":"d","message":"m"},"received":"2026-01-01T00:00:00Z",
            "started":null,"ended":"2026-01-01T00:00:01Z","succeeded":null,"jobs":["triggered/a"]}"#;
        let deployment: Deployment = serde_json::from_str(text).expect("a record");
        assert_eq!(deployment.stage, Stage::Failed);
        shelf.write(&deployment).expect("it is written");
        let other =
            Deployment { id: DeploymentId::at(Wall::UNIX_EPOCH, 1), about: About::default(), ..deployment.clone() };
        shelf.write(&other).expect("it is written");
        fs::create_dir(dir.path().join("00060000000000000000000000000000")).expect("a folder");
        assert_eq!(shelf.list(), [deployment.clone(), other.clone()]);
        let line = DeploymentLine { at: Wall::UNIX_EPOCH, message: "said".to_owned(), is_error: false };
        shelf.say(&deployment.id, &line).expect("it is written");
        assert_eq!(shelf.lines(&deployment.id), [line]);
        shelf.remove(&deployment.id).expect("it goes");
        assert_eq!((shelf.list(), shelf.lines(&deployment.id)), (vec![other], Vec::new()));
    }
}
