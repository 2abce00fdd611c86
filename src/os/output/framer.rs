//! Raw bytes in, stamped lines out: the core of the line pump, without any I/O.
//!
//! A line ends at LF, CRLF or a lone CR; an empty line is a line. The same bytes give the same lines however they were cut
//! into blocks, and no byte of a line is lost. Only an unfinished line is kept, and never more than
//! [`LINE_BYTES_MAX`] of it: what is longer goes out in marked pieces. Nothing is allocated per line.

use std::{mem, str, sync::Arc};

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memrchr2};

use crate::model::{
    log::{CONTINUED_MARK, LINE_BYTES_MAX, LineStyle, SPLIT_MARK, Source, Stream},
    time::Wall,
};

/// Room for an unfinished line that a quiet job keeps.
const REST_BYTES_KEPT: usize = 512;

/// Finds the lines of one stream.
#[derive(Debug, Default)]
pub struct LineFramer {
    /// The line that has no end yet.
    rest: Vec<u8>,
    /// The last byte was CR: a LF that follows belongs to it.
    after_cr: bool,
    /// A piece of the line was written because its end did not come.
    is_paused: bool,
}

impl LineFramer {
    /// Takes the next bytes of the stream and writes the lines they finish, each after `prefix`.
    pub fn feed(&mut self, block: &[u8], prefix: &[u8], out: &mut Vec<u8>) {
        let mut block = block;
        if block.first() == Some(&b'\n') && self.after_cr {
            block = &block[1..];
            self.after_cr = false;
        }
        if block.is_empty() {
            return;
        }
        self.after_cr = block.last() == Some(&b'\r');
        let Some(last) = memrchr2(b'\n', b'\r', block) else {
            return self.hold(block, prefix, out);
        };
        let (mut whole, rest) = block.split_at(last + 1);
        if !self.rest.is_empty() || self.is_paused {
            let end = memchr2(b'\n', b'\r', whole).expect("it ends with a line end");
            self.hold(&whole[..end], prefix, out);
            self.write_piece(self.rest.len(), prefix, "", out);
            whole = &whole[end + line_end_len(whole, end)..];
        }
        write_lines(whole, prefix, out);
        self.hold(rest, prefix, out);
    }

    /// Writes the line that has no end, if there is one: the stream is over.
    pub fn finish(&mut self, prefix: &[u8], out: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            self.write_piece(self.rest.len(), prefix, "", out);
        }
    }

    /// Tells whether bytes wait for the end of their line.
    pub fn is_waiting(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Writes what there is of a line whose end does not come, marked as a piece; what follows of it is marked too. A
    /// character that is not whole waits on.
    pub fn pause(&mut self, prefix: &[u8], out: &mut Vec<u8>) {
        let len = whole_len(&self.rest);
        if len > 0 {
            self.write_piece(len, prefix, SPLIT_MARK, out);
            self.is_paused = true;
        }
    }

    /// Writes the first bytes of what waits.
    fn write_piece(&mut self, len: usize, prefix: &[u8], mark: &str, out: &mut Vec<u8>) {
        let piece = &self.rest[..len];
        let first = if mem::take(&mut self.is_paused) { CONTINUED_MARK } else { "" };
        out.extend_from_slice(prefix);
        Text::of(piece).write(piece, first.as_bytes(), mark, out);
        self.rest.drain(..len);
    }

    /// Gives memory back while nothing is printed; room for an ordinary line stays, so that a job that prints its lines
    /// in pieces costs no allocation a line.
    pub fn relax(&mut self) {
        if self.rest.is_empty() && self.rest.capacity() > REST_BYTES_KEPT {
            self.rest = Vec::new();
        }
    }

    /// Keeps bytes without a line end, and writes what goes beyond the longest line.
    fn hold(&mut self, bytes: &[u8], prefix: &[u8], out: &mut Vec<u8>) {
        let mut bytes = bytes;
        while self.rest.len() + bytes.len() > LINE_BYTES_MAX {
            // One byte more than a piece: it tells whether the piece would end inside a character.
            let (now, later) = bytes.split_at(LINE_BYTES_MAX + 1 - self.rest.len());
            self.rest.extend_from_slice(now);
            bytes = later;
            self.write_piece(piece_len(&self.rest), prefix, SPLIT_MARK, out);
        }
        self.rest.extend_from_slice(bytes);
    }
}

/// Writes a block that begins and ends at a line's boundary.
fn write_lines(whole: &[u8], prefix: &[u8], out: &mut Vec<u8>) {
    let text = Text::of(whole);
    if text == Text::Valid && whole.len() <= LINE_BYTES_MAX && memchr(b'\r', whole).is_none() {
        return write_plain(whole, prefix, out);
    }
    let mut start = 0;
    for end in memchr2_iter(b'\n', b'\r', whole) {
        if end < start {
            continue; // The LF of a CRLF.
        }
        let mut line = &whole[start..end];
        while line.len() > LINE_BYTES_MAX {
            let (piece, later) = line.split_at(piece_len(line));
            text.write(piece, prefix, SPLIT_MARK, out);
            line = later;
        }
        text.write(line, prefix, "", out);
        start = end + line_end_len(whole, end);
    }
}

/// Writes lines as they are, ends included: what nearly every block holds. None of them can be too long.
fn write_plain(whole: &[u8], prefix: &[u8], out: &mut Vec<u8>) {
    let mut start = 0;
    for end in memchr_iter(b'\n', whole) {
        out.extend_from_slice(prefix);
        out.extend_from_slice(&whole[start..=end]);
        start = end + 1;
    }
}

fn line_end_len(bytes: &[u8], end: usize) -> usize {
    if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 }
}

/// Returns where to cut a line that is too long: at the bound, or up to three bytes before it, where a character begins.
fn piece_len(line: &[u8]) -> usize {
    let begins = |at: &usize| line[*at] & 0b1100_0000 != 0b1000_0000;
    (LINE_BYTES_MAX - 3..=LINE_BYTES_MAX).rev().find(begins).unwrap_or(LINE_BYTES_MAX)
}

/// Returns how many bytes there are without a last character that is not whole yet.
fn whole_len(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3)..bytes.len();
    // The beginning of a character of two bytes or more, which needs more bytes than there are after it.
    let needs = |at: usize| match bytes[at] {
        0b1100_0000..=0b1101_1111 => 2,
        0b1110_0000..=0b1110_1111 => 3,
        0b1111_0000..=0b1111_0111 => 4,
        _ => 1,
    };
    tail.rev().find(|at| needs(*at) > 1).filter(|at| at + needs(*at) > bytes.len()).unwrap_or(bytes.len())
}

/// Whether bytes can be written as they are. Asked once a block, not once a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Valid,
    Mixed,
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        if bytes.is_ascii() || str::from_utf8(bytes).is_ok() { Self::Valid } else { Self::Mixed }
    }

    fn write(self, line: &[u8], prefix: &[u8], mark: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(prefix);
        match self {
            Self::Valid => out.extend_from_slice(line),
            Self::Mixed => {
                for chunk in line.utf8_chunks() {
                    out.extend_from_slice(chunk.valid().as_bytes());
                    if !chunk.invalid().is_empty() {
                        out.extend_from_slice("\u{FFFD}".as_bytes());
                    }
                }
            }
        }
        out.extend_from_slice(mark.as_bytes());
        out.push(b'\n');
    }
}

/// The beginnings of lines, written anew only when the time that is shown has changed.
#[derive(Debug)]
pub struct Stamps {
    style: Arc<LineStyle>,
    /// Made for the first line: many runs print none.
    made: Option<Box<Made>>,
}

#[derive(Debug)]
struct Made {
    moment: i64,
    prefixes: [Vec<u8>; 2],
}

impl Stamps {
    /// Makes the beginnings of the lines of one run.
    pub fn new(style: Arc<LineStyle>) -> Self {
        Self { style, made: None }
    }

    /// Sets the time of the lines to come.
    pub fn set(&mut self, now: Wall) {
        let moment = self.style.format.moment(now);
        let made = match &mut self.made {
            Some(made) if made.moment == moment => return,
            Some(made) => made,
            none => none.insert(Box::new(Made { moment, prefixes: Default::default() })),
        };
        made.moment = moment;
        for (stream, prefix) in Stream::ALL.into_iter().zip(&mut made.prefixes) {
            prefix.clear();
            self.style.prefix(prefix, now, Source::Job(stream), stream.level());
        }
    }

    /// Returns how a line of the stream begins, once the time was set.
    pub fn prefix(&self, stream: Stream) -> &[u8] {
        let Some(made) = &self.made else { return &[] };
        match stream {
            Stream::Stdout => &made.prefixes[0],
            Stream::Stderr => &made.prefixes[1],
        }
    }
}

#[cfg(test)]
mod tests;
