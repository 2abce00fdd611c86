//! Looks for a pattern in a log: over its current file and its parts, packed or not, from either end.
//!
//! Whole blocks of raw bytes are searched at once; only lines that match are taken apart. What is held is one block, the
//! places found in it, and a bounded answer. It waits for the disk: ask on a thread that may.
//!
//! A packed part that is too large for memory is read forwards even when the newest lines are wanted first: once, with the
//! last findings held that are to be told, as many as may be; only for those before them it is read again.

use std::{
    collections::VecDeque,
    io::{self, Error},
    ops::Range,
};

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};
use memchr::{memchr, memrchr};

use super::read::{Chunk, Course, Line, LogView};

/// Bytes that are searched at once.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Bytes that are looked through before an answer, even if nothing was found.
const LOOK_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Bytes of lines of one answer, about.
const ANSWER_BYTES: usize = 256 * 1024;

/// Bytes of findings that are held while a large part is read forwards, about.
const HELD_BYTES_MAX: usize = if cfg!(test) { 64 << 10 } else { 16 << 20 };

/// Largest pattern, in bytes of what it is compiled to.
const PATTERN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Whether a pattern is a regular expression, and whether case matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Syntax {
    /// It is one; else it is a text.
    pub regex: bool,
    /// Case does not matter.
    pub ignore_case: bool,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Pattern(RegexMatcher);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is no regular expression, or too large a one; the text says why.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let built = RegexMatcherBuilder::new()
            .fixed_strings(!syntax.regex)
            .case_insensitive(syntax.ignore_case)
            .line_terminator(Some(b'\n'))
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build(text);
        built.map(Self).map_err(|error| error.to_string())
    }
}

/// From which end a log is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest lines first.
    #[default]
    Newest,
    /// The oldest lines first.
    Oldest,
}

/// A line that matches, with its surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The line.
    pub line: Line,
    /// Lines before it, the oldest first.
    pub before: Vec<Line>,
    /// Lines after it, the oldest first.
    pub after: Vec<Line>,
}

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Lines, in the order of the search.
    pub found: Vec<Found>,
    /// Bytes that were looked through for them.
    pub bytes: u64,
}

impl Found {
    fn bytes(&self) -> usize {
        let lines = self.before.iter().chain([&self.line]).chain(&self.after);
        lines.map(|line| size_of::<Line>() + line.text.len()).sum()
    }
}

/// A forward pass through a part that is searched from its end.
#[derive(Debug)]
struct Pass {
    /// What of the part is searched; its beginning moves on.
    left: Range<u64>,
    /// The newest findings so far, the oldest first.
    held: VecDeque<Found>,
    held_bytes: usize,
    /// Findings before this offset were let go.
    complete_from: u64,
}

/// A search on its way.
#[derive(Debug)]
pub struct Search {
    view: LogView,
    pattern: Pattern,
    searcher: Searcher,
    order: Order,
    context: usize,
    within: Range<u64>,
    /// What has not been searched yet.
    left: Range<u64>,
    /// The block that was searched last, and the places found in it that were not told yet.
    block: Chunk,
    places: VecDeque<Range<usize>>,
    pass: Option<Pass>,
}

impl Search {
    /// Begins a search in a range of a log.
    pub fn new(mut view: LogView, pattern: Pattern, within: Range<u64>, order: Order, context: usize) -> Self {
        let within = within.start.max(view.start())..within.end.min(view.end());
        view.set_course(match order {
            Order::Newest => Course::Newest,
            Order::Oldest => Course::Oldest,
        });
        let searcher = SearcherBuilder::new().line_number(false).binary_detection(BinaryDetection::none()).build();
        Self {
            view,
            pattern,
            searcher,
            order,
            context,
            left: within.clone(),
            within,
            block: Chunk { start: 0, bytes: Vec::new() },
            places: VecDeque::new(),
            pass: None,
        }
    }

    /// Returns what is found next, maybe nothing after a long look; `None` when all is searched.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn look(&mut self) -> io::Result<Option<Findings>> {
        let mut findings = Findings::default();
        while self.places.is_empty() {
            if findings.bytes >= LOOK_BYTES_MAX {
                return Ok(Some(findings));
            }
            if self.begin_pass() {
                if self.advance_pass(&mut findings)? {
                    return Ok(Some(findings));
                }
                continue;
            }
            let block = match self.order {
                Order::Oldest => self.block_after()?,
                Order::Newest => self.block_before()?,
            };
            let Some(block) = block else {
                return Ok((findings.bytes > 0).then_some(findings));
            };
            findings.bytes += block.bytes.len() as u64;
            self.search(block)?;
        }
        let mut n_bytes = 0;
        while n_bytes < ANSWER_BYTES {
            let place = match self.order {
                Order::Oldest => self.places.pop_front(),
                Order::Newest => self.places.pop_back(),
            };
            let Some(place) = place else { break };
            let found = self.found(place)?;
            n_bytes += found.bytes();
            findings.found.push(found);
        }
        Ok(Some(findings))
    }

    fn search(&mut self, block: Chunk) -> io::Result<()> {
        let mut sink = Places(Vec::new());
        self.searcher.search_slice(&self.pattern.0, &block.bytes, &mut sink)?;
        (self.block, self.places) = (block, sink.0.into());
        Ok(())
    }

    /// Begins a forward pass where one is needed next; tells whether one is on its way.
    fn begin_pass(&mut self) -> bool {
        if self.pass.is_some() || self.order == Order::Oldest {
            return self.pass.is_some();
        }
        let Range { start: low, end: high } = self.left;
        let file = self.view.ranges().rev().find(|range| range.start < high);
        let Some(file) = file.filter(|file| low < high && low < file.end) else { return false };
        let left = file.start.max(low)..file.end.min(high);
        if !self.view.goes_forward_only(left.start) {
            return false;
        }
        let complete_from = left.start;
        self.pass = Some(Pass { left, held: VecDeque::new(), held_bytes: 0, complete_from });
        true
    }

    /// Goes one block further, or tells of what was held; tells whether there is an answer.
    fn advance_pass(&mut self, findings: &mut Findings) -> io::Result<bool> {
        let Some(mut pass) = self.pass.take() else { return Ok(false) };
        if let Some(block) = self.block_of(&mut pass.left)? {
            findings.bytes += block.bytes.len() as u64;
            self.search(block)?;
            for place in std::mem::take(&mut self.places) {
                let found = self.found(place)?;
                pass.hold(found);
            }
            self.pass = Some(pass);
            return Ok(false);
        }
        let mut n_bytes = 0;
        while n_bytes < ANSWER_BYTES {
            let Some(found) = pass.held.pop_back() else { break };
            n_bytes += found.bytes();
            findings.found.push(found);
        }
        if pass.held.is_empty() {
            self.left.end = pass.complete_from;
        } else {
            self.pass = Some(pass);
        }
        Ok(n_bytes > 0)
    }

    fn block_after(&mut self) -> io::Result<Option<Chunk>> {
        let mut left = self.left.clone();
        let block = self.block_of(&mut left);
        self.left = left;
        block
    }

    /// Reads the first block of a range, and takes it off.
    fn block_of(&mut self, left: &mut Range<u64>) -> io::Result<Option<Chunk>> {
        if left.is_empty() {
            return Ok(None);
        }
        let mut block = self.view.range(left.start, BLOCK_BYTES)?;
        block.bytes.truncate(usize::try_from(left.end.saturating_sub(block.start)).unwrap_or(usize::MAX));
        left.start = if block.bytes.is_empty() { left.end } else { block.end() };
        Ok(Some(block).filter(|block| !block.bytes.is_empty()))
    }

    fn block_before(&mut self) -> io::Result<Option<Chunk>> {
        let Range { start: low, end: high } = self.left.clone();
        let file = self.view.ranges().rev().find(|range| range.start < high);
        let Some(file) = file.filter(|_| low < high) else { return Ok(None) };
        let (begin, end) = (file.start.max(low), file.end.min(high));
        if begin >= end {
            self.left.end = low;
            return Ok(None);
        }
        let start = begin.max(end.saturating_sub(BLOCK_BYTES as u64));
        let mut block = self.view.bytes(start..end, usize::MAX)?;
        if start > begin
            && block.start == start
            && let Some(at) = memchr(b'\n', &block.bytes)
            && at + 1 < block.bytes.len()
        {
            // The line that the block begins in the middle of belongs to the block before.
            block.bytes.drain(..=at);
            block.start += at as u64 + 1;
        }
        // Bytes that went away while we looked are as good as never written.
        self.left.end = if block.bytes.is_empty() { start } else { block.start.max(low).min(end) };
        Ok(Some(block).filter(|block| !block.bytes.is_empty()))
    }

    fn found(&mut self, place: Range<usize>) -> io::Result<Found> {
        let line = line_at(&self.block, place.clone());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if self.context > 0 {
            before = lines_before(&self.block, place.start, self.context);
            after = lines_after(&self.block, place.end, self.context);
        }
        if before.len() < self.context && self.block.start > self.within.start {
            let wider = self.within.start..self.block.start;
            let mut more = self.view.tail(wider, self.context - before.len(), |_| true)?.lines;
            more.append(&mut before);
            before = more;
        }
        if after.len() < self.context && self.block.end() < self.within.end {
            let wider = self.block.end()..self.within.end;
            after.extend(self.view.lines(wider, self.context - after.len(), |_| true)?.lines);
        }
        Ok(Found { line, before, after })
    }
}

impl Pass {
    /// Keeps a finding, and lets go of the oldest when there are too many.
    fn hold(&mut self, found: Found) {
        self.held_bytes += found.bytes();
        self.held.push_back(found);
        while self.held_bytes > HELD_BYTES_MAX && self.held.len() > 1 {
            if let Some(gone) = self.held.pop_front() {
                self.held_bytes -= gone.bytes();
                self.complete_from = gone.line.end;
            }
        }
    }
}

/// Where lines that match lie in a block.
struct Places(Vec<Range<usize>>);

impl Sink for Places {
    type Error = Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let start = usize::try_from(found.absolute_byte_offset()).unwrap_or(usize::MAX);
        // Lines that match one after another may come at once.
        let mut at = start;
        for line in found.lines() {
            self.0.push(at..at + line.len());
            at += line.len();
        }
        Ok(true)
    }
}

fn line_at(block: &Chunk, place: Range<usize>) -> Line {
    let bytes = &block.bytes[place.clone()];
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes).to_vec();
    Line { start: block.start + place.start as u64, end: block.start + place.end as u64, text }
}

fn lines_before(block: &Chunk, mut at: usize, n: usize) -> Vec<Line> {
    let mut lines = VecDeque::new();
    while lines.len() < n && at > 0 {
        let start = memrchr(b'\n', &block.bytes[..at - 1]).map_or(0, |end| end + 1);
        lines.push_front(line_at(block, start..at));
        at = start;
    }
    lines.into()
}

fn lines_after(block: &Chunk, mut at: usize, n: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    while lines.len() < n && at < block.bytes.len() {
        let end = memchr(b'\n', &block.bytes[at..]).map_or(block.bytes.len(), |end| at + end + 1);
        lines.push(line_at(block, at..end));
        at = end;
    }
    lines
}

#[cfg(test)]
mod tests;
