//! The file a log is written to now: opened, appended to, rolled, and found again when somebody removed it.
//!
//! A block of lines goes in as a whole or not at all: what a full disk took of it is taken back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use memchr::{memchr, memrchr};

use super::parts::{self, LogName, Part};
use crate::{
    model::time::{Mono, Now},
    os::file,
};

/// How long a file that was removed under the writer may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The open end of a log.
#[derive(Debug)]
pub struct Current {
    dir: Arc<Path>,
    name: LogName,
    file: File,
    /// Offset of the file's first byte.
    start: u64,
    size: u64,
    looked: Mono,
    /// Held as long as the log is written.
    _lock: Option<File>,
}

impl Current {
    /// Opens the log where it ends; makes it when there is none. Returns the rolled parts as well. A folder that was new has neither
    /// lines nor parts, unless somebody was faster and left a log there.
    pub fn open(
        dir: &Arc<Path>,
        name: LogName,
        lock: Option<File>,
        is_new: bool,
        now: Now,
    ) -> io::Result<(Self, Vec<Part>)> {
        let path = dir.join(name.current());
        let begun = if is_new { begin(&path)? } else { None };
        let ((file, size), parts) = match begun {
            Some(file) => ((file, 0), Vec::new()),
            None => (open_end(&path)?, parts::list(dir, &name)?),
        };
        let start = parts::current_start(&parts);
        Ok((Self { dir: Arc::clone(dir), name, file, start, size, looked: now.mono, _lock: lock }, parts))
    }

    /// Returns the name of the log.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// Returns the offset at which the next line goes.
    pub fn end(&self) -> u64 {
        self.start + self.size
    }

    /// Returns how many bytes of `lines`, at a line's end, fit before the file is larger than `size_max`; 0 when it has
    /// to be rolled first. A line that is longer than a whole file fits into an empty one.
    pub fn fitting(&self, lines: &[u8], size_max: u64) -> usize {
        let room = usize::try_from(size_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        match memrchr(b'\n', &lines[..room]) {
            Some(at) => at + 1,
            None if self.size == 0 => memchr(b'\n', lines).map_or(lines.len(), |at| at + 1),
            None => 0,
        }
    }

    /// Appends whole lines, all or none.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(n) if n > 0 => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                failed => {
                    self.take_back((lines.len() - rest.len()) as u64);
                    return Err(failed.err().unwrap_or_else(|| ErrorKind::WriteZero.into()));
                }
            }
        }
        self.size += lines.len() as u64;
        Ok(())
    }

    /// Makes the file a part and begins a new one; returns the part's path.
    pub fn roll(&mut self) -> io::Result<PathBuf> {
        let path = self.path();
        // Asked of the file: a person may have added a line by hand.
        let end = self.start + self.file.metadata()?.len();
        let part = self.dir.join(self.name.part(self.start, end));
        fs::rename(&path, &part)?;
        match open_end(&path) {
            Ok((file, size)) => {
                (self.file, self.size, self.start) = (file, size, end);
                Ok(part)
            }
            Err(error) => {
                // Without a new file the old one goes on, under its old name.
                fs::rename(&part, &path)?;
                Err(error)
            }
        }
    }

    /// Looks, at most once a second, whether the file is still the one that people see, and opens it anew if not. Lines
    /// that were removed with it keep their offsets, so that no other line is taken for them.
    pub fn look(&mut self, now: Now) -> io::Result<()> {
        if now.mono.since(self.looked) < LOOK_EVERY {
            return Ok(());
        }
        self.looked = now.mono;
        let path = self.path();
        let ours = self.file.metadata()?;
        let is_same = fs::metadata(&path).is_ok_and(|seen| file::identity(&seen) == file::identity(&ours));
        if !is_same {
            let end = self.end();
            fs::create_dir_all(&self.dir)?;
            parts::mark(&self.dir, &self.name, end)?;
            (self.file, self.size) = open_end(&path)?;
            self.start = end;
        } else if ours.len() < self.size {
            // Emptied in place; what it holds now was written since.
            let start = self.end().saturating_sub(ours.len());
            parts::mark(&self.dir, &self.name, start)?;
            (self.start, self.size) = (start, ours.len());
        } else {
            self.size = ours.len();
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.dir.join(self.name.current())
    }

    /// Removes the last `n_bytes`: lines are whole or absent.
    fn take_back(&self, n_bytes: u64) {
        if n_bytes > 0
            && let Ok(metadata) = self.file.metadata()
        {
            // Where even that fails, the next line begins in the middle of one.
            let _ = self.file.set_len(metadata.len().saturating_sub(n_bytes));
        }
    }
}

/// Makes a file to append to; `None` when there is one.
fn begin(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().append(true).read(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        made => made.map(Some),
    }
}

/// Opens a file to append to and returns its size. A last line that a crash left without an end gets one.
fn open_end(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path)?;
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok((file, 0));
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(size - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok((file, size));
    }
    file.write_all(b"\n")?;
    Ok((file, size + 1))
}
