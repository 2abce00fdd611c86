//! Reading across parts, against the text that was written.

use std::{sync::Arc, thread, time::Duration};

use super::*;
use crate::{
    model::{
        id::Instance,
        log::{Level, LineStyle, LogPolicy, Source, Stream},
        time::{Mono, Now, Wall},
    },
    store::log::{Alike, Follower, LogFile, LogWriter, Packer, Sharing},
};

const START: &str = "2026-01-02T03:04:05Z";
const ALL: fn(Option<&LogLine<'_>>) -> bool = |_| true;

fn moment(second: u32) -> Now {
    let start = Now { mono: Mono::default(), wall: START.parse().unwrap() };
    start.after(Duration::from_secs(second.into()))
}

fn name() -> LogName {
    LogName::new("output_log.txt")
}

fn writer(dir: &Path, max_size: u64) -> LogWriter {
    let file = LogFile { dir: dir.into(), name: name(), sharing: Sharing::Sole };
    let policy = LogPolicy { max_size, keep: 1000, ..LogPolicy::default() };
    let packer = Packer::new(Duration::ZERO, || ());
    let alike = Alike { instance: Instance::new("host01"), style: Arc::new(style()), packer };
    LogWriter::new(file, Arc::new(alike), policy)
}

fn style() -> LineStyle {
    LineStyle { instance: "host01".into(), format: Default::default() }
}

/// Writes one line a second: every tenth on standard error, every hundredth webjobd's own, of two lines.
fn write(log: &LogWriter, seconds: Range<u32>) {
    for second in seconds {
        let now = moment(second);
        if second % 100 == 99 {
            log.sys(Level::Warn, now, &format!("{second}\n  more of {second}"));
            continue;
        }
        let stream = if second % 10 == 0 { Stream::Stderr } else { Stream::Stdout };
        let mut line = Vec::new();
        style().prefix(&mut line, now.wall, Source::Job(stream), stream.level());
        line.extend(format!("{second}\n").bytes());
        assert_eq!(log.append(&line, now), line.len());
    }
}

fn texts(page: &Page) -> Vec<String> {
    let text = |line: &Line| line.parse().map_or_else(|| "+".to_owned(), |own| own.text.to_owned());
    page.lines.iter().map(text).collect()
}

fn is_err(line: Option<&LogLine<'_>>) -> bool {
    line.is_some_and(|line| line.source == Source::Job(Stream::Stderr))
}

#[test]
fn the_tail_is_read_across_parts_with_and_without_a_filter() {
    let dir = tempfile::tempdir().unwrap();
    write(&writer(dir.path(), 5_000), 0..1000);
    let mut view = LogView::open(dir.path(), &name()).unwrap();
    let (start, end) = (view.start(), view.end());
    assert_eq!(start, 0);

    let tail = view.tail(start..end, 4, ALL).unwrap();
    assert_eq!((texts(&tail), tail.next), (["997", "998", "999", "+"].map(String::from).to_vec(), end));
    let errors: Vec<String> = (700..1000).step_by(10).map(|n| n.to_string()).collect();
    assert_eq!(texts(&view.tail(start..end, 30, is_err).unwrap()), errors);

    let all = view.tail(start..end, 5000, ALL).unwrap();
    assert_eq!(all.lines.len(), 1010);
    let forward = view.lines(start..end, 5000, ALL).unwrap();
    assert_eq!(all, forward);
    let middle = &all.lines[500];
    assert_eq!(texts(&view.tail(0..middle.start, 1, ALL).unwrap()), [all_text(&all.lines[499])]);
    assert_eq!(view.tail(middle.start..middle.end, 9, ALL).unwrap().lines, std::slice::from_ref(middle));
}

fn all_text(line: &Line) -> String {
    line.parse().unwrap().text.to_owned()
}

#[test]
fn pages_go_on_where_they_ended() {
    let dir = tempfile::tempdir().unwrap();
    write(&writer(dir.path(), 3_000), 0..300);
    let mut view = LogView::open(dir.path(), &name()).unwrap();
    let (mut at, end, mut lines) = (0, view.end(), Vec::new());
    while at < end {
        let page = view.lines(at..end, 7, is_err).unwrap();
        assert!(page.next > at && page.lines.len() <= 7);
        at = page.next;
        lines.extend(texts(&page));
    }
    assert_eq!(lines, (0..300).step_by(10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_moment_is_found_in_any_part() {
    let dir = tempfile::tempdir().unwrap();
    write(&writer(dir.path(), 400_000), 0..40_000);
    let mut view = LogView::open(dir.path(), &name()).unwrap();
    assert!(view.ranges().count() > 3);
    for second in [0, 1, 99, 100, 8_000, 9_345, 20_000, 39_998, 39_999] {
        let offset = view.since(moment(second).wall).unwrap();
        let line = &view.lines(offset..u64::MAX, 1, ALL).unwrap().lines[0];
        assert_eq!(line.parse().unwrap().time, moment(second).wall);
    }
    assert_eq!(view.since("1999-01-01T00:00:00Z".parse().unwrap()).unwrap(), 0);
    let end = view.end();
    assert_eq!(view.since(Wall::MAX).unwrap(), end);
}

#[test]
fn a_follower_sees_every_line_once_over_rolls_packing_and_a_late_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = writer(dir.path(), 2_000);
    let grown = log.subscribe();
    let mut follower = Follower::new(LogView::open(dir.path(), &name()).unwrap(), 0);
    let writing = thread::spawn(move || {
        write(&log, 0..3000);
        log.position(moment(0)).unwrap().offset
    });
    let mut text = Vec::new();
    while !writing.is_finished() || follower.at() < *grown.borrow() {
        let chunk = follower.next(700).unwrap();
        assert_eq!(chunk.start, text.len() as u64);
        assert!(chunk.bytes.is_empty() || chunk.bytes.ends_with(b"\n"));
        text.extend(chunk.bytes);
    }
    assert_eq!(text.len() as u64, writing.join().unwrap());
    let page = Chunk { start: 0, bytes: text };
    let seconds = page.lines().filter_map(|line| line.parse().map(|own| own.text.parse::<u32>().unwrap()));
    assert!(seconds.eq(0..3000));
}

#[test]
fn what_was_pruned_is_skipped_and_a_missing_log_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    write(&writer(dir.path(), 1_000), 0..200);
    let mut view = LogView::open(dir.path(), &name()).unwrap();
    let ranges: Vec<Range<u64>> = view.ranges().collect();
    for lost in [0, 2] {
        let range = &ranges[lost];
        let _ = fs::remove_file(dir.path().join(name().part(range.start, range.end)));
        let _ = fs::remove_file(dir.path().join(name().packed(range.start, range.end)));
    }
    let chunk = view.range(0, 1 << 20).unwrap();
    assert_eq!((chunk.start, chunk.end()), (ranges[1].start, ranges[1].end));
    let end = view.end();
    let all = view.tail(0..end, 1000, ALL).unwrap();
    assert_eq!(all, view.lines(0..end, 1000, ALL).unwrap());
    assert_eq!((all.lines[0].start, all.lines.last().unwrap().end), (ranges[1].start, end));

    let mut none = LogView::open(&dir.path().join("none"), &name()).unwrap();
    assert_eq!((none.start(), none.end()), (0, 0));
    assert_eq!(none.tail(0..0, 10, ALL).unwrap(), Page::default());
    assert_eq!(none.since(moment(0).wall).unwrap(), 0);
}

#[test]
fn lines_of_strangers_are_shown_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name().current()), b"plain\n\nno end").unwrap();
    let mut view = LogView::open(dir.path(), &name()).unwrap();
    let tail = view.tail(0..100, 2, ALL).unwrap();
    assert_eq!(tail.lines.iter().map(|line| &line.text[..]).collect::<Vec<_>>(), [&b""[..], b"no end"]);
    assert_eq!(view.tail(0..100, 2, is_err).unwrap().lines, []);
}
