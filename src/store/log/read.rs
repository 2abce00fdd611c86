//! Reads a log back, across its parts, by offset.
//!
//! A view is what lay on disk when it was opened or refreshed: opening costs a listing, however large the log is. The
//! writer is never asked and never disturbed: while a view is used, parts may be packed or pruned, which is noticed and
//! taken as it is. What is gone is skipped, and the offsets in the answer show it. Every answer is bounded.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    ops::Range,
    path::{Path, PathBuf},
};

use memchr::{memchr_iter, memrchr};

use super::{
    ahead::Ahead,
    parts::{self, LogName, Part},
    segment::Segment,
};
use crate::{
    model::log::{LogLine, PAGE_BYTES_MAX},
    os::file,
};

/// Bytes that are read at once.
pub const BLOCK_BYTES: usize = 256 * 1024;
/// Parts that lie in memory at once: the one that is read, and the next.
const ROOMS_MAX: usize = 2;
/// How often files may move away under a reader before it gives up.
const TRIES: u32 = 16;

/// Bytes of a log, as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The offset of the first; later than was asked for when those before are gone.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// Returns the offset after the last byte.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Takes the lines apart; the last one may have no end.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let ends = memchr_iter(b'\n', &self.bytes).map(|at| at + 1);
        let last = (!self.bytes.ends_with(b"\n")).then_some(self.bytes.len());
        let mut start = 0;
        ends.chain(last).filter(|end| *end > 0).map(move |end| {
            let line = &self.bytes[start..end];
            let text = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
            let line = Line { start: self.start + start as u64, end: self.start + end as u64, text };
            start = end;
            line
        })
    }
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The offset of its first byte.
    pub start: u64,
    /// The offset after its line end: where the next line is.
    pub end: u64,
    /// Its bytes, without the line end.
    pub text: Vec<u8>,
}

impl Line {
    /// Reads its beginning; `None` for a line that has none and belongs to the one before.
    pub fn parse(&self) -> Option<LogLine<'_>> {
        LogLine::parse(&self.text)
    }
}

/// Lines, the oldest first, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub lines: Vec<Line>,
    /// The offset at which the next question goes on.
    pub next: u64,
}

/// A log, open for reading.
#[derive(Debug)]
pub struct LogView {
    dir: PathBuf,
    name: LogName,
    /// Those that hold bytes, the oldest first.
    parts: Vec<Part>,
    current: Option<Segment>,
    /// Where the current file begins, or would.
    current_start: u64,
    /// The part that was read last.
    opened: Option<Segment>,
    /// The part that is read next, and where it lies.
    ahead: Option<Ahead>,
    /// Room of parts that were read, for those that come.
    rooms: Vec<Vec<u8>>,
    course: Course,
}

/// In which order parts will be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Course {
    /// Nobody knows: only what is asked for is read.
    #[default]
    Unknown,
    /// All, the newest first; no part was read yet.
    Newest,
    /// All, the oldest first; no part was read yet.
    Oldest,
    /// The same, and one was read.
    Older,
    /// The same, and one was read.
    Newer,
}

impl LogView {
    /// Opens a log; one that does not exist is empty.
    ///
    /// # Errors
    /// When its folder or its current file cannot be read.
    pub fn open(dir: &Path, name: &LogName) -> io::Result<Self> {
        let mut listed = parts::list(dir, name)?;
        for _ in 0..TRIES {
            let current_start = parts::current_start(&listed);
            let current = match File::open(dir.join(name.current())) {
                Ok(file) => Some(Segment::current(file, current_start)?),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            // Rolled between the listing and the opening? Then the file is a later one than the listing says.
            listed = parts::list(dir, name)?;
            if parts::current_start(&listed) == current_start {
                listed.retain(|part| !part.is_empty());
                let (dir, name) = (dir.to_owned(), name.clone());
                let (parts, opened, ahead, rooms) = (listed, None, None, Vec::new());
                let course = Course::Unknown;
                return Ok(Self { dir, name, parts, current, current_start, opened, ahead, rooms, course });
            }
        }
        Err(io::Error::new(ErrorKind::ResourceBusy, "the log is rolled faster than it can be opened"))
    }

    /// Looks again at what lies on disk: cheap while the log was not rolled.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn refresh(&mut self) -> io::Result<()> {
        if let Some(current) = &mut self.current
            && let Some(file) = current.file()
            && let Ok(seen) = fs::metadata(self.dir.join(self.name.current()))
            && let Some(identity) = file::identity(&seen)
            && file::identity(&file.metadata()?) == Some(identity)
            && self.current_start + seen.len() >= current.range.end
        {
            current.range.end = self.current_start + seen.len();
            return Ok(());
        }
        *self = Self::open(&self.dir, &self.name)?;
        Ok(())
    }

    /// Returns the offset of the oldest byte that is still there.
    pub fn start(&self) -> u64 {
        self.parts.first().map_or(self.current_start, |part| part.start)
    }

    /// Returns the offset after the newest byte.
    pub fn end(&self) -> u64 {
        self.current.as_ref().map_or(self.current_start, |current| current.range.end)
    }

    /// Reads at most `bytes_max` bytes from an offset on. What ends before the log does ends at a line's end, unless one
    /// line alone is longer.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn range(&mut self, from: u64, bytes_max: usize) -> io::Result<Chunk> {
        let mut chunk = self.bytes(from..self.end(), bytes_max.min(PAGE_BYTES_MAX))?;
        if chunk.end() < self.end()
            && let Some(at) = memrchr(b'\n', &chunk.bytes)
        {
            chunk.bytes.truncate(at + 1);
        }
        Ok(chunk)
    }

    /// Reads the lines of a range that `keep` wants, the oldest first, at most `n_max`. A line without a beginning of its
    /// own goes with the line before it; `keep` is asked with `None` where there is none before it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn lines(
        &mut self,
        within: Range<u64>,
        n_max: usize,
        keep: impl Fn(Option<&LogLine<'_>>) -> bool,
    ) -> io::Result<Page> {
        let mut page = Page { lines: Vec::new(), next: within.start };
        let (mut is_kept, mut n_bytes) = (keep(None), 0);
        while page.next < within.end && n_bytes < PAGE_BYTES_MAX {
            let mut chunk = self.range(page.next, BLOCK_BYTES)?;
            chunk.bytes.truncate(usize::try_from(within.end.saturating_sub(chunk.start)).unwrap_or(usize::MAX));
            if chunk.bytes.is_empty() {
                page.next = within.end;
            }
            for line in chunk.lines() {
                let own = line.parse();
                is_kept = if own.is_some() { keep(own.as_ref()) } else { is_kept };
                if page.lines.len() == n_max {
                    return Ok(page);
                }
                page.next = line.end;
                if is_kept {
                    n_bytes += line.text.len();
                    page.lines.push(line);
                }
            }
        }
        Ok(page)
    }

    /// Reads existing bytes of a range, up to the first gap.
    pub(super) fn bytes(&mut self, within: Range<u64>, bytes_max: usize) -> io::Result<Chunk> {
        let mut chunk = Chunk { start: within.start, bytes: Vec::new() };
        let mut tries = 0;
        while chunk.end() < within.end && chunk.bytes.len() < bytes_max {
            let at = chunk.end();
            match self.existing_from(at) {
                Some(found) if found > at && chunk.bytes.is_empty() => chunk.start = found.min(within.end),
                Some(found) if found == at => {
                    let room = usize::try_from(within.end - at).unwrap_or(usize::MAX);
                    match self.read_at(at, room.min(bytes_max - chunk.bytes.len()), &mut chunk.bytes) {
                        Ok(0) => break,
                        Ok(_) => {}
                        // Packed or pruned since the listing.
                        Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES => {
                            tries += 1;
                            let course = self.course;
                            *self = Self::open(&self.dir, &self.name)?;
                            self.course = course;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Some(_) | None => break,
            }
        }
        Ok(chunk)
    }

    /// Lists the ranges that exist, the oldest first.
    pub(super) fn ranges(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + '_ {
        let current = self.current.iter().map(|current| current.range.clone());
        self.parts.iter().map(|part| part.start..part.end).chain(current)
    }

    fn existing_from(&self, at: u64) -> Option<u64> {
        self.ranges().find(|range| range.end > at).map(|range| range.start.max(at))
    }

    fn read_at(&mut self, at: u64, n_max: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let n_before = bytes.len();
        bytes.resize(n_before + n_max.min(BLOCK_BYTES), 0);
        let read = self.segment(at).and_then(|segment| segment.read_at(at, &mut bytes[n_before..]));
        bytes.truncate(n_before + read.as_ref().copied().unwrap_or(0));
        read
    }

    /// Says in which order parts will be read, so that the next one can be unpacked beside another.
    pub(super) fn set_course(&mut self, course: Course) {
        self.course = course;
    }

    /// Says whether whoever goes back in the file that holds an offset pays for all before it.
    pub(super) fn goes_forward_only(&mut self, at: u64) -> bool {
        self.segment(at).is_ok_and(|segment| segment.goes_forward_only())
    }

    /// Opens the file that holds an offset.
    fn segment(&mut self, at: u64) -> io::Result<&mut Segment> {
        let Some(nth) = self.parts.iter().position(|part| part.end > at) else {
            return self.current.as_mut().ok_or_else(|| ErrorKind::NotFound.into());
        };
        let range = self.parts[nth].start..self.parts[nth].end;
        if let Some(opened) = self.opened.take_if(|opened| opened.range == range) {
            return Ok(self.opened.insert(opened));
        }
        // Let go of before another one comes.
        self.rooms.extend(self.opened.take().and_then(Segment::into_room));
        self.rooms.truncate(ROOMS_MAX);
        let awaited = self.ahead.take().filter(|ahead| ahead.range == range).and_then(Ahead::wait);
        let segment = match awaited {
            Some(segment) => segment,
            None => {
                let room = self.rooms.pop().unwrap_or_default();
                self.ahead = self
                    .next_of(nth)
                    .and_then(|part| Ahead::begin(&self.dir, &self.name, part, self.rooms.pop().unwrap_or_default()));
                Segment::part(&self.dir, &self.name, &self.parts[nth], room)?
            }
        };
        Ok(self.opened.insert(segment))
    }

    /// Returns the part that will be read after another one. After the first nobody knows whether more is wanted.
    fn next_of(&mut self, nth: usize) -> Option<Part> {
        match self.course {
            Course::Unknown => None,
            Course::Newest => {
                self.course = Course::Older;
                None
            }
            Course::Oldest => {
                self.course = Course::Newer;
                None
            }
            Course::Older => self.parts.get(nth.checked_sub(1)?).copied(),
            Course::Newer => self.parts.get(nth + 1).copied(),
        }
    }
}

#[cfg(test)]
mod tests;
