//! The journal of runs that began on this instance and have not ended: what to look for after a crash.
//!
//! One line at a begin, with why it began, and one at an end, appended by a single write each. A run that was being ended when the host
//! was gone may stand here although its record is closed: whoever reads the journal reads the record too.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use crate::{
    model::{
        id::{JobId, JobKind, JobName, RunId},
        run::Trigger,
    },
    os::file::{self, Access, Durability, FileError},
};

/// Size in bytes at which the journal is written anew with its open runs alone.
const COMPACT_BYTES: u64 = 1024 * 1024;

/// Largest journal that is read, in bytes.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Runs that began and have not ended, each with why it began, as far as that is known.
pub type Open = BTreeMap<(JobId, RunId), Option<Trigger>>;

/// The journal, open for appending.
#[derive(Debug)]
pub struct OpenRuns {
    path: PathBuf,
    /// Nothing while the journal is kept in memory.
    file: Option<File>,
    bytes: u64,
    open: Known,
}

/// The same in less room: nearly all began with the host, or are the next life of a job, which says all there is to say.
type Known = BTreeMap<(JobId, RunId), Option<Arc<Trigger>>>;

/// Returns why a run began, for as long as it is open.
fn kept(trigger: Trigger) -> Arc<Trigger> {
    static USUAL: LazyLock<[Arc<Trigger>; 2]> = LazyLock::new(|| [Trigger::Startup, Trigger::Restart].map(Arc::new));
    USUAL.iter().find(|usual| ***usual == trigger).cloned().unwrap_or_else(|| Arc::new(trigger))
}

/// Returns what was read as it is kept.
fn known(open: Option<&Open>) -> Known {
    let open = open.into_iter().flatten();
    open.map(|(run, trigger)| (run.clone(), trigger.clone().map(kept))).collect()
}

impl OpenRuns {
    /// Reads a journal that nobody appends to; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Option<Open>, FileError> {
        Ok(file::read_bounded(path, JOURNAL_BYTES_MAX)?.map(|text| parse(&String::from_utf8_lossy(&text))))
    }

    /// Opens the journal and returns it with the runs that were open when it was last written; `None` in their place when
    /// there was no journal.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: PathBuf) -> Result<(Self, Option<Open>), FileError> {
        let left = Self::read(&path)?;
        let open = known(left.as_ref());
        let (file, bytes) = rewrite(&path, &open)?;
        Ok((Self { path, file: Some(file), bytes, open }, left))
    }

    /// Takes up a journal that cannot be written, in memory: every note tries to write it anew. Returns what could be read
    /// of it, as [`Self::open`] does.
    pub fn in_memory(path: PathBuf) -> (Self, Option<Open>) {
        let left = Self::read(&path).ok().flatten();
        let open = known(left.as_ref());
        (Self { path, file: None, bytes: u64::MAX, open }, left)
    }

    /// Notes that a run began.
    ///
    /// # Errors
    /// When the disk does not take it; the run is remembered in memory all the same.
    pub fn begin(&mut self, job: &JobId, run: RunId, trigger: &Trigger) -> io::Result<()> {
        self.open.insert((job.clone(), run), Some(kept(trigger.clone())));
        self.append(&line('+', job, run, Some(trigger)))
    }

    /// Notes that a run's record is closed.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn end(&mut self, job: &JobId, run: RunId) -> io::Result<()> {
        self.open.remove(&(job.clone(), run));
        self.append(&line('-', job, run, None))
    }

    /// Writes the journal anew with its open runs alone: one without any is empty, and nobody has to look into it.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn compact(&mut self) -> Result<(), FileError> {
        let (file, bytes) = rewrite(&self.path, &self.open)?;
        (self.file, self.bytes) = (Some(file), bytes);
        Ok(())
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| self.bytes <= COMPACT_BYTES) else {
            // What is open is known already: the journal that is written anew says what the line would.
            return self.compact().map_err(io::Error::other);
        };
        // What was written of a line that failed would spoil the next one: that one writes the journal anew.
        file.write_all(line.as_bytes()).inspect_err(|_| self.bytes = u64::MAX)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn line(sign: char, job: &JobId, run: RunId, trigger: Option<&Trigger>) -> String {
    let trigger = trigger.and_then(|trigger| serde_json::to_string(trigger).ok()).unwrap_or_default();
    // A name holds no control character, so the tab ends it.
    format!("{sign} {run} {job}\t{trigger}\n")
}

fn rewrite(path: &PathBuf, open: &Known) -> Result<(File, u64), FileError> {
    let text: String = open.iter().map(|((job, run), trigger)| line('+', job, *run, trigger.as_deref())).collect();
    file::write_whole(path, text.as_bytes(), Durability::Lazy, Access::Usual)?;
    let opened = OpenOptions::new().append(true).open(path);
    let file = opened.map_err(|source| FileError::Write { path: path.clone(), source })?;
    Ok((file, text.len() as u64))
}

fn parse(text: &str) -> Open {
    let mut open = BTreeMap::new();
    // A last line without its end was cut by the crash; what it says is not known to have happened.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match parse_line(line) {
            Some(('+', key, trigger)) => drop(open.insert(key, trigger)),
            Some(('-', key, _)) => drop(open.remove(&key)),
            Some(_) | None => {}
        }
    }
    open
}

fn parse_line(line: &str) -> Option<(char, (JobId, RunId), Option<Trigger>)> {
    let (sign, rest) = (line.chars().next()?, line.get(2..)?);
    let (run, rest) = rest.split_once(' ')?;
    let (job, trigger) = rest.split_once('\t').unwrap_or((rest, ""));
    let (kind, name) = job.split_once('/')?;
    let job = JobId { kind: kind.parse::<JobKind>().ok()?, name: JobName::parse(name).ok()? };
    Some((sign, (job, RunId::parse(run).ok()?), serde_json::from_str(trigger).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobId {
        JobId { kind: JobKind::Continuous, name: JobName::parse(name).expect("a name") }
    }

    fn run(number: u64) -> RunId {
        RunId::parse(&format!("{number:018}")).expect("18 digits")
    }

    #[test]
    fn what_began_and_did_not_end_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("open_runs");
        let (mut journal, left) = OpenRuns::open(path.clone()).expect("it opens");
        assert_eq!(left, None, "there was no journal");
        for (name, number) in [("a b", 1), ("c", 2), ("d", 3)] {
            journal.begin(&job(name), run(number), &Trigger::Startup).expect("it is noted");
        }
        journal.end(&job("c"), run(2)).expect("it is noted");
        drop(journal);
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, text + "+ 000000000000000009 continuous/e\n- 000000000000000003 continuous/d")
            .expect("it is written");
        let (_, left) = OpenRuns::open(path).expect("it opens");
        let open = [
            ((job("a b"), run(1)), Some(Trigger::Startup)),
            ((job("d"), run(3)), Some(Trigger::Startup)),
            // Written before triggers were.
            ((job("e"), run(9)), None),
        ];
        assert_eq!(left, Some(BTreeMap::from(open)));
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_kept_in_memory_until_it_can() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing/open_runs");
        assert!(OpenRuns::open(path.clone()).is_err());
        let (mut journal, left) = OpenRuns::in_memory(path.clone());
        assert_eq!(left, None);
        for number in [1, 2] {
            assert!(journal.begin(&job("a"), run(number), &Trigger::Startup).is_err());
        }
        std::fs::create_dir(folder.path().join("missing")).expect("there is room again");
        journal.end(&job("a"), run(1)).expect("it is noted");
        journal.begin(&job("a"), run(3), &Trigger::Restart).expect("it is noted");
        let open = [((job("a"), run(2)), Some(Trigger::Startup)), ((job("a"), run(3)), Some(Trigger::Restart))];
        assert_eq!(OpenRuns::read(&path).expect("it is read"), Some(BTreeMap::from(open)));
    }
}
