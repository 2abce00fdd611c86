//! Locks that processes and hosts share, through files.
//!
//! A lock is held by an open file and goes with it, also when the host is killed: nothing to clean up, no pid to check.
//! The file itself stays: one that is deleted and made again would be another lock. Children do not inherit it. The text
//! in the file tells people and tools who holds it; it is information, never the lock.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::Path,
};

/// Longest holder's text that is read, in bytes.
const HOLDER_BYTES_MAX: u64 = 4096;

/// What came of an attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours until the value is dropped.
    Taken(FileLock),
    /// Another has it; its text, empty when it wrote none.
    Held(String),
}

/// A lock that is held. Dropping it sets it free.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock and leaves the holder's text as it is. Does not wait.
    ///
    /// # Errors
    /// When the file cannot be made, opened or locked at all.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        match Self::attempt(path, None)? {
            Attempt::Taken(lock) => Ok(Some(lock)),
            Attempt::Held(_) => Ok(None),
        }
    }

    /// Takes the lock and writes `holder` into the file, as far as the disk takes it, or says who has it. Does not wait.
    ///
    /// # Errors
    /// When the file cannot be made, opened or locked at all.
    pub fn try_exclusive_as(path: &Path, holder: &str) -> io::Result<Attempt> {
        Self::attempt(path, Some(holder))
    }

    /// Takes a share in the lock: refused while somebody has it whole, and never while others only share in it. Neither
    /// the file nor its text changes. Does not wait.
    ///
    /// # Errors
    /// When the file is not there, or cannot be locked at all.
    pub fn try_shared(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        match fs2::FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(Some(Self { file })),
            Err(error) if is_contended(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until nobody has the lock whole, and takes a share in it. Blocks its thread for as long as that takes.
    ///
    /// # Errors
    /// When the file is not there, or cannot be locked at all.
    pub fn wait_shared(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        fs2::FileExt::lock_shared(&file)?;
        Ok(Self { file })
    }

    /// Returns what the last holder wrote; empty when that cannot be read.
    pub fn holder(&self) -> String {
        read_holder(&self.file)
    }

    /// Replaces the holder's text.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_holder(&mut self, holder: &str) -> io::Result<()> {
        self.file.rewind()?;
        self.write_from_here(holder)
    }

    fn write_from_here(&mut self, holder: &str) -> io::Result<()> {
        self.file.write_all(holder.as_bytes())?;
        // Afterwards: what is as long as before keeps its place on the disk.
        self.file.set_len(holder.len() as u64)
    }

    fn attempt(path: &Path, holder: Option<&str>) -> io::Result<Attempt> {
        let file = open(path)?;
        if let Err(error) = fs2::FileExt::try_lock_exclusive(&file) {
            return if is_contended(&error) { Ok(Attempt::Held(read_holder(&file))) } else { Err(error) };
        }
        let mut lock = Self { file };
        if let Some(holder) = holder {
            // On a full disk there is no telling who has it, and it is held all the same.
            let _ = lock.write_from_here(holder);
        }
        Ok(Attempt::Taken(lock))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A child that is just being started shares the open file for a moment: closing it alone would not free the lock.
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

fn is_contended(error: &io::Error) -> bool {
    error.raw_os_error() == fs2::lock_contended_error().raw_os_error()
}

/// Where locks are mandatory the text cannot be read; whether the lock is held is known all the same.
fn read_holder(file: &File) -> String {
    let mut text = String::new();
    let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    text
}

/// Opens the file for reading and writing, and makes it and its folders where they are missing.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    match (options.open(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            options.open(path)
        }
        (opened, _) => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_names_its_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/singleton.job.lock");
        let taken = FileLock::try_exclusive_as(&path, r#"{"InstanceId":"one"}"#).expect("a lock");
        let Attempt::Taken(lock) = taken else { panic!("free, but {taken:?}") };

        let refused = FileLock::try_exclusive_as(&path, "two").expect("an answer");
        assert!(matches!(&refused, Attempt::Held(holder) if holder.contains("one")), "{refused:?}");
        assert!(FileLock::try_exclusive(&path).expect("an answer").is_none());

        drop(lock);
        let Some(lock) = FileLock::try_exclusive(&path).expect("an answer") else { panic!("free again") };
        assert_eq!(fs::read_to_string(&path).expect("the text"), r#"{"InstanceId":"one"}"#, "the file stays");
        drop(lock);
    }

    #[test]
    fn shares_stand_beside_each_other_and_against_a_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.lock");
        assert!(FileLock::try_shared(&path).is_err(), "looking makes no lock");
        let taken = FileLock::try_exclusive_as(&path, "one").expect("a lock");
        assert!(FileLock::try_shared(&path).expect("an answer").is_none());
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || FileLock::wait_shared(&path).expect("a share")
        });
        drop(taken);
        let waited = waiting.join().expect("it comes to its share");
        let share = FileLock::try_shared(&path).expect("an answer").expect("a share beside it");
        assert_eq!((share.holder().as_str(), waited.holder().as_str()), ("one", "one"));
        assert!(FileLock::try_exclusive(&path).expect("an answer").is_none());
    }

    #[test]
    fn a_shorter_holder_replaces_a_longer_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.lock");
        for holder in ["a long text", "short"] {
            let taken = FileLock::try_exclusive_as(&path, holder).expect("a lock");
            assert!(matches!(taken, Attempt::Taken(_)));
            assert_eq!(fs::read_to_string(&path).expect("the text"), holder);
        }
    }

    #[cfg(unix)]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "any child will do")]
    fn a_child_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.lock");
        let lock = FileLock::try_exclusive(&path).expect("an answer").expect("free");
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("a child");
        drop(lock);
        let again = FileLock::try_exclusive(&path).expect("an answer");
        child.kill().and_then(|()| child.wait()).expect("the child ends");
        assert!(again.is_some());
    }

    #[test]
    fn a_path_that_cannot_be_a_file_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(FileLock::try_exclusive(folder.path()).is_err());
    }
}
