//! The end of a log, and the place of a moment in it: both without reading what lies between.

use std::{io, mem, ops::Range};

use super::read::{Chunk, Line, LogView, Page};
use crate::model::{
    log::{LogLine, PAGE_BYTES_MAX},
    time::Wall,
};

/// Bytes that are read at once on the way back.
const BLOCK_BYTES: u64 = 64 * 1024;
/// Bytes in which a line with a time is looked for: two of the longest lines.
const PROBE_BYTES: u64 = 2 * 64 * 1024;
/// Lines without a beginning that are taken for parts of one message; a file with more of them is no log of ours.
const FOLLOWERS_MAX: usize = 1000;

impl LogView {
    /// Reads the last `n` lines of a range that `keep` wants, the oldest first; from the end backwards, so that it costs
    /// the same in a large log as in a small one. `next` of the answer is the range's end.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn tail(
        &mut self,
        within: Range<u64>,
        n: usize,
        keep: impl Fn(Option<&LogLine<'_>>) -> bool,
    ) -> io::Result<Page> {
        let next = within.end.min(self.end());
        let mut back = Backward { low: within.start, high: next, head: Vec::new(), ready: Vec::new() };
        // The newest first. Lines without a beginning wait for the line they belong to, which comes before them.
        let (mut picked, mut followers) = (Vec::new(), Vec::new());
        let mut n_bytes = 0;
        while picked.len() < n && n_bytes < PAGE_BYTES_MAX {
            let Some(line) = back.next(self)? else {
                if keep(None) {
                    picked.append(&mut followers);
                }
                break;
            };
            n_bytes += line.text.len();
            let is_kept = match line.parse() {
                Some(own) => Some(keep(Some(&own))),
                None => (followers.len() >= FOLLOWERS_MAX).then(|| keep(None)),
            };
            followers.push(line);
            match is_kept {
                Some(true) => picked.append(&mut followers),
                Some(false) => {
                    n_bytes -= followers.iter().map(|line: &Line| line.text.len()).sum::<usize>();
                    followers.clear();
                }
                None => {}
            }
        }
        picked.truncate(n);
        picked.reverse();
        Ok(Page { lines: picked, next })
    }

    /// Returns the offset of the first line at or after a moment, to the second; the end when all lines are older. Times
    /// are taken to grow: where a clock was set back, it is one of the places that fit.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn since(&mut self, time: Wall) -> io::Result<u64> {
        let ranges: Vec<Range<u64>> = self.ranges().collect();
        let second = time.as_second();
        let (mut low, mut high) = (0, ranges.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.first_time(ranges[middle].clone())? {
                Some((_, found)) if found < second => low = middle + 1,
                Some(_) | None => high = middle,
            }
        }
        let Some(last_before) = low.checked_sub(1) else {
            return Ok(self.start());
        };
        let Range { start: mut before, end: mut after } = ranges[last_before];
        while after - before > PROBE_BYTES {
            let middle = u64::midpoint(before, after);
            match self.first_time(middle..after)? {
                Some((offset, found)) if found < second => before = offset.max(before + 1),
                Some(_) | None => after = middle,
            }
        }
        self.first_at_or_after(before, second)
    }

    /// Finds the first line that begins in a range and has a time: its offset and its second.
    fn first_time(&mut self, within: Range<u64>) -> io::Result<Option<(u64, i64)>> {
        // From one byte before, so that a line that begins right at the start is seen to begin there.
        let from = if self.ranges().any(|range| range.start == within.start) { within.start } else { within.start - 1 };
        let chunk = self.bytes(from..within.end.min(within.start + PROBE_BYTES), usize::MAX)?;
        let own = chunk.lines().skip(usize::from(from < within.start));
        Ok(own.filter_map(|line| Some((line.start, line.parse()?.time.as_second()))).next())
    }

    fn first_at_or_after(&mut self, from: u64, second: i64) -> io::Result<u64> {
        let mut at = from;
        while at < self.end() {
            let chunk = self.range(at, super::read::BLOCK_BYTES)?;
            if chunk.bytes.is_empty() {
                break;
            }
            let found = chunk.lines().find(|line| line.parse().is_some_and(|own| own.time.as_second() >= second));
            if let Some(line) = found {
                return Ok(line.start);
            }
            at = chunk.end();
        }
        Ok(self.end())
    }

    /// Reads a block that ends at `high`, or where bytes before it end; `None` when there are none down to `low`.
    fn block_before(&mut self, low: u64, high: u64) -> io::Result<Option<Chunk>> {
        let Some(range) = self.ranges().rev().find(|range| range.start < high) else {
            return Ok(None);
        };
        let end = range.end.min(high);
        let start = range.start.max(low).max(end.saturating_sub(BLOCK_BYTES));
        if start >= end {
            return Ok(None);
        }
        let chunk = self.bytes(start..end, usize::MAX)?;
        // Bytes that went away while we looked are as good as never written.
        Ok((chunk.start == start && !chunk.bytes.is_empty()).then_some(chunk))
    }
}

/// Walks over lines from the newest to the oldest.
struct Backward {
    low: u64,
    /// What lies from here on is taken, or in `head`.
    high: u64,
    /// Bytes at `high` up to the first line end: a line whose beginning may lie in the block before.
    head: Vec<u8>,
    /// Lines of the block just read, the oldest first.
    ready: Vec<Line>,
}

impl Backward {
    fn next(&mut self, view: &mut LogView) -> io::Result<Option<Line>> {
        while self.ready.is_empty() {
            match view.block_before(self.low, self.high)? {
                Some(block) if block.end() == self.high || self.head.is_empty() => self.take(block),
                // Nothing leads up to the head: it is a line.
                found if !self.head.is_empty() => {
                    let head = Chunk { start: self.high, bytes: mem::take(&mut self.head) };
                    self.high = found.map_or(self.high, |block| block.end());
                    self.ready.extend(head.lines());
                }
                Some(_) | None => return Ok(None),
            }
        }
        Ok(self.ready.pop())
    }

    fn take(&mut self, block: Chunk) {
        let mut bytes = block.bytes;
        bytes.append(&mut self.head);
        let chunk = Chunk { start: block.start, bytes };
        let mut lines = chunk.lines();
        let first = lines.next();
        self.ready.extend(lines);
        self.high = chunk.start;
        match first {
            Some(first) if chunk.bytes.len() > PAGE_BYTES_MAX => self.ready.insert(0, first),
            Some(first) => self.head.extend(&chunk.bytes[..usize::try_from(first.end - first.start).unwrap_or(0)]),
            None => {}
        }
    }
}
