//! The journal of a triggered job's due times: what became of each, one JSON line each, appended under a lock, so that
//! several hosts on one root serve a due time once.
//!
//! The first line a host writes for a job says since when anybody is responsible for its schedule; from then on the last
//! line tells up to when every due time has its answer. A half-written last line (the machine lost power) is passed over.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

pub use crate::model::run::Line;
use crate::{
    model::{run::Occurrence, time::Wall},
    os::file::{self, Access, Durability},
};

/// Size in bytes at which the journal is cut down to its newest lines.
const JOURNAL_BYTES_MAX: u64 = 512 * 1024;

/// Bytes that stay then.
const JOURNAL_BYTES_KEPT: u64 = 128 * 1024;

/// Returns up to when every due time has its answer; `None` when nobody was ever responsible.
///
/// # Errors
/// When the journal is there and cannot be read.
pub fn served(path: &Path) -> io::Result<Option<Wall>> {
    // The newest line counts, even when the clock went back since: the lines are in the order of their conclusions.
    Ok(tail(path, 4096)?.last().map(Line::served))
}

/// Returns what became of the latest due times, newest first, at most `limit`.
///
/// # Errors
/// When the journal is there and cannot be read.
pub fn latest(path: &Path, limit: usize) -> io::Result<Vec<Occurrence>> {
    let lines = tail(path, JOURNAL_BYTES_MAX)?.into_iter().rev();
    let told = lines.filter_map(|line| match line {
        Line::Occurrence(occurrence) => Some(occurrence),
        Line::Served { .. } => None,
    });
    Ok(told.take(limit).collect())
}

/// Appends lines with a single write.
///
/// # Errors
/// When the disk does not take them.
pub fn append(path: &Path, lines: &[Line]) -> io::Result<()> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    let mut journal = open(path)?;
    let bytes = journal.metadata()?.len();
    if bytes > 0 && !ends_a_line(&mut journal, bytes)? {
        text.insert(0, b'\n');
    }
    journal.write_all(&text)?;
    if bytes + text.len() as u64 > JOURNAL_BYTES_MAX { cut(path) } else { Ok(()) }
}

fn open(path: &Path) -> io::Result<File> {
    let options = || OpenOptions::new().create(true).read(true).append(true).open(path);
    match options() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                file::create_folders(folder).map_err(io::Error::other)?;
            }
            options()
        }
        done => done,
    }
}

fn ends_a_line(journal: &mut File, bytes: u64) -> io::Result<bool> {
    let mut last = [0];
    journal.seek(SeekFrom::Start(bytes - 1))?;
    journal.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn cut(path: &Path) -> io::Result<()> {
    let lines = tail(path, JOURNAL_BYTES_KEPT)?;
    let mut text = Vec::new();
    for line in &lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    file::write_whole(path, &text, Durability::Lazy, Access::Usual).map_err(io::Error::other)
}

fn tail(path: &Path, bytes_max: u64) -> io::Result<Vec<Line>> {
    let mut journal = match File::open(path) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let bytes = journal.metadata()?.len();
    let from = bytes.saturating_sub(bytes_max);
    journal.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    journal.take(bytes_max).read_to_end(&mut text)?;
    // Unless it is the whole journal, the first line may be half a line: it does not parse then, or is one of many.
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::OccurrenceOutcome;

    fn wall(second: i64) -> Wall {
        Wall::from_second(1_700_000_000 + second).expect("a time")
    }

    fn ran(second: i64) -> Line {
        let outcome = OccurrenceOutcome::Ran;
        Line::Occurrence(Occurrence {
            due: wall(second),
            at: wall(second),
            outcome,
            reason: None,
            run: None,
            count: None,
        })
    }

    #[test]
    fn the_last_whole_line_tells_what_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/occurrences.jsonl");
        assert_eq!(served(&path).expect("it is absent"), None);
        append(&path, &[Line::Served { served: wall(0) }]).expect("it is appended");
        append(&path, &[ran(60), ran(120)]).expect("they are appended");
        let half = || OpenOptions::new().append(true).open(&path).expect("it opens").write_all(br#"{"due":"#);
        half().expect("it is written");
        assert_eq!(served(&path).expect("it is read"), Some(wall(120)));
        append(&path, &[ran(180)]).expect("it is appended");
        let dues: Vec<Wall> = latest(&path, 2).expect("it is read").iter().map(|told| told.due).collect();
        assert_eq!(dues, [wall(180), wall(120)]);
    }

    #[test]
    fn a_long_journal_is_cut_to_its_newest_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("occurrences.jsonl");
        for round in 0..60 {
            let lines: Vec<Line> = (0..100).map(|n| ran(round * 100 + n)).collect();
            append(&path, &lines).expect("they are appended");
        }
        assert!(std::fs::metadata(&path).expect("it is there").len() <= JOURNAL_BYTES_MAX);
        assert_eq!(served(&path).expect("it is read"), Some(wall(5_999)));
        assert!(latest(&path, 10_000).expect("it is read").len() > 500);
    }
}
