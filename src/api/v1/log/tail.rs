//! Reads a log from somewhere on, piece by piece: all lines, or those of standard error.

use std::{io, mem};

use crate::{
    model::{
        log::{LogLine, Source, Stream},
        time::Wall,
    },
    store::log::{Chunk, Line, LogView},
};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes that are looked through at once for lines to send.
const LOOK_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only so many, the last ones.
    pub lines: Option<usize>,
    /// Only those at or after this moment.
    pub since: Option<Wall>,
    /// Only those at or after this offset.
    pub offset: Option<u64>,
    /// Only those that the job wrote to standard error.
    pub stderr: bool,
}

/// A reader's place in a log.
#[derive(Debug)]
pub struct Tail {
    view: LogView,
    /// Offset of the first line that is sent.
    first: u64,
    at: u64,
    /// Where it ends, once that is known.
    end: Option<u64>,
    stderr: bool,
    /// Whether the line before was sent: lines without a beginning of their own belong to it.
    was_sent: bool,
    /// Lines that were found when it was opened.
    found: Vec<Line>,
}

impl Tail {
    /// Looks for the first of the wanted lines from `start` on; without an end they go on as the log does.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn open(mut view: LogView, start: u64, end: Option<u64>, wanted: &Wanted) -> io::Result<Self> {
        let since = wanted.since.map(|moment| view.since(moment)).transpose()?;
        let at = start.min(view.end()).max(since.unwrap_or(0)).max(wanted.offset.unwrap_or(0)).max(view.start());
        let stderr = wanted.stderr;
        let mut tail = Self { view, first: at, at, end, stderr, was_sent: !stderr, found: Vec::new() };
        if let Some(n) = wanted.lines {
            let within = at..tail.stop().max(at);
            let page = tail.view.tail(within, n, |line| !stderr || line.is_some_and(is_stderr))?;
            tail.at = page.next.max(at);
            tail.first = page.lines.first().map_or(tail.at, |line| line.start);
            tail.found = page.lines;
        }
        Ok(tail)
    }

    /// Returns the offset of the first line that is sent.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Returns how many bytes of a log that ends at `end` were not looked at yet; more than none also when lines were found
    /// that were not given out, and when the log has begun anew.
    pub fn unread(&self, end: u64) -> u64 {
        end.checked_sub(self.at).map_or(1, |unread| unread.max(u64::from(!self.found.is_empty())))
    }

    /// Tells whether only lines of standard error are wanted.
    pub fn is_of_errors(&self) -> bool {
        self.stderr
    }

    /// Notes that nothing more comes: at the given offset, or where the log ends now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn finish(&mut self, end: Option<u64>) -> io::Result<()> {
        self.view.refresh()?;
        self.end = Some(end.unwrap_or(self.view.end()));
        Ok(())
    }

    /// Returns the next lines, `None` when there are none for now. No bytes mean that none of many lines was wanted.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if !self.found.is_empty() {
            return Ok(Some(mem::take(&mut self.found).iter().flat_map(bytes).collect()));
        }
        let (begin, mut lines) = (self.at, Vec::new());
        while lines.is_empty() {
            let Some((n_pruned, chunk)) = self.chunk()? else { return Ok(None) };
            lines = match self.stderr {
                true => chunk.lines().filter(|line| self.sieve(line)).flat_map(|line| bytes(&line)).collect(),
                false => chunk.bytes,
            };
            if n_pruned > 0 {
                // A reader that is slower than the job: what is missing is said where it is missing.
                lines.splice(..0, format!("{}\n", pruned(n_pruned)).into_bytes());
            }
            if self.at - begin > LOOK_BYTES_MAX {
                break;
            }
        }
        Ok(Some(lines))
    }

    /// The same, line by line.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn next_lines(&mut self) -> io::Result<Option<Vec<Line>>> {
        if !self.found.is_empty() {
            return Ok(Some(mem::take(&mut self.found)));
        }
        let Some((n_pruned, chunk)) = self.chunk()? else { return Ok(None) };
        let (start, text) = (chunk.start, pruned(n_pruned).into_bytes());
        let missing = (n_pruned > 0).then_some(Line { start, end: start, text });
        let lines = chunk.lines().filter(|line| !self.stderr || self.sieve(line));
        Ok(Some(missing.into_iter().chain(lines).collect()))
    }

    /// Reads the next whole lines, with the number of bytes before them that were pruned unread; `None` when there are none
    /// for now.
    fn chunk(&mut self) -> io::Result<Option<(u64, Chunk)>> {
        if self.end.is_none() {
            self.view.refresh()?;
            // A log that is shorter than it was has begun anew.
            self.at = self.at.min(self.view.end());
        }
        let stop = self.stop();
        if self.at >= stop {
            return Ok(None);
        }
        let mut chunk = self.view.range(self.at, PIECE_BYTES)?;
        chunk.bytes.truncate(usize::try_from(stop.saturating_sub(chunk.start)).unwrap_or(usize::MAX));
        let is_cut = !chunk.bytes.ends_with(b"\n") && self.end.is_none() && chunk.bytes.len() < PIECE_BYTES;
        if is_cut {
            // The rest of the last line is still being written.
            let whole = chunk.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            chunk.bytes.truncate(whole);
        }
        if chunk.bytes.is_empty() {
            return Ok(None);
        }
        let n_pruned = chunk.start.saturating_sub(self.at);
        self.at = chunk.end();
        Ok(Some((n_pruned, chunk)))
    }

    fn stop(&self) -> u64 {
        self.end.map_or(self.view.end(), |end| end.min(self.view.end()))
    }

    /// Tells whether a line is one of standard error.
    fn sieve(&mut self, line: &Line) -> bool {
        self.was_sent = line.parse().map_or(self.was_sent, |own| is_stderr(&own));
        self.was_sent
    }
}

/// Says that a reader was slower than the bounds of the log allow.
fn pruned(n_bytes: u64) -> String {
    format!("[{n_bytes} bytes were pruned before they were read]")
}

fn is_stderr(line: &LogLine<'_>) -> bool {
    line.source == Source::Job(Stream::Stderr)
}

/// A line with the line end that it has.
fn bytes(line: &Line) -> Vec<u8> {
    let has_end = line.end - line.start > line.text.len() as u64;
    [&line.text[..], if has_end { b"\n" } else { b"" }].concat()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::store::log::LogName;

    const LOG: &str = "[08/31/2016 20:41:20 > 0991c1: SYS INFO] begin\n\
                       [08/31/2016 20:41:21 > 0991c1: INFO] one\n\
                       [08/31/2016 20:41:22 > 0991c1: ERR ] two\n  two goes on\n\
                       [08/31/2016 20:41:23 > 0991c1: SYS ERR ] end\n";

    fn tail(folder: &Path, end: Option<u64>, wanted: &Wanted) -> Tail {
        let view = LogView::open(folder, &LogName::new("job_log.txt")).expect("it is opened");
        Tail::open(view, 0, end, wanted).expect("it is read")
    }

    fn all(tail: &mut Tail) -> String {
        let pieces = std::iter::from_fn(|| tail.next().expect("it is read"));
        String::from_utf8(pieces.flatten().collect()).expect("text")
    }

    #[test]
    fn only_the_wanted_lines_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("job_log.txt"), LOG).expect("it is written");
        let lines: Vec<&str> = LOG.split_inclusive('\n').collect();
        let since = "2016-08-31T20:41:22Z".parse().ok();
        let second = (lines[0].len() + lines[1].len()) as u64;
        for (wanted, expected, first) in [
            (Wanted::default(), &lines[..], 0),
            (Wanted { lines: Some(2), ..Wanted::default() }, &lines[3..], second + (lines[2].len() as u64)),
            (Wanted { lines: Some(0), ..Wanted::default() }, &[], LOG.len() as u64),
            (Wanted { since, ..Wanted::default() }, &lines[2..], second),
            (Wanted { offset: Some(second), ..Wanted::default() }, &lines[2..], second),
            (Wanted { stderr: true, ..Wanted::default() }, &lines[2..4], 0),
            (Wanted { stderr: true, lines: Some(9), ..Wanted::default() }, &lines[2..4], second),
            (Wanted { offset: Some(1 << 40), ..Wanted::default() }, &[], 1 << 40),
        ] {
            let mut tail = tail(folder.path(), Some(LOG.len() as u64), &wanted);
            assert_eq!((tail.first(), all(&mut tail)), (first, expected.concat()), "{wanted:?}");
        }
        let mut tail = tail(folder.path(), Some(second), &Wanted::default());
        assert_eq!(all(&mut tail), lines[..2].concat());
    }

    #[test]
    fn a_growing_log_is_read_by_whole_lines_until_it_is_finished() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job_log.txt");
        let mut tail = tail(folder.path(), None, &Wanted::default());
        assert_eq!(all(&mut tail), "", "there is no log yet");
        for (content, new) in [("a\nb", "a\n"), ("a\nbc\n", "bc\n"), ("a\nbc\n", ""), ("a\nbc\nd", "")] {
            fs::write(&path, content).expect("it is written");
            assert_eq!(all(&mut tail), new);
        }
        tail.finish(None).expect("it is read");
        assert_eq!(all(&mut tail), "d");
    }

    #[test]
    fn what_was_found_and_not_given_out_is_unread() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("job_log.txt"), LOG).expect("it is written");
        let end = LOG.len() as u64;
        let mut tail = tail(folder.path(), None, &Wanted { lines: Some(2), ..Wanted::default() });
        assert_eq!(tail.unread(end), 1);
        all(&mut tail);
        assert_eq!([tail.unread(end - 1), tail.unread(end), tail.unread(end + 7)], [1, 0, 7]);
        let beyond = Wanted { offset: Some(1 << 40), ..Wanted::default() };
        let view = LogView::open(folder.path(), &LogName::new("job_log.txt")).expect("it is opened");
        let mut beyond = Tail::open(view, 0, None, &beyond).expect("it is read");
        assert_eq!(beyond.unread(end), 1, "a reader of an earlier log has to look");
        assert_eq!((all(&mut beyond).as_str(), beyond.unread(end + 7)), ("", 7), "and then reads on");
    }

    #[test]
    fn what_was_pruned_before_it_was_read_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job_log.txt");
        for wanted in [Wanted::default(), Wanted { stderr: true, ..Wanted::default() }] {
            fs::write(&path, LOG).expect("it is written");
            let mut tail = tail(folder.path(), None, &wanted);
            assert!(all(&mut tail).ends_with(if wanted.stderr { "goes on\n" } else { "end\n" }));
            // The log was rolled twice meanwhile, and the older part is gone.
            let (read, lost) = (LOG.len() as u64, 1000);
            let kept = "[08/31/2016 20:41:24 > 0991c1: ERR ] x\n";
            let (from, until) = (read + lost, read + lost + kept.len() as u64);
            fs::remove_file(&path).expect("it is rolled");
            fs::write(folder.path().join(format!("job_log.{from:020}-{until:020}.txt")), kept).expect("a part");
            assert_eq!(all(&mut tail).lines().next(), Some("[1000 bytes were pruned before they were read]"));
            for entry in fs::read_dir(folder.path()).expect("the folder").flatten() {
                fs::remove_file(entry.path()).expect("it goes");
            }
        }
    }
}
