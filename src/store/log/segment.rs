//! One file of a log, open for reading at any offset.
//!
//! A packed part is unpacked into memory once, since questions about a part come in numbers and parts are small. Of a part
//! over [`UNPACKED_BYTES_MAX`] what was read last is kept; it is unpacked anew from its beginning whenever a reader goes
//! back further.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use super::parts::{LogName, Part};

/// Largest part that is unpacked into memory. Tests have no patience for parts that are larger than that.
pub const UNPACKED_BYTES_MAX: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// Bytes of a larger part that are kept behind a reader.
const BEHIND_BYTES_MAX: usize = if cfg!(test) { 256 << 10 } else { 4 << 20 };

/// Bytes of a log that lie in one file.
#[derive(Debug)]
pub struct Segment {
    /// Their offsets in the log.
    pub range: Range<u64>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Plain(File),
    Unpacked(Vec<u8>),
    Large(Large),
}

/// A part that is unpacked as it is read.
#[derive(Debug)]
struct Large {
    path: PathBuf,
    decoder: Box<MultiGzDecoder<BufReader<File>>>,
    /// Bytes that were unpacked.
    at: u64,
    /// The last of them.
    behind: Vec<u8>,
}

impl Segment {
    /// Takes the current file, which begins at `start`.
    pub fn current(file: File, start: u64) -> io::Result<Self> {
        let range = start..start + file.metadata()?.len();
        Ok(Self { range, content: Content::Plain(file) })
    }

    /// Opens a part, packed or not. A packed one is unpacked into `room`, whatever lies there.
    pub fn part(dir: &Path, name: &LogName, part: &Part, room: Vec<u8>) -> io::Result<Self> {
        let range = part.start..part.end;
        match File::open(dir.join(name.part(part.start, part.end))) {
            Ok(file) => return Ok(Self { range, content: Content::Plain(file) }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let path = dir.join(name.packed(part.start, part.end));
        let mut decoder = decoder(&path)?;
        let content = if range.end - range.start > UNPACKED_BYTES_MAX {
            Content::Large(Large { path, decoder, at: 0, behind: Vec::new() })
        } else {
            let mut bytes = room;
            bytes.clear();
            // Grown by doubling it would take up to twice as much.
            bytes.reserve_exact(usize::try_from(range.end - range.start).unwrap_or_default());
            (&mut decoder).take(UNPACKED_BYTES_MAX).read_to_end(&mut bytes)?;
            Content::Unpacked(bytes)
        };
        Ok(Self { range, content })
    }

    /// Returns the room that it took in memory, for another one: pages that are there already cost nothing.
    pub fn into_room(self) -> Option<Vec<u8>> {
        match self.content {
            Content::Unpacked(bytes) => Some(bytes),
            Content::Plain(_) | Content::Large(_) => None,
        }
    }

    /// Returns the open file, if it is one that can still grow.
    pub fn file(&self) -> Option<&File> {
        match &self.content {
            Content::Plain(file) => Some(file),
            Content::Unpacked(_) | Content::Large(_) => None,
        }
    }

    /// Says whether going back in it costs as much as reading it from its beginning.
    pub fn goes_forward_only(&self) -> bool {
        match &self.content {
            Content::Large(_) => true,
            Content::Plain(_) | Content::Unpacked(_) => false,
        }
    }

    /// Reads from an offset of the log; 0 at the end of the segment.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inside = offset.saturating_sub(self.range.start);
        let room = usize::try_from(self.range.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let n = buffer.len().min(room);
        let buffer = &mut buffer[..n];
        match &mut self.content {
            Content::Plain(file) => {
                file.seek(SeekFrom::Start(inside))?;
                file.read(buffer)
            }
            Content::Unpacked(bytes) => {
                let at = usize::try_from(inside).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[at..]).read(buffer)
            }
            Content::Large(large) => large.read_at(inside, buffer),
        }
    }
}

impl Large {
    fn read_at(&mut self, inside: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let kept_from = self.at - self.behind.len() as u64;
        if inside < kept_from {
            (self.decoder, self.at) = (decoder(&self.path)?, 0);
            self.behind.clear();
        }
        if inside < self.at {
            let from = usize::try_from(inside - kept_from).unwrap_or(usize::MAX);
            return self.behind.get(from..).unwrap_or_default().read(buffer);
        }
        let mut skipped = [0; 64 * 1024];
        while self.at < inside {
            let room = usize::try_from(inside - self.at).unwrap_or(usize::MAX).min(skipped.len());
            if self.unpack(&mut skipped[..room])? == 0 {
                return Ok(0);
            }
        }
        self.unpack(buffer)
    }

    fn unpack(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(buffer)?;
        self.at += n as u64;
        // Twice as much now and then, so that not every read moves all of it.
        if self.behind.len() > 2 * BEHIND_BYTES_MAX {
            self.behind.drain(..self.behind.len() - BEHIND_BYTES_MAX);
        }
        self.behind.extend_from_slice(&buffer[..n]);
        Ok(n)
    }
}

fn decoder(path: &Path) -> io::Result<Box<MultiGzDecoder<BufReader<File>>>> {
    Ok(Box::new(MultiGzDecoder::new(BufReader::new(File::open(path)?))))
}
