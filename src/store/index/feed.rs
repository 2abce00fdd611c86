//! What became of runs, told by each host to the indexes of all hosts on its root, its own included.
//!
//! ```text
//!  runs-{n}.feed      + 201510200336425903 triggered/report             it began
//!                     = 201510200336425903 failed triggered/report      it ended
//!                     - 201510200336425903 triggered/report             its record was removed
//!                     x 201510200336425903 triggered/report             so were all up to this one
//! ```
//!
//! One host appends whole lines, by one write each; everybody reads from where it was. A line is true whenever it is read:
//! read twice, or after a later line of another host, it does no harm. A file that is full gets a successor with the next
//! number, and the oldest go: who comes too late for some learns it, and looks at the records instead.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::model::{
    history::RunStatus,
    id::{JobId, JobKind, JobName, RunId},
    time::Wall,
};

/// Size in bytes at which a file gets a successor.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Files that are kept, the one that grows included: some 100,000 lines.
pub const FILES_MAX: usize = 3;

/// Most bytes that are read at once.
const CHUNK_BYTES_MAX: u64 = 256 * 1024;
/// Room for what is read, to begin with: mostly a few lines were told since.
const READ_BYTES: usize = 4096;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose run.
    pub job: JobId,
    /// Which.
    pub run: RunId,
    /// What became of it.
    pub change: Change,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stands like this.
    Is(RunStatus),
    /// Its record was removed.
    Gone,
    /// The records of this and of every earlier run of its job were removed.
    Cleared,
}

/// A place in the feed of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The number of the file.
    pub file: u64,
    /// The byte in it.
    pub offset: u64,
}

/// What was read of a feed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What it tells, oldest first. Lines that say nothing are left out.
    pub lines: Vec<Line>,
    /// Where the next chunk begins.
    pub mark: Mark,
    /// Whether lines before these may have been missed.
    pub is_gap: bool,
}

/// A host's own feed, open for appending.
#[derive(Debug)]
pub struct Feed {
    folder: PathBuf,
    file: File,
    number: u64,
    bytes: u64,
    /// Whether the last line has no end: it was cut by a crash or a full disk.
    is_torn: bool,
}

impl Feed {
    /// Opens the feed in a folder, which must be there; a new one begins at `now`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(folder: PathBuf, now: Wall) -> io::Result<Self> {
        // A feed that was lost begins with another number than it had before, so that nobody's mark fits it.
        let first = || u64::try_from(now.as_microsecond()).unwrap_or(0);
        let number = files(&folder)?.last().copied().unwrap_or_else(first);
        let mut file = open(&folder, number)?;
        let bytes = file.metadata()?.len();
        let is_torn = bytes > 0 && !ends_with_newline(&mut file)?;
        Ok(Self { folder, file, number, bytes, is_torn })
    }

    /// Tells of a run.
    ///
    /// # Errors
    /// When the disk does not take it; the feed is fit for the next line all the same.
    pub fn append(&mut self, line: &Line) -> io::Result<()> {
        if self.is_torn {
            self.write("\n")?;
            self.is_torn = false;
        }
        if self.bytes >= FILE_BYTES_MAX {
            self.file = open(&self.folder, self.number + 1)?;
            (self.number, self.bytes) = (self.number + 1, 0);
            // One that stays is tried again with the next file.
            let _ = remove_oldest(&self.folder);
        }
        self.write(&text(line))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let written = self.file.write_all(text.as_bytes());
        match written {
            Ok(()) => self.bytes += text.len() as u64,
            Err(_) => {
                self.is_torn = true;
                // Where the system does not tell either, the next start does.
                self.bytes = self.file.metadata().map_or(self.bytes, |metadata| metadata.len());
            }
        }
        written
    }
}

/// Reads on from a mark, or from the oldest line that is kept; `None` when there is nothing new.
///
/// # Errors
/// When the feed is there and cannot be read.
pub fn read(folder: &Path, mark: Option<Mark>) -> io::Result<Option<Chunk>> {
    let mut is_gap = false;
    let mut mark = match mark {
        Some(mark) => mark,
        None => {
            let files = files(folder)?;
            let Some(first) = files.first() else { return Ok(None) };
            is_gap = files.len() >= FILES_MAX;
            Mark { file: *first, offset: 0 }
        }
    };
    loop {
        let path = path(folder, mark.file);
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let files = files(folder)?;
                let Some(next) = files.iter().find(|file| **file > mark.file).or(files.first()) else {
                    return Ok(None);
                };
                is_gap = true;
                mark = Mark { file: *next, offset: 0 };
                continue;
            }
            Err(error) => return Err(error),
        };
        if bytes < mark.offset {
            // It is shorter than it was: the machine lost power.
            is_gap = true;
            mark.offset = 0;
        } else if bytes > mark.offset {
            let (lines, read) = lines(&path, mark.offset)?;
            if read == 0 && !is_gap {
                return Ok(None);
            }
            return Ok(Some(Chunk { lines, mark: Mark { offset: mark.offset + read, ..mark }, is_gap }));
        } else if bytes < FILE_BYTES_MAX {
            return Ok(is_gap.then(|| Chunk { lines: Vec::new(), mark, is_gap }));
        } else {
            // It does not grow any more.
            match files(folder)?.into_iter().find(|file| *file > mark.file) {
                Some(next) => mark = Mark { file: next, offset: 0 },
                None => return Ok(is_gap.then(|| Chunk { lines: Vec::new(), mark, is_gap })),
            }
        }
    }
}

/// Reads whole lines from an offset, and tells how many bytes they take.
fn lines(path: &Path, offset: u64) -> io::Result<(Vec<Line>, u64)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(READ_BYTES);
    file.take(CHUNK_BYTES_MAX).read_to_end(&mut bytes)?;
    let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => last + 1,
        // No line is that long: it is none of ours.
        None if bytes.len() as u64 == CHUNK_BYTES_MAX => bytes.len(),
        None => 0,
    };
    let text = String::from_utf8_lossy(&bytes[..whole]);
    Ok((text.lines().filter_map(parse).collect(), whole as u64))
}

fn text(line: &Line) -> String {
    let Line { job, run, change } = line;
    match change {
        Change::Is(RunStatus::Running) => format!("+ {run} {job}\n"),
        Change::Is(status @ RunStatus::Ended(_)) => format!("= {run} {status} {job}\n"),
        Change::Gone => format!("- {run} {job}\n"),
        Change::Cleared => format!("x {run} {job}\n"),
    }
}

fn parse(line: &str) -> Option<Line> {
    let (sign, rest) = line.split_once(' ')?;
    let (run, rest) = rest.split_once(' ')?;
    let (change, job) = match sign {
        "+" => (Change::Is(RunStatus::Running), rest),
        "-" => (Change::Gone, rest),
        "x" => (Change::Cleared, rest),
        "=" => {
            let (word, job) = rest.split_once(' ')?;
            (Change::Is(word.parse().ok()?), job)
        }
        _ => return None,
    };
    let (kind, name) = job.split_once('/')?;
    let job = JobId { kind: kind.parse::<JobKind>().ok()?, name: JobName::parse(name).ok()? };
    Some(Line { job, run: RunId::parse(run).ok()?, change })
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("runs-{number:016}.feed"))
}

/// Lists the numbers of a feed's files, oldest first.
fn files(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let number = |name: String| name.strip_prefix("runs-")?.strip_suffix(".feed")?.parse().ok();
    let mut numbers: Vec<u64> = names.filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn open(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path(folder, number))
}

fn remove_oldest(folder: &Path) -> io::Result<()> {
    let files = files(folder)?;
    let beyond = files.len().saturating_sub(FILES_MAX);
    files[..beyond].iter().try_for_each(|number| fs::remove_file(path(folder, *number)))
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests;
