//! One file of a log, open for reading at any offset.
//!
//! A packed part is unpacked into memory once, since questions about a part come in numbers and parts are small; a part
//! over [`UNPACKED_BYTES_MAX`] is unpacked anew from its beginning whenever a reader goes back in it.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;

use super::parts::{LogName, Part};

/// Largest part that is unpacked into memory.
const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

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
    Large { path: PathBuf, decoder: Box<MultiGzDecoder<BufReader<File>>>, at: u64 },
}

impl Segment {
    /// Takes the current file, which begins at `start`.
    pub fn current(file: File, start: u64) -> io::Result<Self> {
        let range = start..start + file.metadata()?.len();
        Ok(Self { range, content: Content::Plain(file) })
    }

    /// Opens a part, packed or not.
    pub fn part(dir: &Path, name: &LogName, part: &Part) -> io::Result<Self> {
        let range = part.start..part.end;
        match File::open(dir.join(name.part(part.start, part.end))) {
            Ok(file) => return Ok(Self { range, content: Content::Plain(file) }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let path = dir.join(name.packed(part.start, part.end));
        let mut decoder = decoder(&path)?;
        let content = if range.end - range.start > UNPACKED_BYTES_MAX {
            Content::Large { path, decoder, at: 0 }
        } else {
            let mut bytes = Vec::new();
            (&mut decoder).take(UNPACKED_BYTES_MAX).read_to_end(&mut bytes)?;
            Content::Unpacked(bytes)
        };
        Ok(Self { range, content })
    }

    /// Returns the open file, if it is one that can still grow.
    pub fn file(&self) -> Option<&File> {
        match &self.content {
            Content::Plain(file) => Some(file),
            Content::Unpacked(_) | Content::Large { .. } => None,
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
            Content::Large { path, decoder: open, at } => {
                if *at > inside {
                    (*open, *at) = (decoder(path)?, 0);
                }
                *at += io::copy(&mut open.take(inside - *at), &mut io::sink())?;
                let n = open.read(buffer)?;
                *at += n as u64;
                Ok(n)
            }
        }
    }
}

fn decoder(path: &Path) -> io::Result<Box<MultiGzDecoder<BufReader<File>>>> {
    Ok(Box::new(MultiGzDecoder::new(BufReader::new(File::open(path)?))))
}
