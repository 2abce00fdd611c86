//! What is found is what a plain look at every line finds, from either end, wherever parts and blocks begin.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::store::log::LogName;

/// Writes a log in parts: packed ones, plain ones, and the current file. Returns all its lines.
fn log(folder: &Path, lines: &[String]) -> Vec<String> {
    let name = LogName::new("job_log.txt");
    let mut at = 0;
    for (nth, part) in lines.chunks(lines.len() / 3 + 1).enumerate() {
        let bytes = part.concat().into_bytes();
        let end = at + bytes.len() as u64;
        match nth {
            0 => pack(folder, at, &bytes),
            1 => fs::write(folder.join(name.part(at, end)), &bytes).expect("it is written"),
            _ => fs::write(folder.join(name.current()), &bytes).expect("it is written"),
        }
        at = end;
    }
    lines.to_vec()
}

fn pack(folder: &Path, start: u64, bytes: &[u8]) {
    let name = LogName::new("job_log.txt").packed(start, start + bytes.len() as u64);
    let file = fs::File::create(folder.join(name)).expect("a file");
    let mut packed = GzEncoder::new(file, Compression::fast());
    packed.write_all(bytes).expect("it is written");
    packed.finish().expect("it is written");
}

fn search(folder: &Path, pattern: &str, syntax: Syntax, order: Order, context: usize) -> Vec<Found> {
    let view = LogView::open(folder, &LogName::new("job_log.txt")).expect("it opens");
    let pattern = Pattern::parse(pattern, syntax).expect("a pattern");
    let within = 0..view.end();
    let mut search = Search::new(view, pattern, within, order, context);
    let mut all = Vec::new();
    while let Some(findings) = search.look().expect("it is read") {
        all.extend(findings.found);
    }
    all
}

fn text(line: &Line) -> String {
    String::from_utf8_lossy(&line.text).into_owned()
}

#[test]
fn every_line_that_matches_is_found_once_in_either_order_with_its_surroundings() {
    let folder = tempfile::tempdir().expect("a folder");
    // Over two blocks a part, so that lines lie across the ends of blocks.
    let line = |n: usize| {
        format!("line {n:06} {}{}\n", "x".repeat(n * 7919 % 200), if n.is_multiple_of(997) { " Needle" } else { "" })
    };
    let lines = log(folder.path(), &(0..60_000).map(line).collect::<Vec<_>>());
    let expected: Vec<usize> = (0..lines.len()).filter(|n| n.is_multiple_of(997)).collect();
    let text_of = |n: usize| lines[n].trim_end_matches('\n').to_owned();
    for (pattern, syntax) in [
        ("Needle", Syntax::default()),
        ("needle", Syntax { ignore_case: true, regex: false }),
        (r"^line \d+ x* Needle$", Syntax { regex: true, ignore_case: false }),
    ] {
        let found = search(folder.path(), pattern, syntax, Order::Oldest, 2);
        assert_eq!(
            found.iter().map(|one| text(&one.line)).collect::<Vec<_>>(),
            expected.iter().map(|n| text_of(*n)).collect::<Vec<_>>()
        );
        let offset = lines[..997].concat().len() as u64;
        assert_eq!((found[1].line.start, found[1].line.end), (offset, offset + lines[997].len() as u64));
        for (one, n) in found.iter().zip(&expected) {
            let around = |range: Range<usize>| range.map(text_of).collect::<Vec<_>>();
            assert_eq!(one.before.iter().map(text).collect::<Vec<_>>(), around(n.saturating_sub(2)..*n));
            assert_eq!(one.after.iter().map(text).collect::<Vec<_>>(), around(n + 1..(n + 3).min(lines.len())));
        }
        let mut back = search(folder.path(), pattern, syntax, Order::Newest, 2);
        back.reverse();
        assert_eq!(back, found);
    }
    assert_eq!(search(folder.path(), "nowhere", Syntax::default(), Order::Newest, 0), []);
    assert_eq!(search(folder.path(), "line", Syntax::default(), Order::Newest, 0).len(), lines.len());
}

#[test]
fn packed_parts_that_are_unpacked_ahead_are_found_in_either_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut at, mut expected) = (0, Vec::new());
    for part in 0..7 {
        let lines: Vec<String> = (0..3000).map(|n| format!("part {part} line {n}\n")).collect();
        expected.extend(lines.iter().filter(|line| line.contains("99")).map(|line| line.trim_end().to_owned()));
        pack(folder.path(), at, lines.concat().as_bytes());
        at += lines.concat().len() as u64;
    }
    let texts =
        |order| search(folder.path(), "99", Syntax::default(), order, 1).iter().map(|one| text(&one.line)).collect();
    let (oldest, mut newest): (Vec<String>, Vec<String>) = (texts(Order::Oldest), texts(Order::Newest));
    newest.reverse();
    assert_eq!((&oldest, &newest), (&expected, &expected));
}

#[test]
fn a_packed_part_that_is_too_large_for_memory_is_read_once_and_its_newest_lines_are_told_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<String> = (0..40_000).map(|n| format!("{n:06} {}\n", "x".repeat(40))).collect();
    let bytes = lines.concat();
    assert!(bytes.len() as u64 > crate::store::log::segment::UNPACKED_BYTES_MAX);
    pack(folder.path(), 0, bytes.as_bytes());

    let view = LogView::open(folder.path(), &LogName::new("job_log.txt")).expect("it opens");
    let pattern = Pattern::parse("000 x", Syntax::default()).expect("a pattern");
    let mut search = Search::new(view, pattern, 0..u64::MAX, Order::Newest, 1);
    let (mut found, mut n_bytes) = (Vec::new(), 0);
    while let Some(findings) = search.look().expect("it is read") {
        n_bytes += findings.bytes;
        found.extend(findings.found);
    }
    let numbers: Vec<String> = found.iter().map(|one| text(&one.line)[..6].to_owned()).collect();
    assert_eq!(numbers, (0..40).rev().map(|n| format!("{n:03}000")).collect::<Vec<_>>());
    assert!(found.iter().take(39).all(|one| one.before.len() == 1 && one.after.len() == 1));
    assert_eq!(n_bytes, bytes.len() as u64);
}

#[test]
fn a_last_line_without_an_end_and_an_empty_log_are_searched() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(search(folder.path(), "x", Syntax::default(), Order::Newest, 1), []);
    fs::write(folder.path().join("job_log.txt"), "one\n\ntwo x").expect("it is written");
    for order in [Order::Newest, Order::Oldest] {
        let found = search(folder.path(), "x", Syntax::default(), order, 1);
        assert_eq!(found.iter().map(|one| text(&one.line)).collect::<Vec<_>>(), ["two x"]);
        assert_eq!(found[0].before.iter().map(text).collect::<Vec<_>>(), [""]);
    }
}

#[test]
fn a_wrong_or_huge_pattern_is_refused() {
    let regex = Syntax { regex: true, ignore_case: false };
    for pattern in ["(", "a{1000}{1000}{1000}", "\\n"] {
        assert!(Pattern::parse(pattern, regex).is_err(), "{pattern}");
    }
    assert!(Pattern::parse("a(b", Syntax::default()).is_ok());
}
