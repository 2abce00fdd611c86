//! Words of a log: levels, who speaks, how a line begins, and how much is kept.
//!
//! A line of a log is `[time > instance: LEVEL] text`, and `SYS LEVEL` when webjobd itself speaks (spec/kudu-webjobs 5.1).
//! This file writes that beginning and reads it back, so that the two never drift apart. It never touches a file.

use std::{fmt, ops::Range, str, sync::Arc, time::Duration};

use jiff::{civil, tz};
use serde::{Deserialize, Serialize};

use crate::model::time::Wall;

/// Longest text of one line in bytes. What a job prints beyond it goes on in the next line, after [`SPLIT_MARK`].
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Ends each piece, but the last, of a line that was longer than [`LINE_BYTES_MAX`] or was not ended in time.
pub const SPLIT_MARK: &str = " [line continues]";

/// Begins what comes of a line after a piece that was not ended in time.
pub const CONTINUED_MARK: &str = "[line continued] ";

/// Bytes of webjobd's own lines that wait in memory while a log cannot be written; later ones are counted as lost.
pub const SYS_HELD_BYTES_MAX: usize = 64 * 1024;

/// Bytes of lines that one question to a log answers at most; the asker goes on from where the answer ends.
pub const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Rolled parts that wait for compression; later ones stay as they are until their log is opened again.
pub const PARTS_WAITING_MAX: usize = 4096;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As expected.
    Info,
    /// Worth a look.
    Warn,
    /// Went wrong, or was printed on standard error.
    Err,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Err];

    /// Returns the word of the level as it stands in a log: four characters.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Err => "ERR ",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag().trim_end())
    }
}

/// One of the two ways in which a process prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output: level INFO.
    Stdout,
    /// Standard error: level ERR.
    Stderr,
}

impl Stream {
    /// Both streams, in the order in which they are read.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// Returns the level of what is printed there.
    pub const fn level(self) -> Level {
        match self {
            Self::Stdout => Level::Info,
            Self::Stderr => Level::Err,
        }
    }
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The job, on one of its streams.
    Job(Stream),
    /// webjobd.
    Sys,
}

/// How the time of a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimestampFormat {
    /// `MM/dd/yyyy HH:mm:ss`, in UTC.
    #[default]
    Kudu,
    /// `yyyy-MM-ddTHH:mm:ss.fffZ`.
    Rfc3339,
}

impl TimestampFormat {
    /// Returns a number that is the same for all moments that are written alike.
    pub fn moment(self, now: Wall) -> i64 {
        match self {
            Self::Kudu => now.as_second(),
            Self::Rfc3339 => now.as_millisecond(),
        }
    }

    fn write(self, out: &mut Vec<u8>, now: Wall) {
        let utc = tz::Offset::UTC.to_datetime(now);
        let year = i32::from(utc.year());
        let [month, day, hour, minute, second] =
            [utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second()].map(i32::from);
        match self {
            Self::Kudu => {
                let places =
                    [(6..10, year), (0..2, month), (3..5, day), (11..13, hour), (14..16, minute), (17..19, second)];
                out.extend_from_slice(&filled(*b"00/00/0000 00:00:00", places));
            }
            Self::Rfc3339 => {
                let date = [(0..4, year), (5..7, month), (8..10, day)];
                let time = [(11..13, hour), (14..16, minute), (17..19, second)];
                let text = filled(filled(*b"0000-00-00T00:00:00.000Z", date), time);
                out.extend_from_slice(&filled(text, [(20..23, utc.subsec_nanosecond() / 1_000_000)]));
            }
        }
    }

    /// Reads a time that either format wrote.
    fn read(text: &str) -> Option<Wall> {
        if text.as_bytes().get(2) == Some(&b'/') {
            let utc = civil::DateTime::strptime("%m/%d/%Y %H:%M:%S", text).ok()?;
            return tz::Offset::UTC.to_timestamp(utc).ok();
        }
        text.parse().ok()
    }
}

/// Writes numbers into their places of a text, each in as many digits as its place is long. Done for each
/// line of webjobd's own, and `write!` is slow.
fn filled<const LEN: usize, const COUNT: usize>(
    mut text: [u8; LEN],
    numbers: [(Range<usize>, i32); COUNT],
) -> [u8; LEN] {
    for (place, number) in numbers {
        let mut rest = number.unsigned_abs();
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    text
}

/// What the lines of one host have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineStyle {
    /// The short name of the instance that writes.
    pub instance: Arc<str>,
    /// How times are written.
    pub format: TimestampFormat,
}

impl LineStyle {
    /// Writes the beginning of a line, up to and with the blank before its text.
    pub fn prefix(&self, out: &mut Vec<u8>, now: Wall, source: Source, level: Level) {
        let who = match source {
            Source::Job(_) => "",
            Source::Sys => "SYS ",
        };
        out.push(b'[');
        self.format.write(out, now);
        for piece in [" > ", &self.instance, ": ", who, level.tag(), "] "] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
}

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Bytes of the current file before it is rolled.
    pub max_size: u64,
    /// Rolled parts kept beside the current file.
    pub keep: u32,
    /// Age of a rolled part at which it goes.
    pub max_age: Duration,
}

impl Default for LogPolicy {
    fn default() -> Self {
        Self { max_size: 10 * 1024 * 1024, keep: 10, max_age: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// A line of a log, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was read from the job, or said by webjobd.
    pub time: Wall,
    /// The short name of the instance that wrote it.
    pub instance: &'a str,
    /// Who wrote it.
    pub source: Source,
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: &'a str,
}

impl<'a> LogLine<'a> {
    /// Reads a line without its line end; `None` for a line without a beginning of its own, such as the second line of a
    /// message of several lines, which belongs to the line before it.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        if line.first() != Some(&b'[') {
            return None;
        }
        let line = str::from_utf8(line).ok()?;
        let (time, rest) = line[1..].split_once(" > ")?;
        let (instance, rest) = rest.split_once(": ")?;
        let (tag, text) = rest.split_once(']')?;
        let (is_sys, tag) = match tag.strip_prefix("SYS ") {
            Some(tag) => (true, tag),
            None => (false, tag),
        };
        let level = Level::ALL.into_iter().find(|level| level.tag() == tag)?;
        let source = match level {
            _ if is_sys => Source::Sys,
            Level::Info | Level::Warn => Source::Job(Stream::Stdout),
            Level::Err => Source::Job(Stream::Stderr),
        };
        let text = text.strip_prefix(' ').unwrap_or(text);
        Some(Self { time: TimestampFormat::read(time)?, instance, source, level, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: TimestampFormat, source: Source, level: Level, expected: &str) {
        let time: Wall = "2016-08-31T20:41:20.123Z".parse().expect("a time");
        let style = LineStyle { instance: "0991c1".into(), format };
        let mut line = Vec::new();
        style.prefix(&mut line, time, source, level);
        line.extend_from_slice(b"Hello ] > there: ");
        assert_eq!(str::from_utf8(&line), Ok(expected));

        let read = LogLine::parse(&line).expect("own lines are read");
        assert_eq!(format.moment(read.time), format.moment(time));
        assert_eq!((read.instance, read.source, read.level), ("0991c1", source, level));
        assert_eq!(read.text, "Hello ] > there: ");
    }

    #[test]
    fn lines_are_written_as_kudu_writes_them_and_read_back() {
        let (out, err) = (Source::Job(Stream::Stdout), Source::Job(Stream::Stderr));
        let kudu = TimestampFormat::Kudu;
        check(kudu, out, Level::Info, "[08/31/2016 20:41:20 > 0991c1: INFO] Hello ] > there: ");
        check(kudu, err, Level::Err, "[08/31/2016 20:41:20 > 0991c1: ERR ] Hello ] > there: ");
        check(kudu, Source::Sys, Level::Err, "[08/31/2016 20:41:20 > 0991c1: SYS ERR ] Hello ] > there: ");
        let iso = TimestampFormat::Rfc3339;
        check(iso, Source::Sys, Level::Warn, "[2016-08-31T20:41:20.123Z > 0991c1: SYS WARN] Hello ] > there: ");
    }

    #[test]
    fn a_line_without_a_beginning_is_no_line_of_its_own() {
        for text in
            ["", "   at Program.Main()", "[", "[x > y: INFO] z", "[08/31/2016 20:41:20 > a: LOUD] z", "[\u{1F642}"]
        {
            assert_eq!(LogLine::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
