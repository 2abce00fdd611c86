//! How the index changes: by what feeds tell, by corrections, and as a whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Transaction, params};

use super::{
    APPLICATION_ID, Db, DbError, Jobs, RECENT, TABLES, VERSION, class, first_class, kind_number, remove, signed,
    status_of,
};
use crate::{
    model::{
        history::RunStatus,
        id::{Instance, JobId, RunId},
    },
    store::index::feed::{Change, Line, Mark},
};

pub(super) const FIND: &str =
    "SELECT class FROM run WHERE job = ?1 AND class IN (?2, ?2 + 1, ?2 + 2, ?2 + 3, ?2 + 4, ?2 + 5) AND run = ?3";
pub(super) const INSERT: &str = "INSERT OR IGNORE INTO run (job, class, run) VALUES (?1, ?2, ?3)";
pub(super) const DELETE: &str = "DELETE FROM run WHERE job = ?1 AND class = ?2 AND run = ?3";
pub(super) const CLEAR: &str = "DELETE FROM run WHERE job = ?1 AND class = ?2 AND run <= ?3";
const COUNT: &str = "INSERT INTO tally (job, class, runs) VALUES (?1, ?2, ?3)
    ON CONFLICT (job, class) DO UPDATE SET runs = runs + excluded.runs";
const MARK: &str = "INSERT INTO mark (instance, file, offset) VALUES (?1, ?2, ?3)
    ON CONFLICT (instance) DO UPDATE SET file = excluded.file, offset = excluded.offset";

impl Db {
    /// Takes in what the feed of a host tells, up to `mark`: all of it or nothing.
    ///
    /// # Errors
    /// When the file is damaged or the disk does not take it.
    pub fn take_in(&mut self, lines: &[Line], instance: &Instance, mark: Mark) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for line in lines {
            change(&transaction, &mut self.jobs, line)?;
        }
        let (file, offset) = (signed(mark.file), signed(mark.offset));
        transaction.prepare_cached(MARK)?.execute(params![instance.as_str(), file, offset])?;
        transaction.commit()?;
        self.marks.insert(instance.clone(), mark);
        Ok(())
    }

    /// Takes in what a look at the records showed, where nothing was told of a run since it was looked at.
    ///
    /// # Errors
    /// When the file is damaged or the disk does not take it.
    pub fn correct(&mut self, corrections: &[Correction]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for Correction { line, known } in corrections {
            let class = match self.jobs.number(&line.job) {
                Some(number) => find(&transaction, number, &line.job, line.run)?,
                None => None,
            };
            if class.and_then(status_of) == *known {
                change(&transaction, &mut self.jobs, line)?;
            }
        }
        transaction.commit()
    }
}

/// What a look at the records showed of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// What is so.
    pub line: Line,
    /// What the index said.
    pub known: Option<RunStatus>,
}

fn change(transaction: &Transaction<'_>, jobs: &mut Jobs, line: &Line) -> rusqlite::Result<()> {
    let Line { job, run, change } = line;
    match change {
        Change::Is(status) => {
            let number = numbered(transaction, jobs, job)?;
            set(transaction, number, job, *run, *status)
        }
        Change::Gone => match jobs.number(job) {
            Some(number) => delete(transaction, number, job, *run),
            None => Ok(()),
        },
        Change::Cleared => match jobs.number(job) {
            Some(number) => clear(transaction, jobs, number, job, *run),
            None => Ok(()),
        },
    }
}

fn set(transaction: &Transaction<'_>, number: i64, job: &JobId, run: RunId, status: RunStatus) -> rusqlite::Result<()> {
    let class = class(job.kind, status);
    match find(transaction, number, job, run)? {
        Some(known) if known == class => Ok(()),
        // Feeds of several hosts may come in another order than things happened: a run that ended does not begin again.
        Some(known) if status == RunStatus::Running && status_of(known) != Some(RunStatus::Running) => Ok(()),
        Some(known) => {
            take_out(transaction, number, known, run)?;
            put_in(transaction, number, class, run)
        }
        None => put_in(transaction, number, class, run),
    }
}

fn delete(transaction: &Transaction<'_>, number: i64, job: &JobId, run: RunId) -> rusqlite::Result<()> {
    match find(transaction, number, job, run)? {
        Some(known) => take_out(transaction, number, known, run),
        None => Ok(()),
    }
}

fn clear(
    transaction: &Transaction<'_>,
    jobs: &mut Jobs,
    number: i64,
    job: &JobId,
    last: RunId,
) -> rusqlite::Result<()> {
    for status in RunStatus::ALL {
        let class = class(job.kind, status);
        let gone = transaction.prepare_cached(CLEAR)?.execute(params![number, class, signed(last.number())])?;
        count(transaction, number, class, -i64::try_from(gone).unwrap_or(i64::MAX))?;
    }
    let left = "SELECT COALESCE(SUM(runs), 0) FROM tally WHERE job = ?1";
    if transaction.query_row(left, [number], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute("DELETE FROM tally WHERE job = ?1", [number])?;
        transaction.execute("DELETE FROM job WHERE id = ?1", [number])?;
        jobs.remove(job);
    }
    Ok(())
}

fn find(transaction: &Transaction<'_>, number: i64, job: &JobId, run: RunId) -> rusqlite::Result<Option<i64>> {
    let mut statement = transaction.prepare_cached(FIND)?;
    let mut rows = statement.query(params![number, first_class(job.kind), signed(run.number())])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

fn put_in(transaction: &Transaction<'_>, number: i64, class: i64, run: RunId) -> rusqlite::Result<()> {
    let new = transaction.prepare_cached(INSERT)?.execute(params![number, class, signed(run.number())])?;
    count(transaction, number, class, i64::from(new > 0))
}

fn take_out(transaction: &Transaction<'_>, number: i64, class: i64, run: RunId) -> rusqlite::Result<()> {
    let gone = transaction.prepare_cached(DELETE)?.execute(params![number, class, signed(run.number())])?;
    count(transaction, number, class, -i64::from(gone > 0))
}

fn count(transaction: &Transaction<'_>, number: i64, class: i64, more: i64) -> rusqlite::Result<()> {
    if more != 0 {
        transaction.prepare_cached(COUNT)?.execute(params![number, class, more])?;
    }
    Ok(())
}

/// Returns the number of a job; a new one gets one.
fn numbered(connection: &Connection, jobs: &mut Jobs, job: &JobId) -> rusqlite::Result<i64> {
    if let Some(number) = jobs.number(job) {
        return Ok(number);
    }
    let mut statement = connection.prepare_cached("INSERT INTO job (kind, name) VALUES (?1, ?2)")?;
    let number = statement.insert(params![kind_number(job.kind), job.name.as_str()])?;
    jobs.add(number, job.clone());
    Ok(number)
}

/// A new index that is filled beside its place.
#[derive(Debug)]
pub struct Loader {
    connection: Connection,
    jobs: Jobs,
    path: PathBuf,
}

impl Loader {
    /// Makes an empty file at `path`; one that a crash left there goes.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn create(path: PathBuf) -> Result<Self, DbError> {
        remove(&path)?;
        let connection = Connection::open(&path)?;
        // Until it is complete nobody would miss it.
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection, jobs: Jobs::default(), path })
    }

    /// Adds all runs of a job that has none yet.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn add(&mut self, job: &JobId, runs: &[(RunId, RunStatus)]) -> rusqlite::Result<()> {
        let mut sorted: Vec<(i64, RunId)> = runs.iter().map(|(run, status)| (class(job.kind, *status), *run)).collect();
        // In the order of the tree, which is then filled from its begin to its end.
        sorted.sort_unstable();
        let transaction = self.connection.transaction()?;
        let number = numbered(&transaction, &mut self.jobs, job)?;
        for (class, run) in &sorted {
            transaction.prepare_cached(INSERT)?.execute(params![number, class, signed(run.number())])?;
        }
        for some in sorted.chunk_by(|one, other| one.0 == other.0) {
            count(&transaction, number, some[0].0, i64::try_from(some.len()).unwrap_or(i64::MAX))?;
        }
        transaction.commit()
    }

    /// Completes the file, puts it in place at `path` and opens it there.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self, path: &Path) -> Result<Db, DbError> {
        self.connection.execute_batch(RECENT)?;
        self.connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.connection.pragma_update(None, "user_version", VERSION)?;
        self.connection.close().map_err(|(_, error)| error)?;
        // A name for what is not on disk yet would make a damaged index of a loss of power.
        fs::File::open(&self.path)?.sync_all()?;
        remove(path)?;
        fs::rename(&self.path, path)?;
        Db::open(path)
    }
}
