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
    model::{journal, run::Occurrence, time::Wall},
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
    // The newest line counts, even when the clock went back since: the lines are in the order of their conclusions. One
    // that corrects another tells nothing of this.
    for bytes in [4096, JOURNAL_BYTES_MAX] {
        if let Some(served) = tail(path, bytes)?.iter().rev().find_map(Line::served) {
            return Ok(Some(served));
        }
    }
    Ok(None)
}

/// Returns what became of the latest due times, newest first, at most `limit`.
///
/// # Errors
/// When the journal is there and cannot be read.
pub fn latest(path: &Path, limit: usize) -> io::Result<Vec<Occurrence>> {
    let told = journal::corrected(tail(path, JOURNAL_BYTES_MAX)?);
    Ok(told.into_iter().rev().take(limit).collect())
}

/// Returns the lines that speak of runs which waited for their turn, oldest first.
///
/// # Errors
/// When the journal is there and cannot be read.
pub fn of_the_queue(path: &Path) -> io::Result<Vec<Line>> {
    let text = tail_text(path, JOURNAL_BYTES_MAX)?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    // Most lines speak of something else, and every journal is read when a host starts: those are not parsed.
    let lines = lines.filter(|line| line.contains(r#""queued""#) || line.contains(r#""corrects""#));
    Ok(lines.filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Appends lines with a single write, and cuts a journal that is too long. To be called under the job's lock.
///
/// # Errors
/// When the disk does not take them.
pub fn append(path: &Path, lines: &[Line]) -> io::Result<()> {
    let bytes = correct(path, lines)?;
    if bytes > JOURNAL_BYTES_MAX { cut(path) } else { Ok(()) }
}

/// Appends lines that correct others with a single write, which needs no lock. Returns the journal's size in bytes.
///
/// # Errors
/// When the disk does not take them.
pub fn correct(path: &Path, lines: &[Line]) -> io::Result<u64> {
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
    Ok(bytes + text.len() as u64)
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
    let text = tail_text(path, bytes_max)?;
    // Unless it is the whole journal, the first line may be half a line: it does not parse then, or is one of many.
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn tail_text(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut journal = match File::open(path) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let bytes = journal.metadata()?.len();
    let from = bytes.saturating_sub(bytes_max);
    if from > 0 {
        journal.seek(SeekFrom::Start(from))?;
    }
    // One byte more: the read that finds the end needs room.
    let mut text = Vec::with_capacity(usize::try_from(bytes - from).unwrap_or_default() + 1);
    journal.take(bytes_max).read_to_end(&mut text)?;
    Ok(text)
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
            first: None,
            corrects: None,
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
    fn a_correction_takes_nothing_back_of_what_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("occurrences.jsonl");
        let run = crate::model::id::RunId::at(wall(0), None);
        let Line::Occurrence(queued) = ran(0) else { unreachable!("an occurrence") };
        let queued = Occurrence { outcome: OccurrenceOutcome::Queued, run: Some(run), ..queued };
        append(&path, &[Line::Occurrence(queued.clone()), ran(60)]).expect("they are appended");
        let correction = Occurrence { outcome: OccurrenceOutcome::Ran, corrects: Some(run), ..queued };
        // More than is read at first.
        let many = vec![Line::Occurrence(correction.clone()); 50];
        correct(&path, &many).expect("they are appended");
        assert_eq!(served(&path).expect("it is read"), Some(wall(60)));
        let told = latest(&path, 9).expect("it is read");
        assert_eq!(told.iter().map(|one| one.due).collect::<Vec<_>>(), [wall(60), wall(0)]);
        assert_eq!(told[1], correction);
        assert_eq!(of_the_queue(&path).expect("it is read").len(), 51);
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
